"""Compose an excerpt in a style: decide, play, time, cut, label.

The excerpt is a window on a longer form, so it may begin within a bar, pass from one section to the next, and
end with the piece. Where people play, the tempo may drift a little, and the labelled beats with it; swing and
human looseness move notes alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil

import numpy as np

from recipes.angen_tiny.endings import ENDING, last_chord, resolved
from recipes.angen_tiny.forms import FORMS, SONG_OF_ANY_STYLE, SectionPlan
from recipes.angen_tiny.idiom import MOODS, Feel, Mood, Style
from recipes.angen_tiny.instruments import DRUM_SET_KEYS, INSTRUMENTS, KIT_WORDS, PERCUSSION_WORDS
from recipes.angen_tiny.melody import play_lead
from recipes.angen_tiny.piece import CHANNELS, DRUMS, METRES, Labels, Metre, Note, Piece, Span
from recipes.angen_tiny.players import play_bass, play_drums, play_figure, play_pad
from recipes.angen_tiny.score import Bar, Score, Stroke
from recipes.angen_tiny.styles import STYLES
from recipes.angen_tiny.theory import MINOR_MODES, Chord, key_name, parse_progression

# Loudness of a single note of each part, in dB relative to the lead; chords and pads sound several at once.
_PART_DB = {"lead": 0.0, "bass": -1.0, "chords": -6.0, "pad": -10.0, "arp": -2.0, "drums": -2.5}
_B_SECTIONS = frozenset({"chorus", "bridge", "break", "hook", "development", "climax", "episode"})
_SHORTEST_TAIL_S = 0.15
ENDING_SHARE = 0.12  # of excerpts in which the piece ends
ANY_STYLE_SHARE = 0.3  # of pieces that have verses and choruses, whatever their style
DRIFT_SHARE = 0.3  # of excerpts by players who are not machines, whose tempo sways


def compose(
    rng: np.random.Generator, style: str, duration_s: float, *, tempo_bpm: float | None = None
) -> Piece:
    """Compose an excerpt.

    Args:
        rng: Every choice comes from here.
        style: A name in `STYLES`.
        duration_s: Length of the excerpt; every note lies within it.
        tempo_bpm: A tempo to keep to; drawn from the style and mood when None.

    Returns:
        Notes, programs and exact labels.
    """
    score, plans = _draw_score(rng, STYLES[style], tempo_bpm)
    bar_s = _step_s(score) * score.metre.bar_steps
    if rng.random() < ENDING_SHARE:
        return _compose_ending(score, plans, rng, duration_s, bar_s)
    count = ceil(duration_s / bar_s) + 1
    window = _choose_window(rng, plans, count, needs_drums=any(score.feel.drums))
    offset_s = float(rng.uniform(0.0, bar_s)) if rng.random() < 0.5 else 0.0
    score = with_bars(score, window, rng)
    return perform(score, rng, duration_s, offset_s, drift=True)


def _compose_ending(
    score: Score, plans: Sequence[SectionPlan], rng: np.random.Generator, duration_s: float, bar_s: float
) -> Piece:
    """The last bars of the form and a final chord, which ends within the second half of the excerpt."""
    steps = int(rng.choice((4, 8, 8, 12, 16)))
    ends_s = float(rng.uniform(0.5, 0.95)) * duration_s
    landing_s = ends_s - steps * _step_s(score)
    line = [(plan, position) for plan in plans for position in range(plan.bars)]
    count = ceil(landing_s / bar_s)
    window = [*(line * (count // len(line) + 1))[-count:], (ENDING, 0)]
    score = resolved(with_bars(score, window, rng))
    piece = perform(
        score, rng, duration_s, count * bar_s - landing_s, tuple(last_chord(score, steps)), drift=False
    )
    labels = piece.labels
    beats, downbeats = (
        tuple(time for time in grid if time < ends_s - 1e-3) for grid in (labels.beats_s, labels.downbeats_s)
    )
    labels = replace(labels, beats_s=beats, downbeats_s=downbeats, ends_s=round(ends_s, 6))
    return replace(piece, labels=labels)


def perform(
    score: Score,
    rng: np.random.Generator,
    duration_s: float,
    offset_s: float = 0.0,
    extra: Sequence[Stroke] = (),
    *,
    drift: bool = False,
) -> Piece:
    """Play a score, and `extra` strokes besides, and cut the excerpt that starts `offset_s` into it.

    With `drift`, players who are not machines let the tempo sway by up to 1.5 %.
    """
    strokes = [*play_all(score, rng), *extra]
    notes = cut(time_strokes(score, strokes, rng), offset_s, duration_s)
    piece = _piece(score, notes, offset_s, duration_s)
    if drift and score.style.loose_s and rng.random() < DRIFT_SHARE:
        return _drifting(piece, rng, duration_s)
    return piece


def _drifting(piece: Piece, rng: np.random.Generator, duration_s: float) -> Piece:
    """The piece with its time swaying: everything in it, labels too, moves by the same slow sine."""
    period_s, phase = float(rng.uniform(8.0, 20.0)), float(rng.uniform(0.0, 2 * np.pi))
    depth_s = float(rng.uniform(0.3, 1.0)) * 0.015 * period_s / (2 * np.pi)

    def moved(time_s: float) -> float:
        shift = np.sin(2 * np.pi * time_s / period_s + phase) - np.sin(phase)
        return float(time_s + depth_s * shift)

    spans_s = [(moved(note.start_s), moved(note.start_s + note.duration_s)) for note in piece.notes]
    notes = [
        replace(note, start_s=start, duration_s=end - start)
        for note, (start, end) in zip(piece.notes, spans_s, strict=True)
    ]
    inside = [
        replace(note, duration_s=min(note.duration_s, duration_s - note.start_s))
        for note in notes
        if note.start_s < duration_s - 0.01
    ]
    labels = piece.labels
    spans = tuple(
        Span(
            span.name,
            round(moved(span.start_s), 6),
            duration_s if span is labels.sections[-1] else round(min(moved(span.end_s), duration_s), 6),
        )
        for span in labels.sections
        if moved(span.start_s) < duration_s
    )
    beats, downbeats = (
        tuple(round(moved(time), 6) for time in grid if moved(time) < duration_s)
        for grid in (labels.beats_s, labels.downbeats_s)
    )
    return replace(
        piece,
        notes=tuple(inside),
        labels=replace(labels, sections=spans, beats_s=beats, downbeats_s=downbeats),
    )


def _piece(score: Score, notes: Sequence[Note], offset_s: float, duration_s: float) -> Piece:
    return Piece(
        notes=tuple(notes),
        programs={CHANNELS[part]: INSTRUMENTS[word].programs[0] for part, word in score.parts.items()},
        kit=score.kit,
        levels_db=_levels(score),
        labels=_label(score, notes, offset_s, duration_s),
    )


def _levels(score: Score) -> dict[int, float]:
    parts = [*score.parts, *(["drums"] if any(score.feel.drums) else [])]
    return {CHANNELS[part]: _PART_DB[part] + score.style.mix_db.get(part, 0.0) for part in parts}


# -- deciding --------------------------------------------------------------


def _draw_score(
    rng: np.random.Generator, style: Style, tempo_bpm: float | None
) -> tuple[Score, Sequence[SectionPlan]]:
    """Choose mood, feel, tempo, key and instruments; bars come later."""
    mood_name = style.moods[int(rng.integers(len(style.moods)))]
    mood = MOODS[mood_name]
    weights = [feel.weight for feel in style.feels]
    feel = style.feels[int(rng.choice(len(weights), p=np.array(weights) / sum(weights)))]
    score = Score(
        style=style,
        mood_name=mood_name,
        mood=mood,
        feel=feel,
        metre=METRES[feel.metre],
        tempo_bpm=draw_tempo(rng, style, mood, feel) if tempo_bpm is None else tempo_bpm,
        swing=float(rng.uniform(*feel.swing)),
        tonic=int(rng.integers(12)),
        mode=draw_mode(rng, style.modes, mood),
        parts=draw_parts(rng, style, feel),
        kit=style.kits[int(rng.integers(len(style.kits)))],
        bars=(),
    )
    return score, SONG_OF_ANY_STYLE if rng.random() < ANY_STYLE_SHARE else FORMS[style.form]


def draw_tempo(rng: np.random.Generator, style: Style, mood: Mood, feel: Feel) -> float:
    """A tempo in whole beats per minute; in 6/8 the beat is a dotted quarter, so it is slower."""
    low, high = style.tempo_bpm
    share = np.clip(0.55 * rng.random() + 0.45 * (mood.tempo + rng.normal(0.0, 0.15)), 0.0, 1.0)
    tempo = low + (high - low) * float(share)
    return float(round(max(40.0, tempo / 1.5) if feel.metre == "6/8" else tempo))


def draw_mode(rng: np.random.Generator, modes: Mapping[str, float], mood: Mood) -> str:
    """A mode, leaning to minor or major as the mood does."""
    shares = np.array(
        [weight * (mood.minor if mode in MINOR_MODES else 1.0) for mode, weight in modes.items()]
    )
    return list(modes)[int(rng.choice(len(shares), p=shares / shares.sum()))]


def draw_parts(rng: np.random.Generator, style: Style, feel: Feel) -> dict[str, str]:
    """Who plays what; a part without a pattern in the feel stays silent."""
    written = {"bass": feel.bass, "chords": feel.comp, "arp": feel.arp}
    parts: dict[str, str] = {}
    for part, words in style.parts.items():
        fresh = [word for word in words if word not in parts.values()] or list(words)
        word = fresh[int(rng.integers(len(fresh)))]
        if rng.random() < style.chance.get(part, 1.0) and written.get(part, ("",)):
            parts[part] = word
    if not {"lead", "chords", "arp", "pad"} & parts.keys():
        parts["chords"] = style.parts["chords"][0]
    return parts


def _choose_window(
    rng: np.random.Generator, form: Sequence[SectionPlan], count: int, *, needs_drums: bool
) -> list[tuple[SectionPlan, int]]:
    """Some bars in a row of the form, as (section, position), mostly where the music is full or a section begins."""
    line = [(plan, position) for plan in form for position in range(plan.bars)]
    best: list[tuple[SectionPlan, int]] = []
    best_score = -1.0
    for _ in range(3):
        start = int(rng.integers(len(line)))
        window = [*line[start:], *line[form[0].bars :]][:count]
        while len(window) < count:
            window = [*window, *line][:count]
        drummed = float(np.mean(["drums" in plan.parts for plan, _ in window]))
        fullness = float(np.mean([plan.intensity for plan, _ in window]))
        inner = window[count // 4 + 1 : count - count // 4]
        turns = 0.3 if any(position == 0 for _, position in inner) else 0.0
        window_score = fullness + turns + (min(drummed, 0.4) * 4.0 if needs_drums else 0.0)
        if window_score > best_score:
            best, best_score = window, window_score
    return best


def with_bars(score: Score, window: Sequence[tuple[SectionPlan, int]], rng: np.random.Generator) -> Score:
    """Give a score its bars: harmony for each section, repeated from the section's start."""
    texts = score.style.progressions[score.mode]
    first, second = (parse_progression(texts[int(rng.integers(len(texts)))]) for _ in range(2))
    if len(first) > 8:
        second = first
    harmonies: list[tuple[Chord, ...]] = []
    for number, (plan, position) in enumerate(window):
        progression = second if plan.name in _B_SECTIONS else first
        place = number if len(progression) > 8 else position
        harmonies.append(progression[place % len(progression)])
    bars = tuple(
        Bar(
            number,
            position,
            plan,
            harmonies[number],
            harmonies[min(number + 1, len(window) - 1)][0],
            score.metre,
        )
        for number, (plan, position) in enumerate(window)
    )
    return replace(score, bars=bars)


