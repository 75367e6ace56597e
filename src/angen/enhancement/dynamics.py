"""Processors that turn a recording up and down over time: gate, transient shaper, compressor.

All thresholds are relative to the recording's own loud level (`loud_level_db`), all channels share one gain, and
none of them delays: they see ahead instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d

from angen.audio import Audio
from angen.enhancement.envelopes import (
    Curve,
    block_power,
    control_hop,
    follow,
    loud_level_db,
    to_db,
    with_gain,
)
from angen.enhancement.knobs import check_range


@dataclass(frozen=True)
class Gate:
    """Turns down what lies between the notes.

    Attributes:
        amount: From 0 (the very same samples) to 1.
        open_db: Opens above this level, relative to the loud level; -90 to 0.
        hysteresis_db: Closes this much lower, 0 to 30.
        depth_db: How far a closed gate turns down, 0 to 90.
        hold_s: Stays open at least so long after the last loud moment, 0 to 2.
        lookahead_s: Begins to open so long before, 0 to 0.1.
        release_s: Time constant of closing, 0.005 to 2.
    """

    amount: float = 1.0
    open_db: float = -45.0
    hysteresis_db: float = 6.0
    depth_db: float = 40.0
    hold_s: float = 0.08
    lookahead_s: float = 0.005
    release_s: float = 0.1

    def __post_init__(self) -> None:
        check_range(
            self,
            amount=(0, 1),
            open_db=(-90, 0),
            hysteresis_db=(0, 30),
            depth_db=(0, 90),
            hold_s=(0, 2),
            lookahead_s=(0, 0.1),
            release_s=(0.005, 2),
        )

    def apply(self, audio: Audio) -> Audio:
        """The recording, quieter between its notes."""
        hop, step_s = _control(audio)
        if self.amount == 0 or self.depth_db == 0 or not audio.samples.any():
            return audio
        levels = to_db(block_power(audio.samples, hop, window_s=0.005, rate_hz=audio.rate_hz))
        is_open = self._is_open(levels, step_s)
        # Opened in full when the note begins: the rise takes place within the look-ahead.
        curve = follow(
            np.where(is_open, 0.0, -self.depth_db),
            rise_s=max(self.lookahead_s / 10, 1e-5),
            fall_s=self.release_s,
            step_s=step_s,
        )
        curve[curve > -0.01] = 0.0
        return with_gain(audio, 1 - self.amount * (1 - 10 ** (curve / 20)), hop)

    def _is_open(self, levels: Curve, step_s: float) -> Curve:
        """Whether the gate is open in each block, hold and look-ahead included."""
        threshold = loud_level_db(levels) + self.open_db
        verdict = np.where(levels >= threshold, 1, np.where(levels < threshold - self.hysteresis_db, 0, -1))
        verdict[0] = max(verdict[0], 0)
        last = np.maximum.accumulate(np.where(verdict >= 0, np.arange(len(verdict)), 0))
        state = verdict[last]
        hold, ahead = round(self.hold_s / step_s), round(self.lookahead_s / step_s)
        # A maximum over [t - hold, t + ahead]; the origin moves the filter's middle there.
        size = hold + ahead + 1
        return np.asarray(maximum_filter1d(state, size, origin=hold - size // 2, mode="constant") > 0)


@dataclass(frozen=True)
class Transient:
    """Attacks and sustain louder or softer, whatever the level.

    Attributes:
        amount: From 0 (the very same samples) to 1.
        attack_db: Added to a sharp attack, -18 to 18.
        sustain_db: Added to a decay, -18 to 18.
    """

    amount: float = 1.0
    attack_db: float = 4.0
    sustain_db: float = 0.0

    def __post_init__(self) -> None:
        check_range(self, amount=(0, 1), attack_db=(-18, 18), sustain_db=(-18, 18))

    def apply(self, audio: Audio) -> Audio:
        """The recording with its envelope reshaped."""
        hop, step_s = _control(audio)
        if self.amount == 0 or not (self.attack_db or self.sustain_db) or not audio.samples.any():
            return audio
        levels = to_db(block_power(audio.samples, hop, window_s=0.003, rate_hz=audio.rate_hz))
        levels = np.maximum(levels, loud_level_db(levels) - 60)  # noise between notes has no attacks
        fast = follow(levels, rise_s=0.001, fall_s=0.05, step_s=step_s)
        late = follow(levels, rise_s=0.03, fall_s=0.05, step_s=step_s)
        long = follow(levels, rise_s=0.001, fall_s=0.4, step_s=step_s)
        attack, decay = np.tanh((fast - late) / 12), np.tanh((long - fast) / 12)
        gain_db = self.attack_db * np.maximum(attack, 0) + self.sustain_db * np.maximum(decay, 0)
        return with_gain(audio, 10 ** (self.amount * gain_db / 20), hop)


@dataclass(frozen=True)
class Compress:
    """Loud moments softer, by a curve with a soft knee.

    Attributes:
        amount: From 0 (the very same samples) to 1.
        threshold_db: Where it begins, relative to the loud level; -60 to 0.
        ratio: dB in for each dB out above the threshold, 1 to 20.
        knee_db: Width of the bend around the threshold, 0 to 24.
        attack_s: Time constant of turning down, 0.0005 to 0.5.
        release_s: Time constant of coming back, 0.005 to 2.
        keep_level: Whether the mean power is made what it was.

    Source:
        Giannoulis et al. 2012, "Digital dynamic range compressor design" (JAES 60(6)), eqs. 4 and 17.
    """

    amount: float = 1.0
    threshold_db: float = -18.0
    ratio: float = 2.5
    knee_db: float = 6.0
    attack_s: float = 0.01
    release_s: float = 0.12
    keep_level: bool = True

    def __post_init__(self) -> None:
        check_range(
            self,
            amount=(0, 1),
            threshold_db=(-60, 0),
            ratio=(1, 20),
            knee_db=(0, 24),
            attack_s=(0.0005, 0.5),
            release_s=(0.005, 2),
        )

    def apply(self, audio: Audio) -> Audio:
        """The recording with less between loud and soft."""
        hop, step_s = _control(audio)
        if self.amount == 0 or self.ratio == 1 or not audio.samples.any():
            return audio
        levels = to_db(block_power(audio.samples, hop, window_s=0.01, rate_hz=audio.rate_hz))
        over = levels - loud_level_db(levels) - self.threshold_db
        reduction = follow(
            self.reduction_db(over), rise_s=self.attack_s, fall_s=self.release_s, step_s=step_s
        )
        louder = with_gain(audio, 10 ** (-self.amount * reduction / 20), hop)
        if not self.keep_level or louder is audio:
            return louder
        before, after = (float(np.sum(sound.samples.astype(np.float64) ** 2)) for sound in (audio, louder))
        return Audio(louder.samples * np.float32(np.sqrt(before / after)), audio.rate_hz)

    def reduction_db(self, over_db: Curve) -> Curve:
        """How far levels so much above the threshold are turned down, in dB; both (levels,)."""
        slope, half = 1 - 1 / self.ratio, self.knee_db / 2
        bend = (np.clip(over_db, -half, half) + half) ** 2 / max(2 * self.knee_db, 1e-12)
        return np.asarray(slope * np.where(over_db > half, over_db, bend))


def _control(audio: Audio) -> tuple[int, float]:
    hop = control_hop(audio.rate_hz)
    return hop, hop / audio.rate_hz
