"""How a production begins: checked before anything is made, from what is wanted or from one made before."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from angen.adapters import adapter_folder
from angen.audio import read_audio
from angen.errors import AdapterError, ExportError, ModelError, ProductionError
from angen.export import Tags, read_sidecar, read_tags
from angen.export.sidecar import SUFFIX, SideCarAdapter
from angen.files import content_hash, safe_name
from angen.model import MusicModel, load_model
from angen.settings import Settings
from angen.workflows.generate import find_adapter, with_adapter_defaults
from angen.workflows.origin import known_origin
from angen.workflows.production import (
    PRODUCTION,
    Production,
    ProductionRecord,
    ProductionRequest,
    SideCarProduction,
    TagChoices,
    find_recording,
    read_production,
    short_reason,
    write_production,
)

ModelOpener = Callable[[str], MusicModel]


@dataclass(frozen=True)
class Blueprint:
    """What makes a production again: its request and the hashes of all that acted.

    Attributes:
        request: With everything filled in.
        base_hash: Of the base model.
        adapters: With their hashes.
        origin: Of the recording it started from.
        files: What it became.
        versions: Of what made it.
        folders: Where its recording may lie.
    """

    request: ProductionRequest
    base_hash: str
    adapters: list[SideCarAdapter]
    origin: dict[str, JsonValue] | None
    files: dict[str, str]
    versions: dict[str, str]
    folders: tuple[Path, ...] = field(default=())

    def recording(self, given: Path | None) -> Path | None:
        """The recording it started from, the one given or the one in its folder; None where it needs none.

        Raises:
            ProductionError: If it is nowhere, or another one is given.
        """
        wanted = self.request.recording
        if wanted is None:
            return None
        kept = [folder / self.request.first_file for folder in self.folders]
        return find_recording(wanted, [given] if given else kept)


def read_blueprint(path: Path) -> Blueprint:
    """What makes a production again, from its exported side-car, its `production.json` or its folder.

    Raises:
        ExportError: If a side-car is damaged.
        ProductionError: If it is of no production, or damaged.
    """
    if path.is_dir() or path.name == PRODUCTION:
        folder = path if path.is_dir() else path.parent
        record = read_production(folder).record
        versions = {key: value for stage in record.stages for key, value in stage.versions.items()}
        files = {name: sha for name, sha in record.files.items() if not name.endswith(SUFFIX)}
        return Blueprint(
            record.request, record.base_hash, record.adapters, record.origin, files, versions, (folder,)
        )
    sidecar = read_sidecar(path)
    beside: dict[str, Any] = sidecar.origin or {}
    told = beside.get("production")
    try:
        if not isinstance(told, dict):
            raise ValueError("it was exported from a single recording")
        kept = SideCarProduction.model_validate_json(json.dumps(told))
    except (ValueError, ValidationError) as error:
        raise ProductionError(
            f"The side-car {str(path)!r} does not tell of a production: {short_reason(error)}.",
            remedy="Name one that `angen produce` exported.",
        ) from error
    files = kept.files | {f"export/{file.name}": file.sha256 for file in sidecar.files}
    folders = (path.parent, path.parent.parent)
    return Blueprint(
        kept.request, kept.base_hash, kept.adapters, kept.origin, files, sidecar.versions, folders
    )


def begin_production(
    settings: Settings,
    request: ProductionRequest,
    *,
    out: Path | None = None,
    recording: Path | None = None,
    open_model: ModelOpener = load_model,
) -> Production:
    """Check a request, and make its folder; or open the folder, if it holds this very production.

    Args:
        settings: The workspace.
        request: What is wanted; what is unsaid is filled in from the adapters and the recording.
        out: The folder; None for a new one in `outputs/<date>/`.
        recording: Where `request.recording` is.
        open_model: Opens the base by its id; only called where music is generated.

    Raises:
        ProductionError: If the folder holds something else.
        AngenError: That of a room that cannot do what is asked; nothing is made then.
    """
    request.checked()
    existing = _existing(out, request)
    if existing:
        return existing
    resolved, base_hash, adapters, origin = _resolved(settings, request, recording, open_model)
    record = ProductionRecord(
        created=_now(), asked=request, request=resolved, base_hash=base_hash, adapters=adapters, origin=origin
    )
    return _new(settings, out, record)


def repeat_production(
    settings: Settings,
    blueprint: Blueprint,
    *,
    out: Path | None = None,
    recording: Path | None = None,
    open_model: ModelOpener = load_model,
) -> Production:
    """Make the folder for making a production again; or open it, if it was begun there before.

    Raises:
        ModelError: If the base model is not the one that acted then.
        AdapterError: If an adapter is missing, or not the one that acted then.
        ProductionError: If the folder holds something else, or the recording is not at hand.
    """
    request = blueprint.request
    request.checked()
    existing = _existing(out, request)
    if existing:
        return existing
    record = ProductionRecord(
        created=_now(), asked=request, request=request, base_hash=blueprint.base_hash,
        adapters=blueprint.adapters, origin=blueprint.origin, expected=blueprint.files,
        expected_versions=blueprint.versions,
    )  # fmt: skip
    if request.recording is None:
        checked_model(settings, record, open_model)
    else:
        blueprint.recording(recording)
    return _new(settings, out, record)


def _resolved(
    settings: Settings, request: ProductionRequest, recording: Path | None, open_model: ModelOpener
) -> tuple[ProductionRequest, str, list[SideCarAdapter], dict[str, Any] | None]:
    """A request with everything filled in, the base's hash, the adapters' hashes, the recording's origin."""
    if request.recording is not None:
        source = find_recording(request.recording, [recording] if recording else [])
        read_audio(source)
        origin = known_origin(settings, source)
        tags = _own_tags(source)
        filled = request.model_copy(update={"tags": _titled(request, tags, source.stem)})
        return filled, "", origin.adapters if origin else [], origin.whole if origin else None
    model = open_model(request.model)
    found = [(one, *find_adapter(settings, one.name, model)) for one in request.adapters]
    music = with_adapter_defaults(
        request.generation_request(), [info for one, info, _ in found if one.strength != 0]
    )
    facts = model.facts
    music = dataclasses.replace(
        music,
        guidance=facts.guidance if music.guidance is None else music.guidance,
        noise_scale=facts.noise_scale if music.noise_scale is None else music.noise_scale,
    )
    adapters = [
        SideCarAdapter(
            name=one.name, strength=one.strength, sha256=_weights_hash(settings, one.name), licence=info.licence
        )
        for one, info, _ in found
    ]  # fmt: skip
    title = music.prompt.split(",")[0].strip()[:60]
    update = {"tags": _titled(request, Tags(), title), "generation": music.as_dict()}
    return request.model_copy(update=update), facts.base_hash, adapters, None


