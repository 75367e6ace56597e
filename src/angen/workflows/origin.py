"""How a recording came to be, from the JSON beside it: that of `angen generate`, or an export's side-car."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from angen import __version__
from angen.adapters import adapter_folder, read_info
from angen.errors import AngenError, ExportError
from angen.export import AiMark, Tags, draw_cover, licence_flags, read_tags
from angen.export.sidecar import LARGEST_BYTES, SUFFIX, SideCarAdapter
from angen.export.tags import from_pairs
from angen.files import content_hash
from angen.settings import Settings

_KEY = re.compile(r"\bin ([A-G][#b♯♭]? ?(?:major|minor))\b")
_TEMPO = re.compile(r"\b(\d{2,3}(?:\.\d+)?) ?bpm\b", re.IGNORECASE)


@dataclass(frozen=True)
class Origin:
    """What is known of a recording's making; empty where nothing is.

    Attributes:
        prompt: What was asked of the model.
        seed: Of the generation.
        model: Id of the base model.
        base_hash: Its sha256.
        adapters: Those that acted.
        request: The whole request.
        mastering: Settings of mastering.
        enhancement: Settings of enhancement.
        tags: What follows from all this for the tags.
        whole: The JSON itself.
    """

    prompt: str = ""
    seed: int | None = None
    model: str = ""
    base_hash: str = ""
    adapters: list[SideCarAdapter] = field(default_factory=list)
    request: dict[str, Any] | None = None
    mastering: dict[str, Any] | None = None
    enhancement: dict[str, Any] | None = None
    tags: Tags = field(default_factory=Tags)
    whole: dict[str, Any] | None = None


def find_origin(path: Path) -> Origin | None:
    """The origin of a recording, from `<file>.json` or `<name>.angen.json` beside it; None if neither is there.

    A file that is no JSON object, or larger than 64 MB, is none of ours and is passed over.
    """
    for beside in (path.with_name(path.name + ".json"), path.with_name(path.stem + SUFFIX)):
        try:
            if beside.stat().st_size > LARGEST_BYTES:
                continue
            record = json.loads(beside.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            return origin_of(record)
    return None


def known_origin(settings: Settings, path: Path) -> Origin | None:
    """The origin of a recording with what the workspace knows of its adapters: hashes, and licences to obey."""
    origin = find_origin(path)
    if origin is None:
        return None
    adapters = [_adapter(settings, one) for one in origin.adapters]
    licences = sorted({one.licence for one in adapters if one.licence and one.strength})
    flags = [licence_flags(licence) for licence in licences]
    said = Tags(
        non_commercial=any(flag[0] for flag in flags),
        share_alike=any(flag[1] for flag in flags),
        extra={"TRAINING_LICENSE": "; ".join(licences)},
    )
    return dataclasses.replace(origin, adapters=adapters, tags=said.over(origin.tags))


def piece_tags(
    path: Path, origin: Origin | None, said: Tags, *, ai_mark: bool = True, draws_cover: bool = True
) -> Tags:
    """All that is said of a recording but its level: by hand, by its own tags, by the JSON beside it.

    Args:
        path: The recording.
        origin: What the JSON beside it says.
        said: By hand.
        ai_mark: Whether the mark of machine-made sound is among the tags.
        draws_cover: Whether a piece without a picture gets a drawn one.
    """
    try:
        own = read_tags(path).tags
    except ExportError:  # a container without tags we know, like AIFF
        own = Tags()
    found = said.over(own).over(origin.tags if origin else Tags())
    title = found.title or " ".join(path.stem.replace("_", " ").split())
    non_commercial, share_alike = licence_flags(found.licence)
    cover = found.cover
    if cover is None and draws_cover:
        cover = draw_cover(f"{found.artist} {title}")
    model = origin.model if origin else ""
    ai = AiMark(f"Angen {__version__}", model or (own.ai.model if own.ai else "")) if ai_mark else None
    return dataclasses.replace(
        found,
        title=title,
        cover=cover,
        ai=ai,
        replay_gain=None,
        non_commercial=found.non_commercial or non_commercial,
        share_alike=found.share_alike or share_alike,
    )


def origin_of(record: dict[str, Any]) -> Origin:
    """An origin from a record of `angen generate`, or a side-car; what is not of its type is left out."""
    request = _of(record, "request", dict) or _of(record, "generation", dict) or {}
    prompt = _of(request, "prompt", str) or _of(record, "prompt", str) or ""
    seed = _of(request, "seed", int)
    seed = _of(record, "seed", int) if seed is None else seed
    adapters = [one for one in _of(record, "adapters", list) or [] if isinstance(one, dict)]
    used = [
        SideCarAdapter(
            name=name,
            strength=float(_of(one, "strength", int, float) or 0),
            sha256=_of(one, "sha256", str),
            licence=_of(one, "licence", str),
        )
        for one in adapters
        if (name := _of(one, "name", str))
    ]
    return Origin(
        prompt=prompt,
        seed=seed,
        model=_of(record, "model", str) or "",
        base_hash=_of(record, "base_hash", str) or "",
        adapters=used,
        request=request or None,
        mastering=_of(record, "mastering", dict),
        enhancement=_of(record, "enhancement", dict),
        tags=_tags(record, request, prompt, seed),
        whole=record,
    )


def _tags(record: dict[str, Any], request: dict[str, Any], prompt: str, seed: int | None) -> Tags:
    tempo = _of(request, "tempo_bpm", int, float)
    stated = _TEMPO.search(prompt)
    key = _KEY.search(prompt)
    pairs = {
        "COMMENT": prompt,
        "BPM": str(tempo) if tempo else (stated[1] if stated else ""),
        "INITIALKEY": key[1] if key else "",
        "LYRICS": _of(request, "lyrics", str) or _of(record, "lyrics", str) or "",
        "DATE": (_of(record, "created", str) or "")[:10],
        "SEED": "" if seed is None else str(seed),
        "LICENSE": _of(record, "licence", str) or "",
    }
    return from_pairs({name: value for name, value in pairs.items() if value})


def _of(record: dict[str, Any], name: str, *kinds: type) -> Any:
    """A value of a record if it is of one of these types, else None; true and false are no numbers."""
    value = record.get(name)
    return value if isinstance(value, kinds) and not isinstance(value, bool) else None


def _adapter(settings: Settings, used: SideCarAdapter) -> SideCarAdapter:
    """What the workspace knows of an adapter, where the JSON did not say it."""
    if used.sha256:
        return used
    try:
        folder = adapter_folder(settings.loras, used.name)
        return SideCarAdapter(
            name=used.name,
            strength=used.strength,
            sha256=content_hash(folder / "best" / "adapter_model.safetensors"),
            licence=read_info(folder).licence,
        )
    except (AngenError, OSError):  # made elsewhere, or deleted since
        return used
