"""Hybrid Transformer Demucs by the package `demucs-infer`: drums, bass, other and vocals (extra `stems`).

The weights are a pickle of the makers' class. It is opened without running what it may hold: only tensors, plain
values, `Fraction` and the network's own class are let through.

Source:
    Rouard et al. 2023, "Hybrid Transformers for Music Source Separation" (arXiv:2211.08553).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from angen.enhancement.stopping import StoppedError
from angen.errors import EnhancementError
from angen.progress import Progress, ProgressCallback, no_progress

Float = NDArray[np.float32]

_CLASSES = ("demucs.htdemucs.HTDemucs", "demucs_infer.htdemucs.HTDemucs")


class Demucs:
    """A separator of four stems.

    Args:
        path: The weights, as their makers publish them.

    Raises:
        EnhancementError: If `demucs-infer` is not installed, or the file does not hold such a network.
    """

    model_id = "htdemucs"
    rest: str | None = None

    def __init__(self, path: Path) -> None:
        self._network = _loaded(path)
        self.rate_hz = int(self._network.samplerate)
        self.stems = tuple(self._network.sources)

    @torch.inference_mode()
    def separate(
        self,
        samples: Float,
        *,
        on_progress: ProgressCallback = no_progress,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> dict[str, Float]:
        """Its stems, each of the shape of the mix (2, samples). The same mix gives the same stems.

        Raises:
            StoppedError: If it was asked to stop.
        """
        from demucs_infer.apply import apply_model

        mix = torch.from_numpy(np.array(samples))
        mean, scale = mix.mean(), mix.mean(dim=0).std() + 1e-8
        length_s = samples.shape[1] / self.rate_hz

        def told(where: dict[str, Any]) -> None:
            if where.get("state") == "start":
                if should_stop():
                    raise StoppedError("The separation")
                on_progress(Progress("separating", where["segment_offset"] / self.rate_hz, length_s))

        normal = ((mix - mean) / scale)[None]
        stems = apply_model(self._network, normal, shifts=0, split=True, callback=told)[0] * scale
        return {name: stem.numpy() for name, stem in zip(self.stems, stems, strict=True)}


def _loaded(path: Path) -> Any:
    try:
        from demucs_infer.htdemucs import HTDemucs
    except ImportError as error:
        raise EnhancementError(
            "Separation with htdemucs needs the package demucs-infer.",
            remedy="Install it: pip install 'angen[stems]'; or separate with spleeter.",
        ) from error
    allowed: list[Any] = [Fraction, *((HTDemucs, name) for name in _CLASSES)]
    try:
        with torch.serialization.safe_globals(allowed):
            package = torch.load(path, map_location="cpu", weights_only=True)
        network = HTDemucs(*package["args"], **package["kwargs"])
        network.load_state_dict(package["state"])
    except pickle.UnpicklingError as error:
        raise _foreign(path, "it holds other things than numbers and a network, or is damaged") from error
    except (OSError, KeyError, TypeError, RuntimeError, EOFError) as error:
        raise _foreign(path, " ".join(f"{type(error).__name__} {error}".split())[:200]) from error
    return network.eval().requires_grad_(False)


def _foreign(path: Path, fault: str) -> EnhancementError:
    return EnhancementError(
        f"{str(path)!r} does not hold the weights of HTDemucs: {fault}.",
        remedy="Delete it, and fetch them again.",
    )
