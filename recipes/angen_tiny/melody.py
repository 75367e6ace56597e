"""Melodies from motifs: a short figure of rhythm and contour, repeated, varied, and fitted to each chord."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from recipes.angen_tiny.idiom import LeadManner
from recipes.angen_tiny.piece import LEAD, Metre
from recipes.angen_tiny.players import chord_scale
from recipes.angen_tiny.score import Bar, Score, Stroke
from recipes.angen_tiny.theory import nearest

# Rhythms of one beat, by character and by the beat's number of steps.
_CELLS: dict[int, dict[str, tuple[str, ...]]] = {
    4: {
        "held": ("----", "x---", "x---", "x---"),
        "even": ("x-x-", "x-x-", "x---", "x--x"),
        "busy": ("xxxx", "x-xx", "xxx-", "x-x-"),
        "off": ("--x-", "-x-x", "x--x", "--xx", "-xx-"),
        "rest": ("....",),
    },
    6: {
        "held": ("------", "x-----", "x-----"),
        "even": ("x---x-", "x-x-x-", "x-----"),
        "busy": ("x-x-x-", "x-xxx-", "xxx-x-"),
        "off": ("--x-x-", "x-x---", "----x-"),
        "rest": ("......",),
    },
}
_SCHEMES = ("aaba", "abac", "aabc", "abab", "aaab", "abcb")


@dataclass(frozen=True)
class Motif:
    """A bar of melody without pitches: onsets and lengths in steps, and moves in scale degrees."""

    onsets: tuple[int, ...]
    lengths: tuple[int, ...]
    moves: tuple[int, ...]


def play_lead(score: Score, rng: np.random.Generator) -> Iterator[Stroke]:
    """A melody whose sections each have their own motifs, sung in four-bar phrases."""
    manner = score.style.lead
    density = float(np.clip(manner.density * score.mood.density, 0.05, 1.0))
    instrument = score.instrument("lead")
    centre = float(np.clip(73 + score.mood.register, instrument.low + 7, instrument.high - 9))
    motifs: dict[str, Motif] = {}
    schemes: dict[str, str] = {}
    pitch = centre
    for bar in score.bars_with("lead"):
        name = bar.section.name
        soloing = name == "solo"
        scheme = schemes.setdefault(name, _SCHEMES[int(rng.integers(len(_SCHEMES)))])
        letter = name + scheme[bar.position % 4]
        if letter not in motifs or soloing:
            busy = min(1.0, density * (1.3 if soloing else 1.0))
            motifs[letter] = invent(rng, bar.metre, replace(manner, density=busy))
        motif = motifs[letter]
        if bar.position >= 4 and rng.random() < 0.4:
            motif = vary(rng, motif)
        if bar.position % 4 == 3:
            motif = close_phrase(motif, bar.metre)
        lift = 3.0 if name in ("chorus", "drop", "climax", "hook") else 0.0
        for stroke in _sing(score, bar, motif, pitch, centre + lift, rng):
            pitch = stroke.pitch
            yield stroke


def invent(rng: np.random.Generator, metre: Metre, manner: LeadManner) -> Motif:
    """Make up a motif in a manner."""
    text = ""
    for beat in range(metre.beats):
        cells = _CELLS[metre.beat_steps][_character(rng, manner)]
        cell = cells[int(rng.integers(len(cells)))]
        text += cell.replace("-", ".", 1) if not text and cell[0] == "-" and beat == 0 else cell
    if "x" not in text:
        text = "x" + "-" * (len(text) - 1)
    text = "." * text.index("x") + text[text.index("x") :]
    onsets = tuple(step for step, token in enumerate(text) if token == "x")
    lengths = []
    for onset in onsets:
        end = onset + 1
        while end < len(text) and text[end] == "-":
            end += 1
        lengths.append(end - onset)
    return Motif(onsets, tuple(lengths), _contour(rng, len(onsets), manner.leap))


def _character(rng: np.random.Generator, manner: LeadManner) -> str:
    if rng.random() < manner.rests:
        return "rest"
    if rng.random() < manner.syncopation:
        return "off"
    draw = manner.density + rng.normal(0.0, 0.22)
    return "held" if draw < 0.33 else "even" if draw < 0.72 else "busy"


def _contour(rng: np.random.Generator, count: int, leap: float) -> tuple[int, ...]:
    """Mostly steps in one direction; a leap is answered by steps back."""
    moves, direction = [0], 1 if rng.random() < 0.6 else -1
    for _ in range(count - 1):
        if abs(moves[-1]) > 2 or rng.random() < 0.3:
            direction = -direction
        size = 1 + int(rng.poisson(max(leap - 1.0, 0.0)))
        moves.append(0 if rng.random() < 0.12 else direction * min(size, 4))
    return tuple(moves)


def vary(rng: np.random.Generator, motif: Motif) -> Motif:
    """A motif a listener still recognises: one note split, one dropped, or its ending turned."""
    count, draw = len(motif.onsets), rng.random()
    if draw < 0.35 and count > 2:
        gone = int(rng.integers(1, count))
        keep = [number for number in range(count) if number != gone]
        return Motif(
            *(
                tuple(values[number] for number in keep)
                for values in (motif.onsets, motif.lengths, motif.moves)
            )
        )
    if draw < 0.65:
        return replace(motif, moves=(*motif.moves[:-1], -motif.moves[-1] or 1))
    longest = int(np.argmax(motif.lengths))
    length = motif.lengths[longest]
    if length < 4:
        return motif
    half = length // 2
    after = longest + 1
    return Motif(
        (*motif.onsets[:after], motif.onsets[longest] + half, *motif.onsets[after:]),
        (*motif.lengths[:longest], half, length - half, *motif.lengths[after:]),
        (*motif.moves[:after], int(rng.choice((-1, 1))), *motif.moves[after:]),
    )


def close_phrase(motif: Motif, metre: Metre) -> Motif:
    """End a phrase: what falls in the bar's second half becomes one long note and a breath."""
    half = metre.bar_steps // 2
    count = max(1, sum(onset < half for onset in motif.onsets) + 1)
    count = min(count, len(motif.onsets))
    last = motif.onsets[count - 1]
    length = max(2, metre.bar_steps - last - 2)
    return Motif(motif.onsets[:count], (*motif.lengths[: count - 1], length), motif.moves[:count])


