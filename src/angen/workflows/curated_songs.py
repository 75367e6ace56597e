"""One song or piece of a collection as clips: what a worker process does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from angen.analysis import Segment, analyze_audio, suggest_segments
from angen.analysis.levels import energy_of
from angen.audio import Audio, loudness_lufs, peak_db, read_audio
from angen.catalogue.items import VocalSong
from angen.catalogue.phrases import GAP_S, join_plan, joined
from angen.catalogue.symbolic.excerpts import excerpts
from angen.catalogue.symbolic.instruments import instruments_of
from angen.catalogue.symbolic.judging import judge, note_pattern
from angen.catalogue.symbolic.labels import beat_grid, key_of, metre_of, tempo_bpm
from angen.catalogue.symbolic.reading import Score, read_midi
from angen.catalogue.symbolic.rendering import render, soundfont_names, soundfonts_for
from angen.dataset import clip_audio, write_clip
from angen.errors import ScoreError, SilentAudioError, TooShortError

__all__ = ["MadeClip", "PlayTask", "Screened", "SingTask", "play_piece", "screen_midi", "sing_song"]

_SHORTEST_CLIP_S = 3.0
_SILENCE_DB = -60.0
_HIGHEST_RATE_HZ = 48_000
_MOST_INSTRUMENTS = 5


@dataclass(frozen=True)
class MadeClip:
    """A clip that was written.

    Attributes:
        clip_id: Its name.
        file_name: Its file in the dataset.
        sha256: Of that file.
        start_s: Where it starts in its song.
        end_s: Where it ends there.
        duration_s: Of its file.
        known: More fields of its record.
        sources: How each is known.
    """

    clip_id: str
    file_name: str
    sha256: str
    start_s: float
    end_s: float
    duration_s: float
    known: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SingTask:
    """A vocal song to be made into clips."""

    folder: Path
    name: str
    song: VocalSong
    min_s: float
    max_s: float


@dataclass(frozen=True)
class PlayTask:
    """A piece to be played: its movements, in order."""

    folder: Path
    name: str
    paths: tuple[Path, ...]
    soundfonts: tuple[Path, ...]
    min_s: float
    max_s: float
    most_clips: int
    seed: int


@dataclass(frozen=True)
class Screened:
    """What a glance at a MIDI file tells: its hashes and its length."""

    md5: str
    pattern: str
    duration_s: float


def screen_midi(path: Path) -> Screened:
    """Read a MIDI file and refuse one that would teach nothing.

    Raises:
        ScoreError: Says why.
    """
    score = read_midi(path)
    judge(score)
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return Screened(md5, note_pattern(score), score.duration_s)


def sing_song(task: SingTask) -> list[MadeClip]:
    """Make clips of a vocal song: its phrases joined, or a whole recording cut.

    Raises:
        AudioError: If nothing of it can be used.
    """
    return _cut_whole(task) if task.song.is_whole else _join_phrases(task)


def _join_phrases(task: SingTask) -> list[MadeClip]:
    phrases = [read_audio(phrase.path) for phrase in task.song.phrases]
    rate_hz = min(_HIGHEST_RATE_HZ, max(phrase.rate_hz for phrase in phrases))
    lengths_s = [phrase.duration_s for phrase in phrases]
    starts_s = np.concatenate([[0.0], np.cumsum(np.array(lengths_s) + GAP_S)])
    energy = _rms(phrases)
    made: list[MadeClip] = []
    for part in join_plan(lengths_s, min_s=task.min_s, max_s=task.max_s):
        sound = clip_audio(joined([phrases[index] for index in part], rate_hz=rate_hz))
        words = "\n".join(text for index in part if (text := task.song.phrases[index].lyrics))
        pieces = _at_most(sound, task.max_s)
        for place, piece in enumerate(pieces):
            if piece.duration_s < _SHORTEST_CLIP_S or peak_db(piece) <= _SILENCE_DB:
                continue
            start_s = float(starts_s[part.start]) + place * pieces[0].duration_s
            lyrics = (
                words if len(pieces) == 1 else ""
            )  # nobody knows which words are in which part of one phrase
            made.append(_vocal_clip(task, len(made) + 1, piece, start_s, energy, lyrics))
    if not made:
        whole_s = sum(lengths_s)
        raise TooShortError(task.song.phrases[0].path, f"the song has {whole_s:.1f} s, or only silence.")
    return made


def _at_most(sound: Audio, max_s: float) -> list[Audio]:
    """A sound in equal parts, none longer than `max_s`."""
    count = int(np.ceil(sound.duration_s / (max_s + 1e-6)))
    edges = np.linspace(0, sound.duration_s, count + 1)
    return [sound] if count <= 1 else [sound.span(a, b) for a, b in pairwise(edges)]


def _vocal_clip(
    task: SingTask, number: int, clip: Audio, start_s: float, energy: float, lyrics: str
) -> MadeClip:
    song = task.song
    known = {
        "lyrics": lyrics or None,
        "singer": song.singer,
        "language": song.language,
        "instruments": [song.voice] if song.voice else [],
        "tempo_bpm": song.tempo_bpm,
        "genre": song.genre,
    }
    return _write(task.folder, task.name, number, clip, start_s, energy, known, {}, song)


def _cut_whole(task: SingTask) -> list[MadeClip]:
    """A whole recording, heard and cut as the user's own are."""
    audio = clip_audio(read_audio(task.song.phrases[0].path))
    analysis = analyze_audio(audio)
    made: list[MadeClip] = []
    for part in suggest_segments(audio, analysis, min_s=task.min_s, max_s=task.max_s):
        clip = audio.span(part.start_s, part.end_s)
        if peak_db(clip) <= _SILENCE_DB or clip.duration_s < _SHORTEST_CLIP_S:
            continue
        song = task.song
        said: dict[str, Any] = {"singer": song.singer, "language": song.language, "tempo_bpm": song.tempo_bpm}
        said["instruments"] = [song.voice] if song.voice else []
        heard = {
            "tempo_bpm": analysis.tempo_bpm if song.tempo_bpm is None else None,
            "key": analysis.key,
            "beats_s": _within(np.asarray(analysis.beats_s), part),
            "downbeats_s": _within(np.asarray(analysis.downbeats_s), part),
        }
        heard = {name: value for name, value in heard.items() if value is not None}
        made.append(
            _write(
                task.folder, task.name, len(made) + 1, clip, part.start_s, _rms([audio]), said, heard, song
            )
        )
    if not made:
        raise SilentAudioError(task.song.phrases[0].path, "no part of it is loud enough.")
    return made


