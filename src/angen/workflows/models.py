"""Base models: which there are, fetching them, opening one with what the user has set up for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from angen.audio import read_audio
from angen.dataset import dataset_folder, load_dataset
from angen.errors import ModelError
from angen.files import write_json
from angen.model import MusicModel, StyleVector, load_model
from angen.model.diffrhythm2 import DiffRhythm2
from angen.model.hub import DIFFRHYTHM2, MUQ_MULAN, RELEASES, Release, cached_folder, fetch
from angen.model.muq import LICENCE_NOTICE, MuqMulan, mean_style, read_style, write_style
from angen.model.phones import installed_languages
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings

_ACCEPTED = "licences.json"


@dataclass(frozen=True)
class ModelStatus:
    """A model and what is missing to use it.

    Attributes:
        id: Its name.
        purpose: What it does.
        licence: Of its weights.
        is_ready: Whether it can be used now.
        detail: Where it is, or what it takes.
        remedy: What to do where it is not ready.
    """

    id: str
    purpose: str
    licence: str
    is_ready: bool
    detail: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))


def list_models(settings: Settings) -> Iterator[ModelStatus]:
    """Every model Angen knows; nothing large is read."""
    yield ModelStatus("angen-tiny", "music, on any processor", "Apache-2.0", True, "in the package")
    folder = cached_folder(DIFFRHYTHM2)
    yield ModelStatus(
        DIFFRHYTHM2.id,
        "songs with lyrics",
        DIFFRHYTHM2.licence,
        folder is not None,
        str(folder) if folder else f"{DIFFRHYTHM2.size_bytes / 1e9:.1f} GB to fetch",
        "" if folder else "angen model fetch diffrhythm2",
    )
    accepted, installed = is_accepted(settings, MUQ_MULAN), find_spec("muq") is not None
    missing = [] if accepted else ["its licence is not accepted"]
    missing += [] if installed else ["the package muq is not installed"]
    yield ModelStatus(
        MUQ_MULAN.id,
        "style of words and recordings, for diffrhythm2",
        f"{MUQ_MULAN.licence} (non-commercial)",
        not missing,
        "; ".join(missing) or "set up",
        "" if not missing else "pip install 'angen[style-nc]'; angen model fetch muq-mulan",
    )
    for language, is_installed, extra in installed_languages():
        yield ModelStatus(
            f"lyrics-{language}",
            "words to phones, for diffrhythm2",
            "GPL-3.0-or-later" if extra.endswith("gpl") else "MIT",
            is_installed,
            "installed" if is_installed else "not installed",
            "" if is_installed else f"pip install 'angen[{extra}]'",
        )


def model_status(settings: Settings, model_id: str) -> dict[str, Any]:
    """What is known of one model: its status, files, memory and licence.

    Args:
        settings: The workspace.
        model_id: A name of `list_models`, or a folder with DiffRhythm 2's files.

    Raises:
        ModelError: If there is none of this name.
    """
    known = {status.id: status for status in list_models(settings)}
    facts = known[model_id].as_dict() if model_id in known else {"id": model_id, "is_ready": True}
    if model_id == MUQ_MULAN.id:
        return facts | {"licence_notice": LICENCE_NOTICE}
    if model_id in known and (model_id != DIFFRHYTHM2.id or not known[model_id].is_ready):
        return facts
    model = load_model(model_id)
    if isinstance(model, DiffRhythm2):
        facts |= {"folder": str(model.folder), "device": str(model.device), "memory": str(model.memory)}
        facts["licence"] = DIFFRHYTHM2.licence
    return facts


def is_accepted(settings: Settings, release: Release) -> bool:
    """Whether the user has accepted the licence of a release that asks for it."""
    try:
        kept = json.loads((settings.home / _ACCEPTED).read_text(encoding="utf-8"))
        return not release.is_non_commercial or kept[release.id]["licence"] == release.licence
    except (OSError, ValueError, KeyError, TypeError):
        return not release.is_non_commercial


def fetch_model(
    settings: Settings,
    model_id: str,
    *,
    accepted_licence: str = "",
    on_progress: ProgressCallback = no_progress,
) -> Path | None:
    """Fetch a released model into the hub's cache. A non-commercial licence must be named to be accepted.

    Returns:
        The folder; None where the model's own package keeps its files.

    Raises:
        ModelError: If there is none of this name, its licence is not accepted (the message is its notice), or it
            cannot be fetched.
    """
    release = RELEASES.get(model_id)
    if release is None:
        raise ModelError(f"There is no {model_id!r} to fetch.", remedy=f"Known: {', '.join(RELEASES)}.")
    if release.is_non_commercial and not is_accepted(settings, release):
        if accepted_licence.lower() != release.licence.lower():
            raise ModelError(
                LICENCE_NOTICE,
                remedy=f"To accept it: angen model fetch {model_id} --accept-licence {release.licence}.",
            )
        _accept(settings, release)
    if release is MUQ_MULAN:
        on_progress(Progress(f"fetching {model_id}", 0, 0))
        MuqMulan(is_accepted=True).load()
        return None
    return fetch(
        release,
        on_file=lambda done, total, name: on_progress(Progress(f"fetching {model_id}", done, total, name)),
    )


def _accept(settings: Settings, release: Release) -> None:
    path = settings.home / _ACCEPTED
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(path, kept | {release.id: {"licence": release.licence, "accepted": when}})


def encoders_folder(settings: Settings) -> Path:
    """Where the workspace keeps distilled encoders and the music they learn from."""
    return settings.home / "models" / "encoders"


def open_model(settings: Settings, model_id: str) -> MusicModel:
    """`load_model`, with the style encoder the user has set up; no large file is read.

    Raises:
        ModelError: See `load_model`.
    """
    model = load_model(model_id)
    if isinstance(model, DiffRhythm2):
        model.style_encoder = style_encoder(settings, is_needed=False)
        model.encoders = encoders_folder(settings)
    return model


def style_encoder(settings: Settings, *, is_needed: bool = True) -> MuqMulan | None:
    """MuQ-MuLan, if its licence was accepted and its package is installed.

    Raises:
        ModelError: If it is needed and is not there; without `is_needed` that gives None.
    """
    if not is_needed and (not is_accepted(settings, MUQ_MULAN) or find_spec("muq") is None):
        return None
    return MuqMulan(is_accepted=is_accepted(settings, MUQ_MULAN))


def style_of_file(settings: Settings, path: Path, encoder: MuqMulan | None = None) -> StyleVector:
    """A style vector: read from a `.npy` or `.safetensors` file, or heard in a recording.

    Raises:
        ModelError: If the file holds none, or MuQ-MuLan is needed and not set up.
        AudioError: If the recording cannot be read.
    """
    if path.suffix.lower() in (".npy", ".safetensors"):
        return read_style(path)
    encoder = encoder or style_encoder(settings)
    assert encoder is not None
    return encoder.of_audio(read_audio(path), f"the recording {path.name}")


def style_of_dataset(
    settings: Settings,
    name: str,
    encoder: MuqMulan | None = None,
    *,
    on_progress: ProgressCallback = no_progress,
) -> StyleVector:
    """The mean style vector of a dataset's training clips; each clip is listened to once and kept.

    Raises:
        DatasetError: If there is no such dataset.
        ModelError: If MuQ-MuLan is needed and not set up.
    """
    dataset = load_dataset(dataset_folder(settings.training_data, name))
    records, vectors = dataset.side("train"), []
    for done, record in enumerate(records):
        on_progress(Progress("listening for style", done, len(records), record.clip_id))
        kept = dataset.folder / "styles" / MUQ_MULAN.id / f"{record.sha256[:32]}.safetensors"
        if not kept.is_file():
            encoder = encoder or style_encoder(settings)
            assert encoder is not None
            write_style(kept, encoder.of_audio(read_audio(dataset.audio_path(record)), record.clip_id))
        vectors.append(read_style(kept))
    on_progress(Progress("listening for style", len(records), len(records)))
    return mean_style(vectors, f"the mean of {len(vectors)} clips of the dataset {name!r}")