def _sing(
    score: Score, bar: Bar, motif: Motif, previous: float, centre: float, rng: np.random.Generator
) -> Iterator[Stroke]:
    """Give a motif its pitches over a bar's harmony."""
    instrument, manner = score.instrument("lead"), score.style.lead
    pitch = 0.55 * previous + 0.45 * centre
    for number, (onset, length, move) in enumerate(
        zip(motif.onsets, motif.lengths, motif.moves, strict=True)
    ):
        chord = bar.chord_at(onset)
        classes = chord_scale(score, chord)
        target = pitch if number == 0 else _moved(round(pitch), move, classes)
        target += 0.12 * (centre - target)  # melodies come home
        strong = onset % bar.metre.beat_steps == 0 or length >= bar.metre.beat_steps
        if strong and rng.random() < 0.85:
            classes = chord.pitch_classes(score.tonic)
        stay = pitch
        pitch = nearest(target, classes)
        if pitch == stay and move and number:  # a move that the chord swallowed
            pitch = nearest(target + (2.5 if move > 0 else -2.5), classes)
        while pitch > instrument.high:
            pitch -= 12
        while pitch < instrument.low:
            pitch += 12
        step = float(bar.start + onset)
        velocity = 96.0 + (8.0 if onset == 0 else 0.0) + 2.0 * (number == len(motif.onsets) // 2)
        if rng.random() < manner.ornament and step >= 1:
            grace = nearest(pitch - 1.5, chord_scale(score, chord))
            if instrument.low <= grace != pitch:
                yield Stroke(step - 0.35, 0.35, grace, velocity * 0.75, LEAD)
        gate = min(manner.legato * score.mood.legato, 1.05)
        yield Stroke(step, max(0.4, length * gate), int(pitch), velocity, LEAD)


def _moved(pitch: int, move: int, classes: tuple[int, ...]) -> float:
    """Walk `move` scale degrees from a pitch."""
    direction = 1 if move > 0 else -1
    for _ in range(abs(move)):
        pitch += direction
        while pitch % 12 not in classes:
            pitch += direction
    return float(pitch)
