"""Key from a harmonic pitch-class profile: spectral peaks vote for the notes whose harmonics they may be.

Profiles and weights: Albrecht and Shanahan 2013 ("The Use of Large Corpora to Train a New Type of Key-Finding
Algorithm"), Temperley 2001 ("The Cognition of Basic Musical Structures") and the `bgate` profile of Faraldo
et al. 2016 ("Key Estimation in Electronic Dance Music"). The triads that are heard count too, cadences
to the tonic speak for it and minor triads on its fifth against it: their weights, and a small bonus for minor keys,
were chosen because they help, or do no harm, on each of four kinds of music. The harmonic
vote follows Gomez 2006 ("Tonal Description of Polyphonic Audio").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from angen.analysis.spectrum import RATE_HZ, Float, magnitude_blocks

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SIZE, HOP = 8192, 4096
FRAME_RATE_HZ = RATE_HZ / HOP
SHORTEST_S = 2.0
"""Less sound than this says nothing about a key."""

_LOWEST_HZ, _HIGHEST_HZ = 55.0, 3500.0
_HARMONICS = ((1, 1.0), (2, 0.5), (3, 0.35), (4, 0.2), (5, 0.12))
_FINE = 20  # steps of a semitone that votes are counted by
_BASS_PITCH = 52
_BASS_WEIGHT = 0.25
_TRIAD_WEIGHT, _CADENCE_WEIGHT, _MINOR_FIFTH_COSTS, _MINOR_BONUS = 0.3, 0.3, 0.2, 0.07
_TRIAD_FRAMES, _TRIAD_SHARPNESS = 5, 40.0
_CADENCE_FRAMES = (4, 6, 8)
_NOISE, _MUSIC = 0.05, 0.1  # deviation over mean of a profile: drums and noise stay below, music above

_PROFILES = np.array(
    [  # (profile, major and minor, degree from the tonic)
        [
            [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081],
            [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052],
        ],
        [
            [0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400],
            [0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330],
        ],
        [
            [1.00, 0.00, 0.42, 0.00, 0.53, 0.37, 0.00, 0.77, 0.00, 0.38, 0.21, 0.30],
            [1.00, 0.00, 0.36, 0.39, 0.00, 0.38, 0.00, 0.74, 0.27, 0.00, 0.42, 0.23],
        ],
    ]
)


@dataclass(frozen=True)
class Key:
    """A key estimate.

    Args:
        tonic: Pitch class, 0 (C) to 11 (B).
        mode: "major" or "minor".
        confidence: 0 to 1: how tonal the sound is, times the probability of this key. That follows from its
            lead over the second best key, as measured on composed music (0.3 without any lead).
    """

    tonic: int
    mode: str
    confidence: float

    @property
    def name(self) -> str:
        """The key in words, as in "F# major". Black keys are written as sharps."""
        return f"{PITCH_CLASSES[self.tonic]} {self.mode}"

    @property
    def camelot(self) -> str:
        """Its number on the Camelot wheel, where neighbours mix well: C major is 8B, A minor 8A."""
        tonic = self.tonic if self.mode == "major" else self.tonic + 3
        return f"{(7 * tonic + 7) % 12 + 1}{'B' if self.mode == 'major' else 'A'}"


@dataclass(frozen=True, eq=False)
class Harmony:
    """Pitch content over time.

    Args:
        chroma: Votes for each pitch class, shape (frames, 12), 5.4 frames a second.
        bass: Weight of each pitch class among low notes over the whole recording, shape (12,).
    """

    chroma: NDArray[np.float64]
    bass: NDArray[np.float64]


def harmony_of(signal: Float) -> Harmony:
    """Tuned harmonic pitch-class profile of a listening signal, shape (samples,)."""
    frame, pitch, amplitude, loudest = _peaks(signal)
    frames = 1 + len(signal) // HOP
    if not len(pitch):
        return Harmony(np.zeros((frames, 12)), np.zeros(12))
    size = 12 * _FINE
    turn = np.exp(2j * np.pi * (np.arange(_FINE) + 0.5) / _FINE)
    fine = (pitch * np.float32(_FINE)).astype(np.int32)
    tuning = float(np.angle(np.bincount(fine % _FINE, np.sqrt(amplitude), minlength=_FINE) @ turn)) / (
        2 * np.pi
    )
    weight = np.sqrt(amplitude / loudest) * np.exp(-0.5 * ((pitch - (60 + tuning)) / 22) ** 2)
    seen = np.bincount(frame * size + fine % size, weight, minlength=frames * size).reshape(frames, size)
    low = pitch < _BASS_PITCH + tuning
    note = np.round(pitch[low] - tuning).astype(np.int64) % 12
    bass = np.bincount(note, weight[low], minlength=12).astype(np.float64)
    return Harmony(seen @ _harmonic_votes(tuning), bass)


def _harmonic_votes(tuning: float) -> NDArray[np.float64]:
    """What a peak in each twentieth of a semitone, of a tuning that many semitones high, says of pitch classes.

    Returns:
        Shape (240, 12).
    """
    pitch = (np.arange(12 * _FINE) + 0.5) / _FINE - tuning
    votes = np.zeros((12 * _FINE, 12))
    for harmonic, share in _HARMONICS:
        note = pitch - 12 * np.log2(harmonic)
        nearest = np.round(note)
        rows = np.arange(len(note)), nearest.astype(np.int64) % 12
        votes[rows] += share * np.cos(np.pi * (note - nearest)) ** 2
    return votes


def _peaks(signal: Float) -> tuple[NDArray[np.int64], Float, Float, Float]:
    """Spectral peaks: frame, pitch (69 is 440 Hz), magnitude, and the largest magnitude of their frame."""
    low, high = (int(hz * SIZE / RATE_HZ) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    found: list[tuple[NDArray[np.int64], Float, Float, Float]] = []
    for first, magnitude in magnitude_blocks(signal, SIZE, HOP, slice(low - 1, high + 2)):
        loudest = magnitude.max(axis=1)
        rises = magnitude[:, 1:] > magnitude[:, :-1]
        is_peak = rises[:, :-1] > rises[:, 1:]
        is_peak &= magnitude[:, 1:-1] > np.maximum(0.01 * loudest, 1e-3)[:, None]
        row, column = np.divmod(np.flatnonzero(is_peak), is_peak.shape[1])
        at = row * magnitude.shape[1] + column + 1
        flat = magnitude.ravel()
        amplitude = flat[at]
        left, peak, right = (
            np.log(part + np.float32(1e-9)) for part in (flat[at - 1], amplitude, flat[at + 1])
        )
        curve = left - 2 * peak + right
        offset = np.clip(0.5 * (left - right) / np.where(curve == 0, -1, curve), -0.5, 0.5)
        hz = (column.astype(np.float32) + offset + low) * np.float32(RATE_HZ / SIZE)
        pitch = (69 + 12 * np.log2(hz / 440)).astype(np.float32)
        found.append((row + first, pitch, amplitude, loudest[row]))
    frames, pitches, magnitudes, maxima = zip(*found, strict=True)
    return np.concatenate(frames), np.concatenate(pitches), np.concatenate(magnitudes), np.concatenate(maxima)


def estimate_key(harmony: Harmony) -> Key | None:
    """The key of a recording; None when it is shorter than 2 s or without pitches."""
    profile = mean_profile(harmony.chroma) if len(harmony.chroma) > SHORTEST_S * FRAME_RATE_HZ else None
    if profile is None:
        return None
    odds = triad_odds(harmony.chroma)
    shares = odds.mean(axis=0)
    scores = key_scores(profile, harmony.bass) + _TRIAD_WEIGHT * shares + _CADENCE_WEIGHT * cadences(odds)
    scores -= _MINOR_FIFTH_COSTS * np.roll(shares[1], -7)
    scores[1] += _MINOR_BONUS
    order = np.argsort(-scores.ravel(), kind="stable")
    lead = float(scores.ravel()[order[0]] - scores.ravel()[order[1]])
    mode, tonic = divmod(int(order[0]), 12)
    confidence = tonality_of(profile) * _variety(profile) * min(1.0, 0.3 + 2.4 * lead)
    return Key(tonic, ("major", "minor")[mode], confidence)


def triad_odds(chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """How well each major and minor triad fits at each moment.

    Music returns to the chord of its tonic; its relative key shares the notes but not that habit.

    Args:
        chroma: Votes for each pitch class, shape (frames, 12).

    Returns:
        Odds that sum to 1 in each frame, shape (frames, 2, 12): major and minor triads by root.
    """
    votes = chroma / np.maximum(chroma.sum(axis=1, keepdims=True), 1e-9)
    smooth = uniform_filter1d(votes, _TRIAD_FRAMES, axis=0, mode="constant")
    smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-9)
    triads = np.zeros((24, 12))
    for root in range(12):
        triads[root, [root, (root + 4) % 12, (root + 7) % 12]] = 3**-0.5
        triads[12 + root, [root, (root + 3) % 12, (root + 7) % 12]] = 3**-0.5
    fit = _TRIAD_SHARPNESS * (smooth @ triads.T)
    odds = np.exp(fit - fit.max(axis=1, keepdims=True))
    return np.asarray((odds / odds.sum(axis=1, keepdims=True)).reshape(-1, 2, 12))


def cadences(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often the major triad a fifth above goes over to the triad of each tonic within 0.7 to 1.5 s.

    Args:
        odds: As `triad_odds` gives them, shape (frames, 2, 12).

    Returns:
        Sums of mean products over three delays, shape (2, 12): major and minor tonics.
    """
    found = np.zeros((2, 12))
    for delay in _CADENCE_FRAMES:
        if len(odds) > delay:
            dominant = np.roll(odds[:-delay, 0], -7, axis=1)  # [tonic]: the triad a fifth above it
            found += np.einsum("ft,fmt->mt", dominant, odds[delay:]) / (len(odds) - delay)
    return found


