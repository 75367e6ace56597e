"""Words for what was measured. A word is used only when its evidence is clear, and left out otherwise."""

from __future__ import annotations

from collections.abc import Sequence

LIVELY_ONSETS_PER_S, CALM_ONSETS_PER_S = 4.5, 3.5
LIVELY_BPM, CALM_BPM = 110.0, 95.0
BRIGHT_HZ, DARK_HZ = 2800.0, 1100.0

_MOODS = {
    (True, "major"): "uplifting",
    (True, "minor"): "intense",
    (False, "major"): "peaceful",
    (False, "minor"): "melancholic",
}


def mood_of(tempo_bpm: float | None, onsets_per_s: float, mode: str | None) -> str | None:
    """One word from liveliness (tempo and onsets agreeing) and mode ("major", "minor"); None if unclear."""
    if mode is None:
        return None
    if onsets_per_s > LIVELY_ONSETS_PER_S and (tempo_bpm or 0) > LIVELY_BPM:
        return _MOODS[True, mode]
    if onsets_per_s < CALM_ONSETS_PER_S and (tempo_bpm or 0) < CALM_BPM:
        return _MOODS[False, mode]
    return None


def description_of(
    *,
    duration_s: float,
    tempo_bpm: float | None,
    key: str | None,
    mood: str | None,
    brightness_hz: float,
    instruments: Sequence[str],
    genre: str | None = None,
) -> str:
    """One plain sentence from the fields that are known."""
    tone = "bright" if brightness_hz > BRIGHT_HZ else "dark" if 0 < brightness_hz < DARK_HZ else ""
    words = " ".join(word for word in (mood, tone, genre, "piece") if word)
    sentence = f"{'An' if words[0] in 'aeiou' else 'A'} {words}"
    if tempo_bpm is not None:
        sentence += f" at {tempo_bpm:.0f} BPM"
    if key is not None:
        sentence += f" in {key}"
    if instruments:
        sentence += " with " + _listed(instruments)
    minutes, seconds = divmod(round(duration_s), 60)
    return f"{sentence}, {minutes}:{seconds:02d} long."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
