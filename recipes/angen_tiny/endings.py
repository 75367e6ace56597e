"""How a piece ends: dominant, tonic, and a last chord on which everybody lands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from recipes.angen_tiny.forms import SectionPlan
from recipes.angen_tiny.instruments import DRUM_KEYS
from recipes.angen_tiny.piece import BASS, CHORDS, DRUMS, LEAD, PAD
from recipes.angen_tiny.score import Score, Stroke
from recipes.angen_tiny.theory import MINOR_MODES, lead_voices, parse_chord

ENDING = SectionPlan("ending", 1, frozenset(), 0.9)


def resolved(score: Score) -> Score:
    """The same score, its last two bars a dominant and the tonic."""
    dominant, tonic = parse_chord("V7"), parse_chord("i" if score.mode in MINOR_MODES else "I")
    *bars, before, last = score.bars
    before = replace(before, chords=(*before.chords[:1], dominant), following=tonic)
    return replace(score, bars=(*bars, before, replace(last, chords=(tonic,), following=tonic)))


def last_chord(score: Score, steps: int = 8) -> Iterator[Stroke]:
    """All who play land on the tonic, with a cymbal, and hold it for some steps."""
    start, tonic = float(score.bars[-1].start), score.tonic
    triad = [(tonic + tone) % 12 for tone in (0, 3 if score.mode in MINOR_MODES else 4, 7)]
    voices = lead_voices(triad, (), 55, 74)
    if "chords" in score.parts:
        yield from (Stroke(start, steps, pitch, 92, CHORDS) for pitch in voices)
    elif "pad" in score.parts:
        yield from (Stroke(start, steps, pitch, 84, PAD) for pitch in voices)
    if "lead" in score.parts:
        high = score.instrument("lead").high
        top = next(pitch for pitch in range(high, 0, -1) if pitch % 12 == tonic)
        yield Stroke(start, steps, top - 12 if top > 79 else top, 104, LEAD)
    if "bass" in score.parts:
        root = next(pitch for pitch in range(33, 45) if pitch % 12 == tonic)
        yield Stroke(start, steps * 3 // 4, root, 104, BASS)
    if any(score.feel.drums):
        yield from (Stroke(start, 2, DRUM_KEYS[drum], 108, DRUMS) for drum in ("kick", "crash"))
