"""Style vectors of words and recordings through MuQ-MuLan, whose weights are for non-commercial use only.

The package `muq` (MIT) brings the code; the weights are CC-BY-NC-4.0. Nobody gets them without having been shown
that licence and having accepted it, and what is made with them says so.

Source: Zhu et al. 2025, "MuQ" (arXiv:2501.01108).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from angen.audio import Audio
from angen.errors import ModelError
from angen.model.dit import WIDTH
from angen.model.hub import MUQ_MULAN
from angen.model.music_model import StyleVector

RATE_HZ = 24_000
CLIP_S = 10.0
LICENCE_NOTICE = (
    "MuQ-MuLan-large is under CC-BY-NC-4.0: its weights, and so what is made with them, may not be used "
    "commercially, and the authors must be named (Tencent AI Lab, arXiv:2501.01108). "
    "https://creativecommons.org/licenses/by-nc/4.0/"
)


class MulanTower(Protocol):
    """What of `muq.MuQMuLan` is used: one call, with words or with sound."""

    def __call__(self, wavs: Tensor | None = None, texts: list[str] | None = None) -> Tensor:
        """Vectors (B, 512) of sounds (B, samples) at 24 kHz, or of texts."""


class MuqMulan:
    """Makes style vectors. The weights are read when the first one is asked for.

    Args:
        is_accepted: Whether the user has seen and accepted the licence of the weights.
        tower: What embeds; None for the real one from the hub's cache.

    Raises:
        ModelError: If the licence was not accepted. The message is the licence notice.
    """

    def __init__(self, *, is_accepted: bool, tower: MulanTower | None = None) -> None:
        if not is_accepted:
            raise ModelError(
                LICENCE_NOTICE, remedy="Accept it: angen model fetch muq-mulan --accept-licence CC-BY-NC-4.0."
            )
        self._tower = tower

    def of_text(self, text: str) -> StyleVector:
        """The style vector of a text, length 1."""
        return self._made(self._embed(texts=[text])[0], f"the words {text!r}")

    def of_audio(self, audio: Audio, name: str = "a recording") -> StyleVector:
        """The mean style vector of a recording's clips of ten seconds."""
        mono = audio.mono().resampled(RATE_HZ).samples[0]
        least = int(RATE_HZ * CLIP_S)
        if len(mono) < least:  # the package fills up from the start, which half a clip is too short for
            mono = np.resize(mono, least)
        return self._made(self._embed(wavs=torch.tensor(mono, dtype=torch.float32)[None])[0], name)

    def load(self) -> None:
        """Read the weights now."""
        self._tower = self._tower or _load_tower()

    def _made(self, vector: Tensor, source: str) -> StyleVector:
        checked = checked_vector(vector.detach().float().cpu(), "MuQ-MuLan")
        return StyleVector(checked, f"{source}, through MuQ-MuLan-large", (MUQ_MULAN.licence,))

    @torch.inference_mode()
    def _embed(self, **what: Any) -> Tensor:
        self.load()
        assert self._tower is not None
        return self._tower(**what).clone()


def _load_tower() -> MulanTower:
    """The real one. Its package fetches what is not in the hub's cache: the model and its two towers' own bases."""
    try:
        from muq import MuQMuLan
    except (ImportError, OSError) as problem:  # OSError: a torchaudio that does not fit its torch
        raise ModelError(
            f"MuQ-MuLan needs the package muq: {problem}.",
            remedy="Install it: pip install 'angen[style-nc]'.",
        ) from problem
    try:
        tower: MulanTower = MuQMuLan.from_pretrained(MUQ_MULAN.repository).eval()
    except (OSError, RuntimeError, ValueError) as problem:
        raise ModelError(
            f"{MUQ_MULAN.repository} could not be loaded: {str(problem).splitlines()[0][:200]}.",
            remedy="Check the network, and fetch it again: angen model fetch muq-mulan.",
        ) from problem
    return tower


def mean_style(vectors: Sequence[StyleVector], source: str) -> StyleVector:
    """The mean of style vectors, brought to length 1 as a single one has.

    Raises:
        ModelError: If there are none, or they cancel out.
    """
    if not vectors:
        raise ModelError("There is no style vector to take a mean of.")
    mean = torch.stack([item.vector for item in vectors]).mean(0)
    length = float(mean.norm())
    if length < 1e-6:
        raise ModelError("These style vectors cancel out.", remedy="Choose fewer or more similar recordings.")
    licences = tuple(sorted({licence for item in vectors for licence in item.licences}))
    return StyleVector(mean / length, source, licences)


def read_style(path: Path) -> StyleVector:
    """A style vector from a `.npy` or `.safetensors` file with 512 numbers.

    A `.safetensors` file may say under which `licences` it is, in its metadata, separated by commas.

    Raises:
        ModelError: If the file holds no such vector.
    """
    from safetensors import SafetensorError, safe_open

    licences: tuple[str, ...] = ()
    try:
        if path.suffix == ".safetensors":
            with safe_open(str(path), "pt") as file:
                names = list(file.keys())
                vector = file.get_tensor("style" if "style" in names else names[0])
                said = (file.metadata() or {}).get("licences", "")
            licences = tuple(part.strip() for part in said.split(",") if part.strip())
        else:
            vector = torch.tensor(np.load(path, allow_pickle=False))
    except (OSError, ValueError, TypeError, SafetensorError, IndexError, EOFError) as problem:
        raise ModelError(
            f"{path} holds no style vector: {problem}.",
            remedy=f"Give a .npy or .safetensors file with {WIDTH} numbers.",
        ) from problem
    return StyleVector(checked_vector(vector.flatten().float(), str(path)), f"the file {path.name}", licences)


def write_style(path: Path, style: StyleVector) -> None:
    """Keep a style vector as a `.safetensors` file that `read_style` reads, its licences with it."""
    from safetensors.torch import save_file

    from angen.files import atomic_path

    with atomic_path(path) as temporary:
        save_file(
            {"style": style.vector.contiguous()},
            str(temporary),
            metadata={"licences": ", ".join(style.licences), "source": style.source},
        )


def checked_vector(vector: Tensor, name: str) -> Tensor:
    """A vector of 512 numbers.

    Raises:
        ModelError: If it is not.
    """
    if vector.shape != (WIDTH,) or not bool(vector.isfinite().all()):
        raise ModelError(
            f"{name} gives {list(vector.shape)} numbers, not all of them finite or not {WIDTH} in a row.",
            remedy=f"Give {WIDTH} numbers.",
        )
    return vector
