"""Chains of processors, and one for each kind of stem.

A chain is a tuple of frozen records, each with `amount` and `apply`. With every amount 0 a chain returns the very
record it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal, Protocol, get_args

from angen.audio import Audio
from angen.enhancement.deess import DeEss
from angen.enhancement.denoise import DeNoise
from angen.enhancement.dereverb import DeReverb
from angen.enhancement.dynamics import Compress, Gate, Transient
from angen.enhancement.equalizer import EqBand, Equalize
from angen.enhancement.knobs import check_choice, check_range
from angen.enhancement.stopping import StoppedError
from angen.errors import EnhancementError
from angen.progress import Progress, ProgressCallback, no_progress

Stem = Literal["vocals", "drums", "bass", "other", "mix"]
STEMS: tuple[Stem, ...] = get_args(Stem)
DEFAULT_STRENGTH = 0.5


class Processor(Protocol):
    """One step of a chain: a frozen record of knobs."""

    @property
    def amount(self) -> float:
        """From 0, where `apply` returns the very same record, to 1."""
        ...

    def apply(self, audio: Audio) -> Audio:
        """The recording, processed: same rate, channels and length, nothing moved in time."""
        ...


Chain = tuple[Processor, ...]


def apply_chain(
    audio: Audio,
    chain: Chain,
    *,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> Audio:
    """The recording after all steps of a chain.

    Args:
        audio: The recording, 8,000 to 384,000 Hz.
        chain: The steps, in order.
        on_progress: Told of each step.
        should_stop: Asked before each step.

    Raises:
        EnhancementError: If the rate is beyond these.
        StoppedError: If it was asked to stop.
    """
    if not 8000 <= audio.rate_hz <= 384_000:
        raise EnhancementError(
            f"A recording at {audio.rate_hz} Hz; 8000 to 384000 are expected.",
            remedy="Resample it first.",
        )
    for done, step in enumerate(chain):
        if should_stop():
            raise StoppedError("Enhancing")
        on_progress(Progress("enhancing", done, len(chain), type(step).__name__))
        audio = step.apply(audio)
    on_progress(Progress("enhancing", len(chain), len(chain)))
    return audio


def chain_for(stem: Stem, strength: float = DEFAULT_STRENGTH, *, shape: bool = True) -> Chain:
    """The chain for a kind of stem.

    Args:
        stem: "vocals", "drums", "bass", "other", or "mix" for everything at once.
        strength: From 0, which changes nothing, to 1.
        shape: Whether equaliser, transients and compression take part. Without them only faults are repaired,
            and a recording without faults stays as it is. A mix is never shaped: that is mastering.

    Raises:
        EnhancementError: If there is no such stem, or the strength is out of range.

    Example:
        >>> [type(step).__name__ for step in chain_for("drums", shape=False)]
        ['DeNoise', 'Gate']
    """
    check_choice("stem", stem, STEMS)
    check_range("chain", {"strength": strength}, strength=(0, 1))
    repair, shaping = _CHAINS[stem](strength)
    return repair + shaping if shape and strength else repair


def chain_as_list(chain: Chain) -> list[dict[str, Any]]:
    """A chain as records ready for JSON: `processor` and its knobs."""
    told = []
    for step in chain:
        knobs = asdict(step)  # type: ignore[call-overload]
        lists = {name: list(value) if isinstance(value, tuple) else value for name, value in knobs.items()}
        told.append({"processor": type(step).__name__, **lists})
    return told


def _vocals(s: float) -> tuple[Chain, Chain]:
    repair = (
        DeNoise(amount=s),
        DeReverb(amount=0.8 * s),
        Gate(amount=s, open_db=-50, depth_db=20, hold_s=0.15, release_s=0.2),
        DeEss(amount=s),
    )
    bands = (
        EqBand("high_pass", 80),
        EqBand("peak", 300, -3 * s, 1.0),
        EqBand("peak", 3500, 3 * s, 0.8),
        EqBand("high_shelf", 10_000, 3 * s),
    )
    return repair, (Equalize(bands), Compress(amount=s, threshold_db=-18, ratio=3.0))


def _drums(s: float) -> tuple[Chain, Chain]:
    repair = (
        DeNoise(amount=s, reduction_db=14),
        Gate(amount=s, open_db=-50, depth_db=30, hold_s=0.05, release_s=0.15),
    )
    bands = (
        EqBand("high_pass", 25),
        EqBand("peak", 400, -3 * s, 1.0),
        EqBand("high_shelf", 8000, 2 * s),
    )
    shaping = (
        Transient(amount=s, attack_db=6),
        Equalize(bands),
        Compress(amount=s, threshold_db=-12, ratio=2.0, attack_s=0.02, release_s=0.08),
    )
    return repair, shaping


def _bass(s: float) -> tuple[Chain, Chain]:
    repair = (
        DeNoise(amount=s),
        Gate(amount=s, open_db=-50, depth_db=20, hold_s=0.15, release_s=0.2),
    )
    bands = (
        EqBand("high_pass", 30),
        EqBand("peak", 250, -2 * s, 1.0),
        EqBand("peak", 800, 2 * s, 1.0),
    )
    return repair, (Equalize(bands), Compress(amount=s, threshold_db=-15, ratio=3.0, attack_s=0.02))


def _other(s: float) -> tuple[Chain, Chain]:
    bands = (EqBand("high_pass", 40), EqBand("peak", 300, -2 * s, 0.8), EqBand("high_shelf", 9000, 2 * s))
    return (DeNoise(amount=s),), (Equalize(bands), Compress(amount=s, threshold_db=-15, ratio=1.8))


def _mix(s: float) -> tuple[Chain, Chain]:
    return (DeNoise(amount=s, reduction_db=16), DeEss(amount=s, threshold_db=6, most_db=6)), ()


_CHAINS: dict[str, Callable[[float], tuple[Chain, Chain]]] = {
    "vocals": _vocals,
    "drums": _drums,
    "bass": _bass,
    "other": _other,
    "mix": _mix,
}
