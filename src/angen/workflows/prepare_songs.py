"""One song of a preparation, in any process: heard, and cut into clips; what was done before is taken over.

What was heard is kept in the workspace's cache, by the hash of the file. What was cut lies in the dataset itself,
`songs/<key>.json` beside the clips: the key is made of all that decides how the clips sound, so that a song is cut
again only if its recording, its cuts or its stems have changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from angen.analysis import Analysis, Segment, analyze_audio, suggest_segments
from angen.analysis.levels import energy_of
from angen.audio import Audio, loudness_lufs, peak_db, read_audio, write_audio
from angen.dataset import clip_audio, split_clips, write_clip
from angen.dataset.fingerprint import FINGERPRINT_VERSION, Words, fingerprint
from angen.errors import AudioError, SilentAudioError
from angen.files import content_hash, write_json
from angen.files.remembered import remembered_hash
from angen.workflows.analyze import PLAIN, listening_version
from angen.workflows.stems import MODELS, Model, Part, part_of, vocals_for

__all__ = [
    "SONGS", "STEMS", "CutSong", "CutTask", "Cutting", "HearTask", "HeardSong", "cut_song", "hear_song",
    "heard_words", "proposed_cuts", "song_record",
]  # fmt: skip

SHORTEST_SONG_S = 1.0
SILENCE_DB = -60.0
SONGS, STEMS = "songs", "stems"

_FORMAT = 1


@dataclass(frozen=True)
class Cutting:
    """How songs become clips.

    Attributes:
        min_s: Shortest clip, where the song is that long.
        max_s: Longest clip.
        part: What of the song a clip is.
        keeps_stems: Whether vocals and accompaniment of each clip are kept beside it.
        model: The separator, where one is needed.
    """

    min_s: float = 10.0
    max_s: float = 30.0
    part: Part = "mix"
    keeps_stems: bool = False
    model: Model = "spleeter"

    @property
    def separates(self) -> bool:
        """Whether songs have to be taken apart."""
        return self.part != "mix" or self.keeps_stems

    @property
    def separator(self) -> str | None:
        """The separator and its weights, where one takes part."""
        return f"{self.model} {MODELS[self.model].file_sha256[:16]}" if self.separates else None


@dataclass(frozen=True)
class HearTask:
    """A recording to hear.

    Attributes:
        path: The file.
        cache: The workspace's cache.
        how: How it will be cut.
    """

    path: Path
    cache: Path
    how: Cutting


@dataclass(frozen=True, slots=True)
class HeardSong:
    """What is kept in memory of a recording; the rest lies in the cache.

    Attributes:
        digest: Hash of the file.
        sound: Hash of its samples.
        duration_s: Its length.
        clip_s: Seconds that are in a clip.
        clip_bytes: That the clips need at most.
        was_kept: Whether nothing had to be heard.
    """

    digest: str
    sound: str
    duration_s: float
    clip_s: float
    clip_bytes: int
    was_kept: bool


@dataclass(frozen=True)
class CutTask:
    """A song to cut.

    Attributes:
        path: The file.
        digest: Its hash when it was heard.
        name: The song's.
        cache: The workspace's cache.
        folder: The dataset in the making.
        old: The dataset it will replace.
        how: How it is cut.
        cuts: Where, if not where it was proposed.
    """

    path: Path
    digest: str
    name: str
    cache: Path
    folder: Path
    old: Path | None
    how: Cutting
    cuts: tuple[Segment, ...] | None = None


@dataclass(frozen=True, slots=True)
class CutSong:
    """What became of a song.

    Attributes:
        key: Of its record, `songs/<key>.json`.
        was_kept: Whether its clips were there already.
    """

    key: str
    was_kept: bool


def hear_song(task: HearTask) -> HeardSong:
    """Hear a recording and propose its clips, or find what was heard before.

    Raises:
        AudioError: If it cannot be used.
    """
    try:
        digest = remembered_hash(task.path)
    except OSError:
        digest = ""  # reading it will say what is wrong
    if digest:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return _of_cache(task, digest, was_kept=True)
    audio = read_audio(task.path, min_duration_s=SHORTEST_SONG_S)
    known = _heard(task.cache, digest)
    analysis = known[0] if known else analyze_audio(audio)
    if known is None:
        _keep_heard(task.cache, digest, audio, analysis)
    proposed = suggest_segments(audio, analysis, min_s=task.how.min_s, max_s=task.how.max_s)
    sound = clip_audio(audio)
    if task.how.part != "mix":
        sound = _part(task.cache, digest, sound, task.how)
    clips = split_clips(sound, proposed)
    audible = [part for part, clip in zip(proposed, clips, strict=True) if peak_db(clip) > SILENCE_DB]
    if not audible:
        what = "no part of it" if task.how.part == "mix" else f"nothing of its {task.how.part}"
        raise SilentAudioError(
            task.path, f"{what} is loud enough.", remedy="Check the recording's level, or leave it out."
        )
    ends = [[cut.start_s, cut.end_s] for cut in audible]
    _keep(_cuts_file(task.cache, digest, task.how), json.dumps(ends).encode())
    return _of_cache(task, digest, was_kept=known is not None)


def heard_words(cache: Path, digest: str) -> Words:
    """The fingerprint of a recording that was heard."""
    return np.fromfile(_heard_file(cache, digest, ".words"), "<u4").astype(np.uint32)


def _heard_file(cache: Path, digest: str, suffix: str) -> Path:
    version = f"{_FORMAT}-{FINGERPRINT_VERSION}-{listening_version(PLAIN)}"
    return cache / "heard" / version / digest[:2] / f"{digest}{suffix}"


def _cuts_file(cache: Path, digest: str, how: Cutting) -> Path:
    decides = [_FORMAT, listening_version(PLAIN), digest, how.min_s, how.max_s, how.part]
    key = _key([*decides, how.separator if how.part != "mix" else None])
    return cache / "cuts" / key[:2] / f"{key}.json"


def _key(decides: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]


def _keep_heard(cache: Path, digest: str, audio: Audio, analysis: Analysis) -> None:
    words = fingerprint(audio).astype("<u4").tobytes()
    known = {"sound": _sound_hash(audio), "words": len(words), "analysis": analysis.as_dict()}
    _keep(_heard_file(cache, digest, ".words"), words)
    _keep(_heard_file(cache, digest, ".json"), json.dumps(known, allow_nan=False).encode())


def _keep(path: Path, content: bytes) -> None:
    """Write a file of the cache: whole, but without waiting for the disk, since it can be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sound_hash(audio: Audio) -> str:
    """By samples, so that WAV and FLAC of one recording are alike."""
    digest = hashlib.sha256(f"{audio.rate_hz} {audio.samples.shape} ".encode())
    for channel in audio.samples:
        digest.update(np.ascontiguousarray(channel).data)
    return digest.hexdigest()


