"""Projects made by random edits, over a few recordings that are noise in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import strategies as st
from numpy.typing import NDArray

from angen.errors import TimelineError
from angen.timeline import Fade, Project, Source, clip_edits, edits, scan_source

RATE_HZ = 8000
FARTHEST = 6000
Draw = Callable[[st.SearchStrategy[Any]], Any]


class Recordings:
    """Sounds in memory, read as a renderer reads files: never beyond their ends."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.sounds: dict[str, NDArray[np.float32]] = {}

    def add(self, sound: NDArray[np.float32], rate_hz: int = RATE_HZ) -> Source:
        sha256 = hashlib.sha256(sound.tobytes()).hexdigest()
        channels, samples = sound.shape
        source = Source(
            sha256=sha256, path=f"{sha256[:6]}.wav", rate_hz=rate_hz, channels=channels, samples=samples
        )
        self.sounds[sha256] = sound
        self.sources.append(source)
        return source

    def __call__(self, sha256: str, first: int, count: int) -> NDArray[np.float32]:
        sound = self.sounds[sha256]
        assert first >= 0
        assert count >= 1
        assert first + count <= sound.shape[1]
        return sound[:, first : first + count]


@pytest.fixture(scope="session")
def recordings() -> Recordings:
    """Three recordings of noise: a short mono one, and two stereo ones."""
    made = Recordings()
    random = np.random.default_rng(7)
    for channels, samples in ((1, 900), (2, 2500), (2, 4200)):
        made.add(random.uniform(-0.5, 0.5, (channels, samples)).astype(np.float32))
    return made


def _place(draw: Draw) -> int:
    return draw(st.integers(0, FARTHEST))


def _fade(draw: Draw) -> Fade | None:
    if draw(st.booleans()):
        return None
    curve = draw(st.sampled_from(["linear", "equal-power", "exponential"]))
    return Fade(samples=draw(st.integers(0, 1500)), curve=curve)


def random_edit(project: Project, draw: Draw, sources: list[Source]) -> Project:
    """One edit of any kind with any values, many of them impossible."""
    track = draw(st.sampled_from([track.id for track in project.tracks] or ["t1"]))
    clips = [clip.id for clip in project.clips()] or ["c1"]
    clip, other = draw(st.sampled_from(clips)), draw(st.sampled_from(clips))
    gain_db = draw(st.sampled_from([-130.0, -12.5, -3.0, 0.0, 6.0]))
    flag = draw(st.booleans())
    choices: list[Callable[[], Project]] = [
        lambda: edits.add_track(project, "a track", index=draw(st.none() | st.integers(0, 4))),
        lambda: clip_edits.place_clip(
            project,
            track,
            draw(st.sampled_from(sources)),
            _place(draw),
            name="a clip",
            offset=draw(st.integers(0, 1000)),
            length=draw(st.none() | st.integers(1, 4000)),
        ),
        lambda: clip_edits.move_clip(
            project, clip, _place(draw), track_id=draw(st.sampled_from([None, track]))
        ),
        lambda: clip_edits.trim_clip(
            project,
            clip,
            start=draw(st.none() | st.integers(0, FARTHEST)),
            end=draw(st.none() | st.just(3000)),
        ),
        lambda: clip_edits.split_clip(project, clip, _place(draw)),
        lambda: clip_edits.fade_clip(project, clip, "in" if flag else "out", _fade(draw)),
        lambda: clip_edits.crossfade_clips(project, clip, other, draw(st.integers(0, 900))),
        lambda: clip_edits.duplicate_clip(project, clip, start=draw(st.none() | st.integers(0, FARTHEST))),
        lambda: clip_edits.set_clip_gain(project, clip, gain_db),
        lambda: clip_edits.snap_clip(project, clip, draw(st.sampled_from(["bar", "beat", "1/16", "1/8t"]))),
        lambda: clip_edits.remove_clip(project, clip),
        lambda: edits.remove_track(project, track) if flag else edits.rename_track(project, track, "b"),
        lambda: edits.reorder_track(project, track, draw(st.integers(0, 3))),
        lambda: edits.set_track_gain(project, track, gain_db),
        lambda: edits.set_pan(project, track, draw(st.sampled_from([-1.0, -0.3, 0.0, 0.8, 1.5]))),
        lambda: edits.set_muted(project, track, flag),
        lambda: edits.set_soloed(project, track, flag),
        lambda: edits.set_master_gain(project, gain_db),
        lambda: edits.set_tempo(project, draw(st.floats(5, 400)), bar=draw(st.integers(1, 5)), beat=2),
        lambda: edits.set_metre(
            project, draw(st.integers(1, 7)), 8 if flag else 4, bar=draw(st.integers(1, 5))
        ),
        lambda: edits.remove_tempo(project, bar=2, beat=2) if flag else edits.remove_metre(project, bar=2),
        lambda: edits.add_marker(project, "here", _place(draw)),
        lambda: edits.add_section(project, "verse", _place(draw), _place(draw)),
        lambda: edits.remove_marker(project, "here") if flag else edits.remove_section(project, "verse"),
    ]
    return draw(st.sampled_from(choices))()


