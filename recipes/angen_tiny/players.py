"""The band: each player turns a score into strokes for one part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from recipes.angen_tiny.forms import FILLS
from recipes.angen_tiny.idiom import Groove
from recipes.angen_tiny.instruments import DRUM_KEYS
from recipes.angen_tiny.piece import BASS, CHANNELS, DRUMS, PAD
from recipes.angen_tiny.score import Bar, Score, Stroke, pattern_slice, per_section, tokens
from recipes.angen_tiny.theory import SCALES, Chord, fit, lead_voices

_HIT_VELOCITY = {"X": 112.0, "x": 90.0, "o": 58.0, "?": 70.0}
_QUIET_DRUMS = frozenset(DRUM_KEYS) - {"kick", "snare", "snare2", "clap", "crash", "open"}
_DISTORTED = frozenset({"distortion guitar", "overdriven guitar"})


def play_drums(score: Score, rng: np.random.Generator) -> Iterator[Stroke]:
    """Grooves by section, thinner where it is quiet, with fills at its end and crashes at its start."""
    grooves = score.feel.drums
    main = grooves[int(rng.integers(len(grooves)))]
    other = grooves[int(rng.integers(len(grooves)))]
    kick_in_quiet = rng.random() < 0.4
    for bar in score.bars_with("drums"):
        level = score.level(bar)
        pattern = other if bar.section.name in ("chorus", "drop", "solo", "hook", "climax") else main
        fill: Groove = {}
        if bar.is_last and score.style.fills and pattern and rng.random() < 0.35 + 0.6 * level:
            fills = FILLS[score.style.fills]
            fill = fills[int(rng.integers(len(fills)))]
        fill_start = bar.metre.bar_steps - max((len(row) for row in fill.values()), default=0)
        for name, row in pattern.items():
            drum = name.rstrip("+")
            if level < 0.45 and drum not in _QUIET_DRUMS and not (drum == "kick" and kick_in_quiet):
                continue
            if name.endswith("+") and level < 0.75:
                continue
            yield from _hits(bar, pattern_slice(row, bar)[: max(fill_start, 0)], 0, drum, rng)
        for drum, row in fill.items():
            yield from _hits(bar, row[max(0, -fill_start) :], max(fill_start, 0), drum, rng)
        if (
            pattern
            and bar.position == 0
            and level > 0.7
            and score.style.fills in ("rock", "club", "break", "score")
        ):
            yield Stroke(bar.start, 4, DRUM_KEYS["crash"], 96, DRUMS)


def _hits(bar: Bar, row: str, offset: int, drum: str, rng: np.random.Generator) -> Iterator[Stroke]:
    for step, token in enumerate(row):
        if token in _HIT_VELOCITY and (token != "?" or rng.random() < 0.5):
            yield Stroke(bar.start + offset + step, 1, DRUM_KEYS[drum], _HIT_VELOCITY[token], DRUMS)


def play_bass(score: Score, rng: np.random.Generator) -> Iterator[Stroke]:
    """Bass patterns: tones of the moment's chord, walking lines, approaches to the next root."""
    instrument = score.instrument("bass")
    low, high = instrument.low, min(instrument.high, instrument.low + 24)
    chosen = per_section(score, "bass", score.feel.bass, rng)
    previous = low + 8
    for bar in score.bars_with("bass"):
        for step, length, token in tokens(pattern_slice(chosen[bar.section.name], bar)):
            chord = bar.chord_at(step)
            upcoming = fit(score.tonic + bar.following.root, low, low + 11)
            pitch = _bass_pitch(token.upper(), chord, score, previous, upcoming, (low, high), rng)
            gate = 0.95 if length > 1 else 0.75
            velocity = (96.0 if token.isupper() else 64.0) + (6.0 if step == 0 else 0.0)
            yield Stroke(bar.start + step, length * gate, pitch, velocity, BASS)
            previous = pitch


def _bass_pitch(
    token: str,
    chord: Chord,
    score: Score,
    previous: int,
    upcoming: int,
    span: tuple[int, int],
    rng: np.random.Generator,
) -> int:
    """The pitch a bass token means over a chord."""
    low, high = span
    root = fit(score.tonic + chord.root, low, low + 11)
    by_size = {tone % 12: tone % 12 for tone in chord.tones}
    third = next((tone for tone in (3, 4, 5, 2) if tone in by_size), 0)
    fifth = next((tone for tone in (7, 6, 8) if tone in by_size), 7)
    seventh = next((tone for tone in (10, 11, 9) if tone in by_size), 12)
    if token == "A":
        return upcoming - 1 if upcoming - 1 >= low else upcoming + 1
    if token == "L":
        return root + fifth - 12 if root + fifth - 12 >= low else root + fifth
    if token == "W":
        classes = {(score.tonic + pitch) % 12 for pitch in SCALES[score.mode]}
        classes |= set(chord.pitch_classes(score.tonic))
        options = [
            pitch
            for pitch in range(previous - 4, previous + 5)
            if pitch % 12 in classes and pitch != previous and low <= pitch <= high
        ]
        options.sort(key=lambda pitch: abs(pitch - upcoming) + 2.5 * rng.random())
        return options[0] if options else root
    offset = {"R": 0, "T": third, "F": fifth, "S": seventh, "O": 12}[token]
    return fit(root + offset, low, high)


