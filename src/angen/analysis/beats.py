"""A pulse on a known tempo, and its times to a few milliseconds.

The pulse is found by dynamic programming on the onset strength (Ellis 2007, "Beat Tracking by Dynamic
Programming"), then moved by straight lines fitted locally to the attacks heard at a resolution of 3 ms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from angen.analysis.spectrum import FRAME_RATE_HZ, ONSET_LEAD_FRAMES, RATE_HZ, Float

Array = NDArray[np.float64]

_TIGHTNESS = 100.0
_NEAREST, _FARTHEST = 0.7, 1.4
_ATTACK_SAMPLES = 64
_ATTACK_REACH_S = 0.04
_FIT_BEATS = 8
_OUTLIER_S = 0.005


def coarse_pulse(strength: Float, bpm: float) -> Array:
    """The path of pulses about 60 / `bpm` s apart that meets the strongest onsets.

    Args:
        strength: Onset strength by frame, shape (frames,).
        bpm: The tempo.

    Returns:
        Rising times in seconds, on the grid of frames (11.6 ms), shape (pulses,).
    """
    period = 60 * FRAME_RATE_HZ / bpm
    local = gaussian_filter1d(strength / max(float(strength.std()), 1e-9), period / 32).astype(np.float64)
    steps = np.arange(round(_FARTHEST * period), round(_NEAREST * period) - 1, -1)
    penalty = _TIGHTNESS * np.log(steps / period) ** 2
    count, reach, block = len(local), int(steps[0]), int(steps[-1])
    score = np.concatenate([np.zeros(reach), local])  # the first `reach` entries lie before the recording
    earlier = np.lib.stride_tricks.sliding_window_view(score, len(steps))  # row t: what lies `steps` before t
    own, by_step = score[reach:], earlier.T  # maxima along frames are faster than along steps
    for first in range(0, count, block):  # frames closer than the shortest step do not depend on each other
        here = slice(first, min(first + block, count))
        options = np.maximum.reduce(by_step[:, here] - penalty[:, None], axis=0, initial=0.0)
        own[here] += options
    tail = max(0, count - round(period))
    frame = tail + int(np.argmax(own[tail:]))
    path = [frame]
    while True:
        reached = earlier[frame] - penalty
        best = int(reached.argmax())
        frame -= int(steps[best])
        if reached[best] <= 0 or frame < 0:
            break
        path.append(frame)
    return np.asarray((np.array(path[::-1]) + ONSET_LEAD_FRAMES) / FRAME_RATE_HZ)


def evenness(strength: Float, pulse_s: Array) -> float:
    """Whether onsets meet all pulses: mean strength at the weakest set of them over the strongest.

    The sets are every second pulse and every third, from each start. A pulse at two or three times the beat
    leaves some empty: the result is near 0 for clicks, higher in music.
    """
    frame = np.round(pulse_s * FRAME_RATE_HZ - ONSET_LEAD_FRAMES).astype(int)
    met = strength[np.clip(frame[:, None] + np.arange(-2, 3), 0, len(strength) - 1)].max(axis=1)
    if len(met) < 3:
        return 1.0
    means = [[float(met[start::every].mean()) for start in range(every)] for every in (2, 3)]
    return min(min(group) / max(*group, 1e-9) for group in means)


def refined_beats(signal: Float, coarse_s: Array) -> Array:
    """Beat times from the attacks near a coarse pulse.

    Each beat is the value of a straight line fitted to the attacks of itself and eight neighbours on either
    side, sharp attacks counting more and strays less: single beats may be silent or early, and tempo may
    drift.

    Args:
        signal: Listening signal, shape (samples,).
        coarse_s: Rising times, shape (beats,).

    Returns:
        Rising times in seconds, shape (beats,).
    """
    attacks_s, weight = _attacks_near(signal, coarse_s)
    count = len(coarse_s)
    if count < 4:
        return attacks_s
    around = np.arange(-_FIT_BEATS, _FIT_BEATS + 1)
    near = np.arange(count)[:, None] + around
    known = (near >= 0) & (near < count)
    near = np.clip(near, 0, count - 1)
    return np.maximum.accumulate(_lines_at_zero(around, attacks_s[near], known * (weight[near] + 1e-6)))


def _attacks_near(signal: Float, times_s: Array) -> tuple[Array, Array]:
    """The sharpest attack within 40 ms of each time: its time in seconds and its strength, both (times,)."""
    curve = _attack_curve(signal)
    reach = round(_ATTACK_REACH_S * RATE_HZ / _ATTACK_SAMPLES)
    centre = np.round(times_s * RATE_HZ / _ATTACK_SAMPLES).astype(int)
    around = np.clip(centre[:, None] + np.arange(-reach, reach + 1), 0, len(curve) - 1)
    nearby = curve[around] * np.hanning(2 * reach + 3)[1:-1] ** 0.25
    best = np.argmax(nearby, axis=1)
    rows = np.arange(len(times_s))
    return (around[rows, best] + 0.5) * _ATTACK_SAMPLES / RATE_HZ, nearby[rows, best]


def _attack_curve(signal: Float) -> Array:
    """Rise of the log level of the wave and of its slope (which favours high sounds), every 2.9 ms."""
    blocks = len(signal) // _ATTACK_SAMPLES
    curve = np.zeros(blocks)
    slope = np.zeros_like(signal)
    np.subtract(signal[1:], signal[:-1], out=slope[1:])
    for wave in (signal, slope):
        framed = wave[: blocks * _ATTACK_SAMPLES].reshape(blocks, _ATTACK_SAMPLES)
        level = np.sqrt(np.linalg.vecdot(framed, framed) / _ATTACK_SAMPLES)
        loudness = np.log1p(20 * level / max(float(level.mean()), 1e-9))
        curve[2:] += np.maximum(loudness[2:] - np.maximum(loudness[1:-1], loudness[:-2]), 0)
    return curve


def _lines_at_zero(x: NDArray[np.int64], y: Array, weight: Array) -> Array:
    """Values at x = 0 of lines through weighted points, fitted thrice: strays (5 ms off) count less.

    Args:
        x: Shape (points,).
        y: Shape (lines, points).
        weight: The same; a point that does not exist weighs 0.

    Returns:
        Shape (lines,).
    """
    for _ in range(3):
        total = weight.sum(axis=1)
        mean_x, mean_y = weight @ x / total, (weight * y).sum(axis=1) / total
        from_x, from_y = x - mean_x[:, None], y - mean_y[:, None]
        leaning = weight * from_x
        slope = (leaning * from_y).sum(axis=1) / np.maximum((leaning * from_x).sum(axis=1), 1e-9)
        weight = weight / (1 + ((from_y - slope[:, None] * from_x) / _OUTLIER_S) ** 2)
    return np.asarray(mean_y - slope * mean_x)


def whole_recording(beats_s: Array, period_s: float, samples: int) -> tuple[Array, int]:
    """Continue the beats at their spacing to both ends of a recording.

    Args:
        beats_s: Rising times, shape (beats,), at least one.
        period_s: Spacing where there are too few beats to measure it.
        samples: Length of the recording in samples at 22,050 Hz.

    Returns:
        All times within the recording, and how many beats lie before the first one given.
    """
    duration_s = samples / RATE_HZ
    if len(beats_s) > 2:
        period_s = float(np.median(np.diff(beats_s)))
    before = np.arange(beats_s[0] - period_s, -0.01, -period_s)[::-1]
    after = np.arange(beats_s[-1] + period_s, duration_s, period_s)
    beats_s = np.concatenate([before, beats_s, after])
    return np.clip(beats_s[beats_s < duration_s], 0, None), len(before)