def _heard(cache: Path, digest: str) -> tuple[Analysis, dict[str, Any]] | None:
    """What is kept of a recording; None if that is nothing, or damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(_heard_file(cache, digest, ".json").read_bytes())
        if _heard_file(cache, digest, ".words").stat().st_size == known["words"]:
            return Analysis(**known["analysis"]), known
    return None


def proposed_cuts(cache: Path, digest: str, how: Cutting) -> list[Segment]:
    """The clips that were proposed for a recording that was heard."""
    return [Segment(*ends) for ends in json.loads(_cuts_file(cache, digest, how).read_bytes())]


def _of_cache(task: HearTask, digest: str, *, was_kept: bool) -> HeardSong:
    cuts, found = proposed_cuts(task.cache, digest, task.how), _heard(task.cache, digest)
    if found is None:
        raise ValueError("what was heard of it is not kept")
    analysis, known = found
    clip_s = sum(cut.duration_s for cut in cuts)
    layers = 3 if task.how.keeps_stems else 1
    size = layers * clip_s * analysis.rate_hz * min(analysis.channels, 2) * 2
    return HeardSong(digest, known["sound"], analysis.duration_s, clip_s, round(size), was_kept)


def _part(cache: Path, digest: str, mix: Audio, how: Cutting) -> Audio:
    return part_of(mix, vocals_for(mix, cache / "vocals", how.model, digest), how.part)


def cut_song(task: CutTask) -> CutSong:
    """Write a song's clips and its record, unless they are there or can be taken from the dataset before.

    Raises:
        AudioError: If the recording is another than was heard.
    """
    cuts = list(task.cuts or proposed_cuts(task.cache, task.digest, task.how))
    how = task.how
    decides = [
        _FORMAT,
        listening_version(PLAIN),
        task.digest,
        [[cut.start_s, cut.end_s] for cut in cuts],
        how.part,
    ]
    key = _key([*decides, how.keeps_stems, how.separator])
    if _taken_over(task, key, task.folder) or (task.old is not None and _taken_over(task, key, task.old)):
        return CutSong(key, was_kept=True)
    known = _heard(task.cache, task.digest)
    if known is None or content_hash(task.path) != task.digest:
        raise AudioError(task.path, "it changed while it was prepared.", remedy="Prepare the dataset again.")
    mix = clip_audio(read_audio(task.path))
    vocals = vocals_for(mix, task.cache / "vocals", how.model, task.digest) if how.separates else None
    sound = mix if vocals is None else part_of(mix, vocals, how.part)
    analysis = known[0] if how.part == "mix" else _of_part(known[0], sound, how.part)
    clips = []
    for number, (cut, clip) in enumerate(zip(cuts, split_clips(sound, cuts), strict=True), start=1):
        clip_id = f"{task.name}-{number:03d}"
        facts = _facts(analysis, cut, clip)
        facts["file_name"], facts["sha256"] = write_clip(task.folder, clip_id, clip)
        if how.keeps_stems and vocals is not None:
            facts["stems"] = _write_stems(task.folder, clip_id, mix, vocals, cut)
        clips.append({"clip_id": clip_id, "song": task.name, **facts})
    _write_record(task, key, clips)
    return CutSong(key, was_kept=False)


def song_record(folder: Path, key: str) -> dict[str, Any]:
    """What was written of a song: `song`, `source`, `digest` and `clips`, the fields of their records."""
    record: dict[str, Any] = json.loads((folder / SONGS / f"{key}.json").read_bytes())
    return record


def _write_record(task: CutTask, key: str, clips: list[dict[str, Any]]) -> None:
    source = os.fsencode(task.path).decode("utf-8", "backslashreplace")
    stems = [name for clip in clips for name in (clip.get("stems") or {}).values()]
    record = {
        "format_version": _FORMAT,
        "song": task.name,
        "source": source,
        "digest": task.digest,
        "stem_sha256": {name: content_hash(task.folder / name) for name in stems},
        "clips": clips,
    }
    write_json(task.folder / SONGS / f"{key}.json", record)


def _write_stems(folder: Path, clip_id: str, mix: Audio, vocals: Audio, cut: Segment) -> dict[str, str]:
    files = {}
    for name in ("vocals", "accompaniment"):
        files[name] = f"{STEMS}/{clip_id}.{name}.flac"
        stem = part_of(mix, vocals, name).span(cut.start_s, cut.end_s)
        write_audio(folder / files[name], stem, bit_depth=16)
    return files


def _taken_over(task: CutTask, key: str, source: Path) -> bool:
    """Take a song's clips from where they are, if all of them are there and whole; under its name of today."""
    try:
        record = song_record(source, key)
        clips = [_renamed(clip, task.name) for clip in record["clips"]]
        wanted = [
            (name, renamed, digest)
            for old, new in zip(record["clips"], clips, strict=True)
            for name, renamed, digest in _files(old, new, record["stem_sha256"])
        ]
        if any(content_hash(source / name) != digest for name, _, digest in wanted):
            return False
        if source == task.folder:
            return bool(record["song"] == task.name)  # another process may be at its former names
        for name, renamed, _ in wanted:
            _link(source / name, task.folder / renamed)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    _write_record(task, key, clips)
    return True


