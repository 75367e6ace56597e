"""The 128 sounds of General MIDI as words for a prompt."""

from __future__ import annotations

from angen.catalogue.symbolic.reading import DRUMS, Score

_WORDS = (
    ("piano", 4), ("electric piano", 2), ("harpsichord", 1), ("clavinet", 1),
    ("celesta", 1), ("glockenspiel", 1), ("music box", 1), ("vibraphone", 1), ("marimba", 1), ("xylophone", 1),
    ("tubular bells", 1), ("dulcimer", 1),
    ("organ", 5), ("accordion", 1), ("harmonica", 1), ("accordion", 1),
    ("acoustic guitar", 2), ("electric guitar", 3), ("distorted guitar", 2), ("electric guitar", 1),
    ("acoustic bass", 1), ("electric bass", 2), ("fretless bass", 1), ("slap bass", 2), ("synth bass", 2),
    ("violin", 1), ("viola", 1), ("cello", 1), ("double bass", 1), ("strings", 2), ("harp", 1), ("timpani", 1),
    ("strings", 2), ("synth strings", 2), ("choir", 3), ("orchestral hits", 1),
    ("trumpet", 1), ("trombone", 1), ("tuba", 1), ("trumpet", 1), ("french horn", 1), ("brass", 1),
    ("synth brass", 2),
    ("saxophone", 4), ("oboe", 1), ("english horn", 1), ("bassoon", 1), ("clarinet", 1),
    ("piccolo", 1), ("flute", 1), ("recorder", 1), ("pan flute", 1), ("bottle", 1), ("shakuhachi", 1),
    ("whistle", 1), ("ocarina", 1),
    ("synth lead", 8), ("synth pad", 8), ("synth effects", 8),
    ("sitar", 1), ("banjo", 1), ("shamisen", 1), ("koto", 1), ("kalimba", 1), ("bagpipes", 1), ("fiddle", 1),
    ("shehnai", 1),
    ("bells", 1), ("agogo", 1), ("steel drums", 1), ("woodblock", 1), ("taiko", 1), ("toms", 1),
    ("synth drums", 1), ("reverse cymbal", 1),
    ("sound effects", 8),
)  # fmt: skip

GM_WORDS = tuple(word for word, count in _WORDS for _ in range(count))
"""A word for each program, 0 to 127."""


def instruments_of(score: Score, start_tick: int = 0, end_tick: int | None = None) -> list[str]:
    """What plays between two ticks, that which plays most first.

    How much an instrument plays is the length of its notes, weighted by their velocity; drums count a quarter note
    a stroke, since the end of their notes says nothing.
    """
    end_tick = score.end_tick + 1 if end_tick is None else end_tick
    amounts: dict[str, float] = {}
    notes = score.notes
    for start, end, channel, program, _, velocity in notes[
        (notes[:, 0] < end_tick) & (notes[:, 1] > start_tick)
    ]:
        is_drum = channel == DRUMS
        word = "drums" if is_drum else GM_WORDS[program]
        length = score.ticks_per_quarter / 4 if is_drum else min(end, end_tick) - max(start, start_tick)
        amounts[word] = amounts.get(word, 0.0) + float(length * velocity)
    return sorted(amounts, key=lambda word: (-amounts[word], word))
