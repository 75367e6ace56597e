"""One file that is a whole adapter: its weights, and in its header who it is, whose it is and what it belongs to.

The header follows ModelSpec 1.0.1 (Stability AI, `modelspec.*`), so that other programs can show it; what only
Angen knows is beside it in `angen.*`. A file from elsewhere is read as a stranger's: see `weights`, `layout`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from angen.adapters.catalogue import METADATA, AdapterInfo, read_info
from angen.adapters.layout import Layout, as_layout, from_layout
from angen.adapters.weights import CONFIG, WEIGHTS, AdapterWeights, read_tensors, read_weights, refuse_misfit
from angen.errors import AdapterError
from angen.files import atomic_path

_MODEL_SPEC = "1.0.1"
_HASH = "modelspec.hash_sha256"


@dataclass(frozen=True)
class PortableAdapter:
    """An adapter that came from outside, checked.

    Attributes:
        weights: Its tensors and configuration.
        info: What it says of itself; None if it says nothing that Angen knows.
        stated: Its `modelspec.*` entries, without that prefix.
    """

    weights: AdapterWeights
    info: AdapterInfo | None
    stated: dict[str, str]


def write_portable(
    path: Path, info: AdapterInfo, folder: Path, *, layout: Layout = "peft", author: str = ""
) -> None:
    """Write an adapter as one `.safetensors` file.

    Args:
        path: Where; replaced if it exists.
        info: What is known of it.
        folder: Its `best/` or `final/`.
        layout: Whose key names to use.
        author: Who made it, as they want to be named.

    Raises:
        AdapterError: If the folder is not a sound adapter, or the name does not end in `.safetensors`.
    """
    from safetensors.torch import save_file

    if path.suffix != ".safetensors":
        raise AdapterError(f"{str(path)!r} does not end in .safetensors.", remedy="Name it so.")
    weights = read_weights(folder)
    tensors = {key: tensor.contiguous() for key, tensor in as_layout(weights, layout).items()}
    metadata = {
        "format": "pt",
        **{f"modelspec.{key}": value for key, value in _model_spec(info, author).items() if value},
        "angen.info": info.model_dump_json(),
        "angen.adapter_config": json.dumps(weights.raw, indent=2, sort_keys=True),
        "angen.base": info.base,
        "angen.base_hash": info.base_hash,
        "angen.layout": layout,
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)
        digest = tensors_sha256(temporary)
        save_file(tensors, temporary, metadata={**metadata, _HASH: f"0x{digest}"})


def read_portable(path: Path, layers: dict[str, tuple[int, int]]) -> PortableAdapter:
    """Read an adapter from one file, or from a folder that Angen or peft made.

    Args:
        path: The file or folder.
        layers: The linear layers of the base it shall be used with.

    Raises:
        AdapterError: Naming what is missing, damaged, or not to be trusted.
    """
    if path.is_dir():
        return _read_folder(path, layers)
    if not path.is_file():
        raise AdapterError(f"There is no adapter at {str(path)!r}.", remedy="Check its name.")
    if path.suffix != ".safetensors":
        raise AdapterError(
            f"{str(path)!r} is no .safetensors file; other formats can run code when they are opened.",
            remedy="Ask for the adapter as .safetensors.",
        )
    tensors, metadata = read_tensors(path)
    stated_hash = metadata.get(_HASH)
    if stated_hash is not None and stated_hash.removeprefix("0x").lower() != tensors_sha256(path):
        raise AdapterError(
            f"The weights in {path} are not those its own hash was taken of: it was changed or damaged.",
            remedy="Get the file again.",
        )
    raw = _json(metadata["angen.adapter_config"], path) if "angen.adapter_config" in metadata else None
    info = _info(metadata["angen.info"], path) if "angen.info" in metadata else None
    stated = {key[10:]: value for key, value in metadata.items() if key.startswith("modelspec.")}
    weights = from_layout(tensors, layers, raw, path)
    refuse_misfit(weights, layers, path)
    return PortableAdapter(weights, info, stated)


def tensors_sha256(path: Path) -> str:
    """The sha256 of everything after the header of a safetensors file, as ModelSpec has it."""
    with path.open("rb") as handle:
        handle.seek(8 + int.from_bytes(handle.read(8), "little"))
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _read_folder(folder: Path, layers: dict[str, tuple[int, int]]) -> PortableAdapter:
    info = read_info(folder) if (folder / METADATA).is_file() else None
    source = folder / "best" if (folder / "best" / CONFIG).is_file() else folder
    if not (source / WEIGHTS).is_file() and (source / "adapter_model.bin").exists():
        raise AdapterError(
            f"{source} holds its weights as a pickle, which can run code when it is opened.",
            remedy="Ask for adapter_model.safetensors.",
        )
    weights = read_weights(source)
    refuse_misfit(weights, layers, source)
    return PortableAdapter(weights, info, {})


def _model_spec(info: AdapterInfo, author: str) -> dict[str, str]:
    facts = [
        f"LoRA adapter for {info.base}",
        f"style: {info.style}" if info.style else "",
        f"trained on {info.songs} songs, {info.clips} clips" if info.songs else "",
        f"held-out loss {info.validation_gain:.1%} below the base" if info.validation_gain else "",
    ]
    terms = [
        info.licence or "",
        "no commercial use" if info.non_commercial else "",
        "share alike" if info.share_alike else "",
        *info.attribution,
    ]
    return {
        "sai_model_spec": _MODEL_SPEC,
        "architecture": f"{re.sub('[^a-z0-9.-]+', '-', info.base.lower())}/lora",
        "implementation": "angen",
        "title": info.name,
        "author": author,
        "description": ". ".join(fact for fact in facts if fact),
        "date": info.created,
        "license": "; ".join(term for term in terms if term),
        "trigger_phrase": ", ".join(info.trigger_words),
        "tags": ", ".join(["lora", "music", info.type]),
        "merged_from": ", ".join(parent.name for parent in info.parents),
    }


def _info(text: str, path: Path) -> AdapterInfo:
    try:
        return AdapterInfo.model_validate_json(text)
    except (ValidationError, RecursionError) as problem:
        raise AdapterError(
            f"What the adapter in {path} says of itself cannot be read: {str(problem)[:200]}.",
            remedy="Get the file again, or made with a version of Angen no newer than this one.",
        ) from problem


def _json(text: str, path: Path) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise AdapterError(
            f"The configuration in {path} is no JSON: {str(problem)[:100]}.", remedy="Get the file again."
        ) from problem
    if not isinstance(value, dict):
        raise AdapterError(f"The configuration in {path} is no table.", remedy="Get the file again.")
    return value