@pytest.fixture(scope="session")
def projects(recordings: Recordings) -> st.SearchStrategy[Project]:
    """Projects as people leave them: a few clips on two tracks, then edits of any kind that succeeded."""

    @st.composite
    def make(draw: Draw) -> Project:
        project = edits.add_track(edits.add_track(Project(name="random", rate_hz=RATE_HZ), "one"), "two")
        for _ in range(draw(st.integers(1, 4))):
            source = draw(st.sampled_from(recordings.sources))
            track = draw(st.sampled_from(["t1", "t2"]))
            project = clip_edits.place_clip(project, track, source, _place(draw), name="a clip")
        for _ in range(draw(st.integers(0, 8))):
            try:
                project = random_edit(project, draw, recordings.sources)
            except TimelineError:
                continue
        return project

    return make()


@pytest.fixture(scope="session")
def edit_at_random(recordings: Recordings) -> Callable[[Project, Draw], Project]:
    """`edit_at_random(project, draw)`: one edit; raises `TimelineError` where it is impossible."""
    return lambda project, draw: random_edit(project, draw, recordings.sources)


@pytest.fixture(scope="session")
def two_clips(recordings: Recordings) -> Project:
    """Two clips of noise on one track, the second beginning 700 samples before the first ends."""
    project = edits.add_track(Project(name="two", rate_hz=RATE_HZ), "one")
    project = clip_edits.place_clip(project, "t1", recordings.sources[1], 100, name="left")
    return clip_edits.place_clip(project, "t1", recordings.sources[2], 100 + 2500 - 700, name="right")


@pytest.fixture
def arranged(tmp_path: Any) -> tuple[Project, Any]:
    """A project with everything that other programs should see, and the folder of its recordings."""
    folder = tmp_path / "song"
    folder.mkdir()
    random = np.random.default_rng(3)
    project = edits.add_track(
        edits.add_track(Project(name="Lied <1> & „été“", rate_hz=44_100), 'Say "hi" & <go>'), "Bass"
    )
    project = edits.set_tempo(edits.set_tempo(project, 97.5), 140.0, bar=5, beat=3)
    project = edits.set_metre(edits.set_metre(project, 6, 8, bar=3), 3, 4, bar=9)
    for number, (name, rate_hz, channels) in enumerate(
        [("one.wav", 44_100, 2), ("two; it's.flac", 48_000, 1), ("three.wav", 44_100, 2)]
    ):
        sound = random.uniform(-0.3, 0.3, (rate_hz * 2, channels))
        soundfile.write(folder / name, sound, rate_hz, "PCM_16")
        source = scan_source(folder / name, relative_to=folder)
        track = "t2" if number == 2 else "t1"
        project = clip_edits.place_clip(
            project,
            track,
            source,
            66_150 * number,
            name=f"clip {number} – ü",
            offset=100 * number,
            length=80_001,
        )
    project = clip_edits.set_clip_gain(project, "c2", -4.5)
    project = clip_edits.fade_clip(project, "c3", "out", Fade(samples=4410, curve="exponential"))
    project = edits.set_pan(edits.set_track_gain(project, "t1", -6.0), "t1", 0.25)
    project = edits.set_master_gain(edits.set_soloed(edits.set_muted(project, "t2"), "t1"), -1.5)
    project = edits.add_marker(edits.add_marker(project, "Einsatz", 12_345), "Ende\u00a0!", 200_000)
    return edits.add_section(project, "副歌", 44_100, 132_300), folder
