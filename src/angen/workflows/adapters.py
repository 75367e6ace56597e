"""What is done with adapters as a whole: merge into a base, combine, send out as one file, take in, look into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from angen.adapters import AdapterInfo, Parent, adapter_folder, held, is_used, read_info, state_now
from angen.adapters.catalogue import existing_folder, free_folder, write_info
from angen.adapters.layout import Layout
from angen.adapters.lora import AppliedAdapter, Combined, applied, combine, merged_weights
from angen.adapters.manage import new_adapter
from angen.adapters.weights import WEIGHTS, linear_layers, write_weights
from angen.errors import AdapterError
from angen.files import content_hash, safe_name, whole_folder, write_json
from angen.model import MusicModel
from angen.settings import Settings
from angen.workflows.generate import AdapterChoice, find_adapter

Part = Literal["best", "final"]
MERGED = "MERGED.json"


@dataclass(frozen=True)
class MergedModel:
    """A base with adapters in its weights.

    Attributes:
        folder: Its files; `load_model` opens it.
        id: What it calls itself, and `base_hash` the sha256 that adapters of it will name.
        licence: Of the base and of all that went into it.
    """

    folder: Path
    id: str
    base_hash: str
    licence: str


@dataclass(frozen=True)
class CombinedAdapter:
    """A new adapter made of others, and what was lost in making it."""

    info: AdapterInfo
    folder: Path
    combined: Combined


def inspect_adapter(settings: Settings, name: str) -> dict[str, Any]:
    """All that is known of an adapter, what is in its folders, and whether it is in use; JSON can hold it.

    Raises:
        AdapterError: If there is none, or its metadata is damaged.
    """
    from angen.adapters.inspection import inspect_parts, size_bytes

    folder = existing_folder(settings.loras, name)
    info = read_info(folder)
    gain = info.validation_gain
    listed = {
        kind: sorted(path.name for path in (folder / kind).glob("*")) for kind in ("checkpoints", "samples")
    }
    return {
        **info.model_dump(mode="json"),
        "state": state_now(settings.loras, info),
        "folder": str(folder),
        "bytes": size_bytes(folder),
        "in_use": is_used(settings.loras, name),
        "validation_gain": gain if gain is None else round(gain, 5),
        "parts": [asdict(part) for part in inspect_parts(folder)],
        **listed,
        "reports": sorted(str(path.relative_to(folder)) for path in folder.glob("report*/*.html")),
    }


def merge_into_base(
    settings: Settings, model: MusicModel, choices: Sequence[AdapterChoice], out: Path
) -> MergedModel:
    """Write a copy of a base's folder with adapters added into its weights.

    The changed weights are stored as float32, so the copy is within rounding of the applied adapters whatever the
    base is stored in. The base in memory is not touched, nor copied.

    Raises:
        AdapterError: If an adapter is missing or of another base, the base has no folder, or `out` is taken.
    """
    from safetensors.torch import save_file

    from angen.model.network import read_json, read_tensors

    source = getattr(model, "folder", None)
    if source is None or not choices or all(choice.strength == 0 for choice in choices):
        raise AdapterError(
            f"Nothing can be merged into {model.facts.id} so.",
            remedy="Name adapters with a strength other than 0, and a base that is a folder of weights.",
        )
    if out.exists() or not safe_name(out.name, fallback=""):
        raise AdapterError(f"{str(out)!r} is there already, or no name.", remedy="Choose another folder.")
    with _found(settings, model, choices, "merging") as found, whole_folder(out) as folder:
        for path in sorted(Path(source).iterdir()):
            if path.is_file() and path.name not in ("model.safetensors", "model.json", "hashes.json"):
                (folder / path.name).write_bytes(path.read_bytes())
        tensors = read_tensors(Path(source) / "model.safetensors")
        for key, weight in merged_weights(model.network, [adapter for _, adapter in found]):
            tensors[key] = weight
        save_file(tensors, folder / "model.safetensors")
        licence = _licences(model, [info for info, _ in found])
        model_id = safe_name(out.name)
        config = read_json(Path(source) / "model.json")
        write_json(folder / "model.json", {**config, "id": model_id, "licence": licence})
        write_json(folder / MERGED, _merged_from(model, found, licence))
        hashes = {path.name: content_hash(path) for path in sorted(folder.iterdir())}
        write_json(folder / "hashes.json", hashes)
    from angen.model import load_model

    facts = load_model(str(out)).facts
    return MergedModel(out, facts.id, facts.base_hash, facts.licence)


def combine_adapters(
    settings: Settings,
    model: MusicModel,
    choices: Sequence[AdapterChoice],
    name: str,
    *,
    rank: int | None = None,
) -> CombinedAdapter:
    """Make one new adapter that does what several do together at their strengths.

    Args:
        settings: The workspace.
        model: The base of all of them.
        choices: Which, and how strongly; those of strength 0 are left out.
        name: Of the new adapter.
        rank: None for the exact sum; otherwise the nearest adapter of this rank.

    Raises:
        AdapterError: See `adapters.merge.combine`; or if the name is taken.
    """
    acting = [choice for choice in choices if choice.strength != 0]
    with (
        _found(settings, model, acting, "combining") as found,
        new_adapter(settings.loras, name, "combining") as folder,
    ):
        (folder / "best").mkdir()
        made = combine(model.network, [adapter for _, adapter in found], folder / "best", rank=rank)
        info = _combined_info(name, model, found, made)
        write_info(folder, info)
    return CombinedAdapter(info, adapter_folder(settings.loras, name), made)


def export_adapter(
    settings: Settings,
    name: str,
    out: Path,
    *,
    layout: Layout = "peft",
    part: Part = "best",
    author: str = "",
) -> Path:
    """Write an adapter as one `.safetensors` file that says what it is; see `adapters.portable`.

    Raises:
        AdapterError: If there is none, it is damaged, or `out` does not end in `.safetensors`.
    """
    from angen.adapters.portable import write_portable

    folder = existing_folder(settings.loras, name)
    with held(settings.loras, name, "exporting"):
        write_portable(out, read_info(folder), folder / part, layout=layout, author=author)
    return out


def import_adapter(
    settings: Settings,
    model: MusicModel,
    source: Path,
    *,
    name: str | None = None,
    rename: bool = False,
    assume_base: bool = False,
) -> AdapterInfo:
    """Take an adapter in, from one file or a folder; nothing is kept of it unless everything about it is sound.

    Args:
        settings: The workspace.
        model: The base it shall be used with.
        source: A `.safetensors` file in peft's layout or kohya's, or a folder that Angen or peft made.
        name: What to call it; None for the name it brings.
        rename: Whether to choose another name if that one is taken.
        assume_base: Whether an adapter that does not say its base may be taken for one of `model`.

    Raises:
        AdapterError: If it is not sound, belongs to another base, does not say to which, or its name is taken.
    """
    from angen.adapters.portable import read_portable

    brought = read_portable(source, linear_layers(model.network))
    info = brought.info or _stranger(model, source, brought.stated, assume_base)
    if (info.base, info.base_hash) != (model.facts.id, model.facts.base_hash):
        raise AdapterError(
            f"The adapter in {source} was trained on {info.base[:80]} {info.base_hash[:12]}, and this is "
            f"{model.facts.id} {model.facts.base_hash[:12]}.",
            remedy="Import it with its own base (--model), or train it again on this one.",
        )
    chosen = name or safe_name(info.name)
    adapter_folder(settings.loras, chosen)
    if rename:
        chosen = _free_name(settings.loras, chosen)
    with new_adapter(settings.loras, chosen, "importing") as folder:
        (folder / "best").mkdir()
        write_weights(folder / "best", brought.weights.tensors, brought.weights.raw)
        with applied(model.network, [AppliedAdapter(folder / "best")]):
            pass  # peft takes it
        info = info.model_copy(update={"name": chosen, "origin": "imported"})
        write_info(folder, info)
    return info


@contextmanager
def _found(
    settings: Settings, model: MusicModel, choices: Sequence[AdapterChoice], purpose: str
) -> Iterator[list[tuple[AdapterInfo, AppliedAdapter]]]:
    """Adapters of the workspace, checked to be of `model`, and held while the block runs."""
    with ExitStack() as use:
        found = []
        for choice in choices:
            info, folder = find_adapter(settings, choice.name, model)
            use.enter_context(held(settings.loras, choice.name, purpose))
            found.append((info, AppliedAdapter(folder, choice.strength)))
        yield found


def _parents(found: Sequence[tuple[AdapterInfo, AppliedAdapter]]) -> tuple[Parent, ...]:
    return tuple(
        Parent(
            name=info.name, strength=adapter.strength, weights_sha256=content_hash(adapter.folder / WEIGHTS)
        )
        for info, adapter in found
    )


def _merged_from(
    model: MusicModel, found: Sequence[tuple[AdapterInfo, AppliedAdapter]], licence: str
) -> dict[str, Any]:
    infos = [info for info, _ in found]
    return {
        "base": model.facts.id,
        "base_hash": model.facts.base_hash,
        "licence": licence,
        "non_commercial": any(info.non_commercial for info in infos),
        "share_alike": any(info.share_alike for info in infos),
        "attribution": _lines(infos),
        "adapters": [
            {**parent.model_dump(), "dataset": info.dataset, "trigger_words": list(info.trigger_words)}
            for parent, (info, _) in zip(_parents(found), found, strict=True)
        ],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _combined_info(
    name: str, model: MusicModel, found: Sequence[tuple[AdapterInfo, AppliedAdapter]], made: Combined
) -> AdapterInfo:
    infos = [info for info, _ in found]
    first = infos[0]
    parents = _parents(found)
    digest = hashlib.sha256("\n".join(f"{p.weights_sha256} {p.strength!r}" for p in parents).encode())
    licences = sorted({info.licence for info in infos if info.licence})
    return AdapterInfo(
        name=name,
        state="finished",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        base=model.facts.id,
        base_hash=model.facts.base_hash,
        dataset=" + ".join(dict.fromkeys(info.dataset for info in infos if info.dataset)),
        dataset_hash=digest.hexdigest(),
        style=", ".join(dict.fromkeys(info.style for info in infos if info.style)),
        licence=" AND ".join(licences) or None,
        config=asdict(made),
        versions=first.versions,
        steps=0,
        best_step=0,
        noise_scale=first.noise_scale,
        guidance=first.guidance,
        tempo_bpm=first.tempo_bpm,
        seconds=0.0,
        type=first.type if len({info.type for info in infos}) == 1 else "user",
        origin="combined",
        trigger_words=tuple(dict.fromkeys(word for info in infos for word in info.trigger_words)),
        non_commercial=_any([info.non_commercial for info in infos]),
        share_alike=_any([info.share_alike for info in infos]),
        attribution=tuple(_lines(infos)),
        parents=parents,
    )


def _any(flags: Sequence[bool | None]) -> bool | None:
    """One flag for several: a known yes wins, then what is not known."""
    return True if True in flags else None if None in flags else False


def _lines(infos: Sequence[AdapterInfo]) -> list[str]:
    return list(dict.fromkeys(line for info in infos for line in info.attribution))


def _licences(model: MusicModel, infos: Sequence[AdapterInfo]) -> str:
    return " AND ".join(
        dict.fromkeys([model.facts.licence, *(info.licence for info in infos if info.licence)])
    )


def _stranger(model: MusicModel, source: Path, stated: dict[str, str], assume_base: bool) -> AdapterInfo:
    """What can be known of an adapter that Angen did not make."""
    if not assume_base:
        raise AdapterError(
            f"The adapter in {source} does not say which base it was trained on. Its layers fit {model.facts.id}.",
            remedy="If you know that it belongs to this very base, import it with --assume-base.",
        )
    trigger = stated.get("trigger_phrase", "")[:500]
    return AdapterInfo(
        name=source.stem if source.is_file() else source.resolve().name,
        state="finished",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        base=model.facts.id,
        base_hash=model.facts.base_hash,
        dataset="",
        dataset_hash="",
        style=trigger,
        licence=stated.get("license", "")[:500] or None,
        config={},
        versions={},
        steps=0,
        best_step=0,
        noise_scale=model.facts.noise_scale,
        seconds=0.0,
        origin="imported",
        trigger_words=(trigger,) if trigger else (),
    )


def _free_name(root: Path, name: str) -> str:
    for number in range(1, 1000):
        candidate = name if number == 1 else f"{name[:74]}-{number}"
        try:
            free_folder(root, candidate)
        except AdapterError:
            continue
        return candidate
    raise AdapterError(f"There is no free name like {name!r}.", remedy="Choose another with --name.")
