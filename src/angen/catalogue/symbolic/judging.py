"""Which scores are worth playing, and which are the same."""

from __future__ import annotations

import hashlib

import numpy as np

from angen.catalogue.symbolic.reading import DRUMS, Score
from angen.errors import ScoreError

SHORTEST_S, LONGEST_S = 10.0, 600.0
FEWEST_NOTES = 50
LARGEST_PITCH_SHARE = 0.8
MOST_NOTES_A_SECOND = 60.0

_GRID = 8  # steps of a quarter note, in which two files of the same piece agree


def judge(score: Score) -> None:
    """Refuse a score that would teach nothing.

    Raises:
        ScoreError: Its reason is "too-short", "too-long", "few-notes", "drums-only", "one-pitch" or "too-dense".
    """
    count, seconds = len(score.notes), score.duration_s
    if count < FEWEST_NOTES:
        raise ScoreError("few-notes", f"It has {count} notes; {FEWEST_NOTES} are the least.")
    if seconds < SHORTEST_S:
        raise ScoreError("too-short", f"It lasts {seconds:.1f} s; {SHORTEST_S:g} s are the least.")
    if seconds > LONGEST_S:
        raise ScoreError("too-long", f"It lasts {seconds:.0f} s; {LONGEST_S:g} s are the most.")
    pitches = score.notes[score.notes[:, 2] != DRUMS, 4]
    if len(pitches) == 0:
        raise ScoreError("drums-only", "Only its drums play.")
    share = np.bincount(pitches).max() / len(pitches)
    if share > LARGEST_PITCH_SHARE:
        raise ScoreError("one-pitch", f"{share:.0%} of its notes have one pitch.")
    if count / seconds > MOST_NOTES_A_SECOND:
        raise ScoreError("too-dense", f"It has {count / seconds:.0f} notes a second.")


def note_pattern(score: Score) -> str:
    """A hash of what is played when, in beats: the same for two files of one piece.

    Tempo, loudness, instruments, the file's clock, the order of its tracks and silence before it do not matter;
    a transposition does.
    """
    first = int(score.notes[:, 0].min()) if len(score.notes) else 0
    steps = np.round((score.notes[:, 0] - first) * _GRID / score.ticks_per_quarter).astype(np.int64)
    is_drum = (score.notes[:, 2] == DRUMS).astype(np.int64)
    rows = np.unique(np.stack([steps, is_drum, score.notes[:, 4]], axis=1), axis=0)
    return hashlib.sha256(rows.tobytes()).hexdigest()