# -- playing ---------------------------------------------------------------


def play_all(score: Score, rng: np.random.Generator) -> list[Stroke]:
    """Let every part of the score play."""
    strokes: list[Stroke] = []
    for part in score.parts:
        if part == "lead":
            strokes.extend(play_lead(score, rng))
        elif part == "bass":
            strokes.extend(play_bass(score, rng))
        elif part == "pad":
            strokes.extend(play_pad(score, rng))
        else:
            strokes.extend(play_figure(score, part, rng))
    if any(score.feel.drums):
        strokes.extend(play_drums(score, rng))
    return strokes


def time_strokes(score: Score, strokes: Iterable[Stroke], rng: np.random.Generator) -> list[Note]:
    """Turn steps into seconds, with swing, human timing and human velocities."""
    part_of = {channel: part for part, channel in CHANNELS.items()}
    levels = [score.level(bar) for bar in score.bars]
    step_s = _step_s(score)
    notes = []
    for stroke in strokes:
        part = part_of[stroke.channel]
        start = swung(stroke.step, score.swing, score.feel.swing_steps) * step_s
        end = swung(stroke.step + stroke.length, score.swing, score.feel.swing_steps) * step_s
        loose_s = score.style.loose_s * (0.5 if part in ("drums", "bass") else 1.0)
        start += float(np.clip(rng.normal(0.0, 1.0), -2.5, 2.5)) * loose_s
        level = levels[min(int(stroke.step // score.metre.bar_steps), len(levels) - 1)]
        gain = score.mood.velocity * (0.65 + 0.42 * level)
        velocity = stroke.velocity * gain + rng.normal(0.0, 4.0 if loose_s else 1.0)
        notes.append(
            Note(
                start,
                max(end - start, 0.03),
                stroke.pitch,
                int(np.clip(round(velocity), 16, 127)),
                stroke.channel,
            )
        )
    return notes


def swung(step: float, share: float, swing_steps: int) -> float:
    """Where a step falls when the first of each pair of swung notes takes `share` of the pair's time.

    Example:
        >>> swung(2, 0.5, 2), round(swung(2, 2 / 3, 2), 3)
        (2.0, 2.667)
    """
    pair = 2 * swing_steps
    whole, part = divmod(step / pair, 1.0)
    bent = 2 * part * share if part < 0.5 else share + (2 * part - 1) * (1 - share)
    return pair * (whole + bent)


def cut(notes: Iterable[Note], offset_s: float, duration_s: float) -> list[Note]:
    """Keep what sounds between `offset_s` and `offset_s + duration_s`, timed from there.

    A note already sounding at the cut begins with the clip, unless it is a drum or all but over.
    """
    kept = []
    for note in notes:
        start, end = note.start_s - offset_s, note.start_s + note.duration_s - offset_s
        if start < 0:
            if start > -0.03:
                start, end = 0.0, end - start
            elif note.channel == DRUMS or end < _SHORTEST_TAIL_S:
                continue
        start = max(start, 0.0)
        if start < duration_s:
            length = max(0.01, min(end, duration_s) - start)
            if start + length <= duration_s:
                kept.append(Note(start, length, note.pitch, note.velocity, note.channel))
    kept.sort(key=lambda note: (note.start_s, note.channel, note.pitch))
    return kept


def _step_s(score: Score) -> float:
    return 60.0 / score.tempo_bpm / score.metre.beat_steps


# -- labelling -------------------------------------------------------------


def _label(score: Score, notes: Sequence[Note], offset_s: float, duration_s: float) -> Labels:
    beats, downbeats = beat_grid(score.tempo_bpm, score.metre, offset_s, duration_s)
    return Labels(
        style=score.style.name,
        mood=score.mood_name,
        tempo_bpm=score.tempo_bpm,
        metre=score.metre.name,
        key=key_name(score.tonic, score.mode),
        mode=score.mode,
        instruments=_heard(score, notes),
        beats_s=beats,
        downbeats_s=downbeats,
        sections=_sections(score, offset_s, duration_s),
        energy=_energy(score, notes, duration_s),
    )


def beat_grid(
    tempo_bpm: float, metre: Metre, offset_s: float, duration_s: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Beats and downbeats within a clip that starts `offset_s` after a downbeat."""
    beat_s = 60.0 / tempo_bpm
    first = ceil(offset_s / beat_s - 1e-9)
    last = ceil((offset_s + duration_s) / beat_s - 1e-9)
    beats = {number: round(number * beat_s - offset_s, 6) + 0.0 for number in range(first, last)}
    downbeats = tuple(time_s for number, time_s in beats.items() if number % metre.beats == 0)
    return tuple(beats.values()), downbeats


def _heard(score: Score, notes: Sequence[Note]) -> tuple[str, ...]:
    """Words for what plays, at least twice, in the clip."""
    counts: dict[int, int] = {}
    keys: dict[int, int] = {}
    for note in notes:
        counts[note.channel] = counts.get(note.channel, 0) + 1
        if note.channel == DRUMS:
            keys[note.pitch] = keys.get(note.pitch, 0) + 1
    words = [word for part, word in score.parts.items() if counts.get(CHANNELS[part], 0) >= 2]
    if sum(count for key, count in keys.items() if key in DRUM_SET_KEYS) >= 8:
        words.append(KIT_WORDS.get(score.kit, "drums"))
    words.extend(
        word for word, group in PERCUSSION_WORDS.items() if sum(keys.get(key, 0) for key in group) >= 4
    )
    return tuple(dict.fromkeys("synth bass" if word == "chip bass" else word for word in words))


def _sections(score: Score, offset_s: float, duration_s: float) -> tuple[Span, ...]:
    bar_s = _step_s(score) * score.metre.bar_steps
    spans: list[Span] = []
    for bar in score.bars:
        start, end = bar.index * bar_s - offset_s, (bar.index + 1) * bar_s - offset_s
        start, end = max(start, 0.0), min(end, duration_s)
        if end - start < 1e-6:
            continue
        if spans and bar.position > 0 and spans[-1].name == bar.section.name:
            spans[-1] = Span(bar.section.name, spans[-1].start_s, round(end, 6))
        else:
            spans.append(Span(bar.section.name, round(start, 6), round(end, 6)))
    return tuple(spans)


def _energy(score: Score, notes: Sequence[Note], duration_s: float) -> str:
    """An honest word: from notes a second, how hard they are played, the tempo and the mood."""
    if not notes:
        return "low"
    busy = np.clip(len(notes) / duration_s / 26.0, 0.0, 1.0)
    hard = np.clip((np.mean([note.velocity for note in notes]) - 55.0) / 45.0, 0.0, 1.0)
    fast = np.clip((score.tempo_bpm - 60.0) / 110.0, 0.0, 1.0)
    energy = 0.35 * busy + 0.2 * hard + 0.2 * fast + 0.25 * score.mood.energy
    return "low" if energy < 0.36 else "medium" if energy < 0.58 else "high"