def tonality_of(profile: NDArray[np.float64]) -> float:
    """0 for a flat profile, as noise and drums have it, to 1 for one as uneven as that of any music."""
    unevenness = float(profile.std() / max(float(profile.mean()), 1e-12))
    return float(np.clip((unevenness - _NOISE) / (_MUSIC - _NOISE), 0, 1))


def _variety(profile: NDArray[np.float64]) -> float:
    """0 for a single note, whose few pitch classes are its harmonics, 1 for two notes or more."""
    share = profile[profile > 0] / profile.sum()
    classes = float(np.exp(-(share * np.log(share)).sum()))
    return float(np.clip((classes - 3.5) / 0.5, 0, 1))


def mean_profile(chroma: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Mean of the frames, each scaled to sum 1, quiet ones counting less; shape (12,). None without votes."""
    sums = chroma.sum(axis=1)
    heard = sums > 0
    if not heard.any():
        return None
    chroma, sums = chroma[heard], sums[heard]
    weights = np.minimum(1, sums / np.median(sums))
    return np.asarray(np.average(chroma / sums[:, None], axis=0, weights=weights))


def key_scores(profile: NDArray[np.float64], bass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit of 24 keys: mean Pearson correlation with three profiles, plus the tonic's share of the bass.

    Args:
        profile: Pitch classes of the recording, shape (12,).
        bass: Pitch classes of its low notes, shape (12,).

    Returns:
        Scores of shape (2, 12): major and minor, by tonic.
    """
    rotated = np.stack([np.roll(_PROFILES, tonic, axis=-1) for tonic in range(12)], axis=2)  # (3, 2, 12, 12)
    rotated = rotated - rotated.mean(axis=-1, keepdims=True)
    rotated /= np.linalg.norm(rotated, axis=-1, keepdims=True)
    centred = profile - profile.mean()
    correlation = rotated @ centred / max(float(np.linalg.norm(centred)), 1e-12)
    return np.asarray(correlation.mean(axis=0) + _BASS_WEIGHT * bass / max(float(bass.sum()), 1e-12))


def key_named(name: str, confidence: float) -> Key:
    """The key of a name as `Key.name` gives it."""
    tonic, mode = name.split(" ", 1)
    return Key(PITCH_CLASSES.index(tonic), mode, confidence)


def transposed(key: str, semitones: int) -> str:
    """A key's name some semitones higher, spelt with sharps.

    Raises:
        ValueError: If it is not the name of a key.

    Example:
        >>> transposed("A minor", 3), transposed("C major", -1)
        ('C minor', 'B major')
    """
    tonic, mode = key.split(" ", 1)
    letter, signs = tonic[:1].upper(), tonic[1:]
    if signs.strip("#b"):
        raise ValueError(f"{key!r} names no key")
    number = PITCH_CLASSES.index(letter) + signs.count("#") - signs.count("b")
    return f"{PITCH_CLASSES[(number + semitones) % 12]} {mode}"