def _titled(request: ProductionRequest, own: Tags, title: str) -> TagChoices:
    tags = TagChoices.of(request.tags.tags().over(own))
    date = tags.date or f"{datetime.now(UTC):%Y-%m-%d}"
    return tags.model_copy(update={"date": date, "title": tags.title or title})


def _own_tags(path: Path) -> Tags:
    try:
        return read_tags(path).tags
    except ExportError:  # a container without tags we know
        return Tags()


def checked_model(settings: Settings, record: ProductionRecord, open_model: ModelOpener) -> MusicModel:
    """The base of a production, with its adapters all as they were when it began."""
    model = open_model(record.request.model)
    if model.facts.base_hash != record.base_hash:
        raise ModelError(
            f"The base model {model.facts.id!r} is {model.facts.base_hash[:12]}, and this production was begun "
            f"with {record.base_hash[:12]}.",
            remedy="Use the version of Angen that made it, or start a new production.",
        )
    for adapter in record.adapters:
        find_adapter(settings, adapter.name, model)
        found = _weights_hash(settings, adapter.name)
        if found != adapter.sha256:
            raise AdapterError(
                f"The weights of adapter {adapter.name!r} are {found[:12]}, and this production was begun with "
                f"{(adapter.sha256 or 'unknown ones')[:12]}.",
                remedy="Put the adapter of that time back, or start a new production.",
            )
    return model


def _weights_hash(settings: Settings, name: str) -> str:
    path = adapter_folder(settings.loras, name) / "best" / "adapter_model.safetensors"
    try:
        return content_hash(path)
    except OSError as error:
        raise AdapterError(
            f"The weights of the adapter {name!r} cannot be read: {error.strerror}.",
            remedy="Train it to its end, or take another.",
        ) from error


def _existing(out: Path | None, request: ProductionRequest) -> Production | None:
    """The production that `out` holds, if it is this one."""
    if out is None or not out.exists():
        return None
    if not (out / PRODUCTION).exists():
        if out.is_dir() and not any(out.iterdir()):
            return None
        raise ProductionError(f"{str(out)!r} holds something else.", remedy="Choose another folder.")
    production = read_production(out)
    if production.record.asked != request:
        raise ProductionError(
            f"{str(out)!r} holds another production.",
            remedy=f"Go on with it by --resume {out}, or choose another folder.",
        )
    return production


def _new(settings: Settings, out: Path | None, record: ProductionRecord) -> Production:
    folder = out
    if folder is None:
        parent = settings.outputs / f"{datetime.now(UTC):%Y-%m-%d}"
        name = safe_name(record.request.tags.title, fallback="production")
        folder = _made_new(parent, [name, *(f"{name}-{number}" for number in range(2, 10_000))])
    production = Production(folder, record)
    write_production(production)
    return production


def _made_new(parent: Path, names: list[str]) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            (parent / name).mkdir()
        except FileExistsError:
            continue
        return parent / name
    raise ProductionError(f"{str(parent)!r} has no free name left.", remedy="Choose a folder with --out.")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