def play_figure(score: Score, part: str, rng: np.random.Generator) -> Iterator[Stroke]:
    """Chords or arpeggios from a text pattern (parts `chords` and `arp`), voice-led from bar to bar."""
    instrument, channel = score.instrument(part), CHANNELS[part]
    patterns = score.feel.comp if part == "chords" else score.feel.arp
    chosen = per_section(score, part, patterns, rng)
    lift = 5 if part == "arp" else 0
    low, high = max(instrument.low, 50 + lift), min(instrument.high, 74 + 2 * lift)
    strum_steps = 0.12 if "guitar" in score.parts[part] or score.parts[part] in ("harp", "banjo") else 0.0
    rootless = rng.random() < 0.5 and "bass" in score.parts
    voices: tuple[int, ...] = ()
    sounding: Chord | None = None
    for bar in score.bars_with(part):
        for step, length, token in tokens(pattern_slice(chosen[bar.section.name], bar)):
            chord = bar.chord_at(step)
            if chord != sounding:
                classes = _voiced_classes(chord, score.tonic, rootless)
                spread = score.style.spread and part == "chords"
                voices, sounding = lead_voices(classes, voices, low, high, spread=spread), chord
            root = fit(score.tonic + chord.root, max(instrument.low, 38), 52)
            if token in "xXu" and score.parts[part] in _DISTORTED:
                token = "p"
            yield from _sound(token, bar.start + step, length, voices, root, channel, strum_steps)


def _voiced_classes(chord: Chord, tonic: int, rootless: bool) -> Sequence[int]:
    classes = chord.pitch_classes(tonic)
    if len(classes) > 4 or (rootless and len(classes) == 4):
        classes = classes[1:]  # the bass has the root
    return classes


def _sound(
    token: str, step: float, length: int, voices: Sequence[int], root: int, channel: int, strum_steps: float
) -> Iterator[Stroke]:
    """Turn one token of a figure into strokes."""
    if token.isdigit():
        number = int(token)
        pitch = voices[number % len(voices)] + 12 * (number // len(voices))
        yield Stroke(step, length * 0.95, pitch, 82, channel)
    elif token == "p":
        for pitch in (root, root + 7, root + 12):
            yield Stroke(step, length * 0.93, pitch, 96, channel)
    elif token == "m":
        for pitch in (root, root + 7):
            yield Stroke(step, 0.55, pitch, 70, channel)
    elif token == "B":
        yield Stroke(step, length * 0.9, root, 88, channel)
    else:
        sounding = voices[1:] if token == "u" else voices
        ordered = list(reversed(sounding)) if token == "u" else list(sounding)
        velocity = {"X": 98.0, "x": 84.0, "u": 66.0}[token]
        for number, pitch in enumerate(ordered):
            yield Stroke(step + number * strum_steps, length * 0.92, pitch, velocity, channel)


def play_pad(score: Score, rng: np.random.Generator) -> Iterator[Stroke]:
    """Sustained chords under everything, tied where the harmony stays."""
    instrument = score.instrument("pad")
    low, high = max(instrument.low, 48), min(instrument.high, 77)
    doubled = rng.random() < 0.3
    voices: tuple[int, ...] = ()
    held: list[tuple[float, float, Chord]] = []
    for bar in score.bars_with("pad"):
        for step, length, chord in bar.chord_spans():
            start = float(bar.start + step)
            if held and held[-1][2] == chord and held[-1][0] + held[-1][1] == start and held[-1][1] < 32:
                held[-1] = (held[-1][0], held[-1][1] + length, chord)
            else:
                held.append((start, float(length), chord))
    for start, span, chord in held:
        voices = lead_voices(
            chord.pitch_classes(score.tonic)[:4], voices, low, high, spread=score.style.spread
        )
        extra = (voices[-1] + 12,) if doubled and voices[-1] + 12 <= instrument.high else ()
        for pitch in (*voices, *extra):
            yield Stroke(start, span * 0.98, pitch, 76, PAD)


def chord_scale(score: Score, chord: Chord) -> tuple[int, ...]:
    """Pitch classes a melody may use over a chord: the key's scale, bent where the chord leaves it."""
    tones = set(chord.pitch_classes(score.tonic))
    name = "minor blues" if score.mode == "blues" else score.mode
    scale = {(score.tonic + pitch) % 12 for pitch in SCALES[name]}
    foreign = tones - scale
    kept = {pc for pc in scale if not any((pc - tone) % 12 in (1, 11) for tone in foreign)}
    return tuple(sorted(kept | tones))