def _renamed(clip: dict[str, Any], song: str) -> dict[str, Any]:
    clip_id = f"{song}-{clip['clip_id'].rpartition('-')[2]}"
    stems = {name: f"{STEMS}/{clip_id}.{name}.flac" for name in clip.get("stems") or {}}
    changed = {"clip_id": clip_id, "song": song, "file_name": f"clips/{clip_id}.flac"}
    return {**clip, **changed, **({"stems": stems} if stems else {})}


def _files(
    old: dict[str, Any], new: dict[str, Any], hashes: dict[str, str]
) -> Iterable[tuple[str, str, str]]:
    """Each file of a clip: its name, its new name, its hash."""
    yield old["file_name"], new["file_name"], old["sha256"]
    for name, file in (old.get("stems") or {}).items():
        yield file, new["stems"][name], hashes[file]


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the disk has no such thing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def _of_part(mix: Analysis, sound: Audio, part: Part) -> Analysis:
    """What is known of a part: tempo and key are those of the mix, level and instruments its own."""
    if part == "vocals":
        mix = replace(mix, instruments=["vocals"], description="")
    return replace(mix, energy=energy_of(sound))


def _facts(heard: Analysis, cut: Segment, clip: Audio) -> dict[str, Any]:
    """What is known of a clip before its user says a word."""
    loudness = loudness_lufs(clip)
    known = {
        "tempo_bpm": heard.tempo_bpm,
        "key": heard.key,
        "genre": heard.genre,
        "mood": heard.mood,
        "instruments": list(heard.instruments),
        "energy": heard.energy,
        "loudness_lufs": None if loudness is None else round(loudness, 2),
        "description": heard.description,
        "beats_s": _within(heard.beats_s, cut),
        "downbeats_s": _within(heard.downbeats_s, cut),
    }
    confidence = {
        "tempo_bpm": heard.tempo_confidence,
        "key": heard.key_confidence,
        "downbeats_s": heard.downbeat_confidence,
    }
    place = {"start_s": round(cut.start_s, 4), "end_s": round(cut.end_s, 4), "duration_s": clip.duration_s}
    return {**place, **known, "confidence": confidence}


def _within(times_s: Iterable[float], segment: Segment) -> list[float]:
    """The times that fall into a segment, from its start."""
    inside = (
        float(time_s) - segment.start_s for time_s in times_s if segment.start_s <= time_s < segment.end_s
    )
    return [round(time_s, 4) for time_s in inside]