def _write(
    folder: Path,
    name: str,
    number: int,
    clip: Audio,
    start_s: float,
    energy: float,
    said: dict[str, Any],
    heard: dict[str, Any],
    song: VocalSong,
) -> MadeClip:
    """Write a clip; what was said of it by its makers and what was heard are told apart."""
    loudness = loudness_lufs(clip)
    heard = {**heard, "energy": energy, "loudness_lufs": None if loudness is None else round(loudness, 2)}
    sources = dict.fromkeys(_known(said), "tagged") | dict.fromkeys(_known(heard), "measured")
    extra = {"licence": song.licence.id if song.licence else None, "credit": song.credit}
    clip_id = f"{name}-{number:03d}"
    file_name, sha256 = write_clip(folder, clip_id, clip)
    end_s = start_s + clip.duration_s
    return MadeClip(
        clip_id, file_name, sha256, start_s, end_s, clip.duration_s, {**said, **heard, **extra}, sources
    )


def _known(values: dict[str, Any]) -> list[str]:
    return [name for name, value in values.items() if value not in (None, "", [])]


def play_piece(task: PlayTask) -> tuple[list[MadeClip], list[tuple[str, str, str]]]:
    """Play a piece's movements with a soundfont that suits each, and cut them at their bars.

    Returns:
        The clips, on one line of time for the whole piece; and the movements that were left out: the path, the
        reason and the message.
    """
    made: list[MadeClip] = []
    left_out: list[tuple[str, str, str]] = []
    offset_s = 0.0
    for path in task.paths:
        try:
            score = read_midi(path)
            judge(score)
            made += _play(task, score, offset_s, len(made))
        except ScoreError as error:
            left_out.append((str(path), error.reason, error.message))
            continue
        offset_s += score.duration_s + 2.0
    return made, left_out


def _play(task: PlayTask, score: Score, offset_s: float, before: int) -> list[MadeClip]:
    grid = beat_grid(score)
    parts = excerpts(
        score, grid, min_s=task.min_s, max_s=task.max_s, most=task.most_clips - before, seed=task.seed
    )
    if not parts:
        raise ScoreError(
            "no-excerpt", f"No {task.min_s:g} to {task.max_s:g} s of it have bars and enough notes."
        )
    fonts = soundfonts_for(score, task.soundfonts)
    first = fonts[int(np.random.default_rng([task.seed, before]).integers(len(fonts)))]
    ordered = [first, *(font for font in task.soundfonts if font != first)]
    sound = render(score, *ordered, until_s=parts[-1].end_s)
    names = " and ".join(soundfont_names(score, *ordered))
    made: list[MadeClip] = []
    for part in parts:
        clip = sound.span(part.start_s, min(part.end_s, sound.duration_s))
        if peak_db(clip) <= _SILENCE_DB:
            continue
        number = before + len(made) + 1
        clip_id = f"{task.name}-{number:03d}"
        file_name, sha256 = write_clip(task.folder, clip_id, clip)
        said = _said(score, part, grid.beats_s, grid.downbeats_s)
        loudness = loudness_lufs(clip)
        heard = {"energy": _rms([sound]), "loudness_lufs": None if loudness is None else round(loudness, 2)}
        sources = dict.fromkeys(_known(said), "score") | dict.fromkeys(_known(heard), "measured")
        start_s = offset_s + part.start_s
        known = {**said, **heard, "soundfont": names}
        made.append(
            MadeClip(
                clip_id,
                file_name,
                sha256,
                start_s,
                start_s + clip.duration_s,
                clip.duration_s,
                known,
                sources,
            )
        )
    return made


def _said(score: Score, part: Segment, beats_s: np.ndarray, downbeats_s: np.ndarray) -> dict[str, Any]:
    start, end = (int(tick) for tick in score.ticks(np.array([part.start_s, part.end_s])))
    return {
        "tempo_bpm": tempo_bpm(score, part.start_s, part.end_s),
        "metre": metre_of(score, start, end),
        "key": key_of(score, start, end),
        "instruments": instruments_of(score, start, end)[:_MOST_INSTRUMENTS],
        "beats_s": _within(beats_s, part),
        "downbeats_s": _within(downbeats_s, part),
    }


def _within(times_s: np.ndarray, part: Segment) -> list[float]:
    inside = times_s[(times_s >= part.start_s - 1e-6) & (times_s < part.end_s - 1e-6)] - part.start_s
    return [round(max(0.0, float(time_s)), 4) for time_s in inside]


def _rms(sounds: Sequence[Audio]) -> float:
    power = sum(energy_of(sound) ** 2 * sound.duration_s for sound in sounds)
    return round(float(np.sqrt(power / sum(sound.duration_s for sound in sounds))), 6)
