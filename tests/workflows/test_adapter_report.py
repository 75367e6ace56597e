from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tunes import tune

from angen.audio import Audio, read_audio
from angen.dataset import Dataset, load_dataset
from angen.errors import AdapterError, AngenError
from angen.report import read_report
from angen.report.record import REPORT
from angen.settings import Settings
from angen.training import TrainConfig, validate
from angen.training.clips import crop_frames_of
from angen.workflows.adapter_report import ReportOptions, ReportStoppedError, read_log, write_adapter_report
from angen.workflows.compare import Drawn
from angen.workflows.gauges import Songs, near_records, usual_distances
from angen.workflows.latents import training_clips

MakeDataset = Callable[..., Dataset]
MakeAdapter = Callable[..., Path]
QUICK = ReportOptions(pieces=2, seconds=2.0, strengths=(0.5,))
LOG: list[dict[str, Any]] = [
    {"kind": "validation", "step": 0, "loss": 1.0, "loss_by_time": {"0.1": 1.1, "0.9": 0.9}},
    {"kind": "step", "step": 1, "loss": 0.99, "mean_loss": 0.99, "rate": 1e-3},
    {"kind": "resumed", "step": 0},
    {"kind": "step", "step": 1, "loss": 0.9, "mean_loss": 0.95, "rate": 1e-3},
    {"kind": "validation", "step": 1, "loss": 0.5, "loss_by_time": {"0.1": 0.6, "0.9": 0.4}},
]


@pytest.fixture
def adapter(small: Any, make_dataset: MakeDataset, make_adapter: MakeAdapter) -> Path:
    dataset = make_dataset(prefix="<b>steel</b>", seconds=6.0)
    folder = make_adapter(small, dataset_hash=dataset.info.sha256)
    _log(folder, LOG)
    return folder


def _log(folder: Path, lines: list[dict[str, Any]], end: str = '{"kind": "st') -> None:
    text = "".join(json.dumps({"seconds": 1.0, **line}) + "\n" for line in lines)
    (folder / "log.jsonl").write_text(text + end)


def test_a_report_is_written_read_again_and_kept_when_the_next_is_stopped(
    settings: Settings, small: Any, adapter: Path
) -> None:
    told: list[str] = []
    written = write_adapter_report(settings, small, "mine", QUICK, on_progress=lambda x: told.append(x.stage))
    report = read_report(adapter / "report")
    assert report == written.report
    assert (report.adapter, report.best_step, report.style.windows) == ("mine", 1, 2)
    assert [(x.step, x.loss) for x in report.train] == [(1, 0.9)]
    assert [(x.step, x.loss) for x in report.validations] == [(0, 1.0), (1, 0.5)]
    assert report.learning.words.startswith("On songs it never saw the adapter predicts 50.0% better")
    assert report.forgetting.pieces == len(small.facts.own_styles)
    assert report.forgetting.change != 0
    crop = crop_frames_of(small.facts, TrainConfig())
    dataset = load_dataset(settings.training_data / "mine")
    trained, held_out = (
        validate(small, training_clips(small, dataset, side), crop).loss for side in ("train", "validation")
    )
    assert report.memorisation.gap_base == pytest.approx(held_out - trained, abs=1e-4)
    inside = [pair for pair in report.samples if not pair.is_outside]
    assert len(inside) == 2
    assert all({near.space for near in pair.nearest} == {"latent", "sound"} for pair in inside)
    assert inside[0].at_strength == {"0.5": "01_strength_0.5.wav"}

    named = [x for pair in report.samples for x in (pair.base, pair.adapter, *pair.at_strength.values())]
    plots = ["distances.png", "loss.png", "loss_by_time.png", "nearest.png"]
    assert sorted(x.name for x in written.folder.iterdir()) == sorted([*named, *plots, "index.html", REPORT])
    base, changed = (
        read_audio(written.folder / name).samples for name in (inside[0].base, inside[0].adapter)
    )
    assert base.shape == changed.shape
    assert (base != changed).any()

    page = written.page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|file:|src=\"(?!data:)|href=|<script|@import|url\(", page)
    assert "<b>steel" not in page
    assert "&lt;b&gt;steel&lt;/b&gt;" in page
    for verdict in (report.learning, report.style.verdict, report.memorisation.verdict):
        assert verdict.words.split(".")[0] in page
    assert all(label in page for label in ('lang="en"', "aria-label=", "scope=row", "<figcaption>"))
    assert re.search(r"<img (?!alt=\"[^\"])", page) is None

    before = (adapter / "report" / REPORT).read_bytes()
    with pytest.raises(ReportStoppedError):
        write_adapter_report(settings, small, "mine", QUICK, should_stop=lambda: True)
    assert (adapter / "report" / REPORT).read_bytes() == before
    assert not [x for x in adapter.iterdir() if x.name.startswith(".report")]
    assert small.network.training is False


def test_a_log_is_read_as_it_was_measured(adapter: Path) -> None:
    train, validations = read_log(adapter)
    assert [(x.step, x.loss) for x in train] == [(1, 0.9)]
    assert [x.step for x in validations] == [0, 1]
    _log(adapter, LOG[1:])
    with pytest.raises(AdapterError, match="no validation at step 0"):
        read_log(adapter)
    (adapter / "log.jsonl").unlink()
    with pytest.raises(AdapterError):
        read_log(adapter)


@pytest.mark.parametrize("measured", ["../other", "checkpoints", "checkpoints/step_1/../..", "/etc"])
def test_only_weights_of_the_run_are_measured(measured: str) -> None:
    with pytest.raises(AdapterError, match="measured"):
        ReportOptions(measured=measured)


def test_what_cannot_be_reported_is_refused(
    settings: Settings, small: Any, adapter: Path, tmp_path: Path
) -> None:
    with pytest.raises(AngenError, match="nobody"):
        write_adapter_report(settings, small, "nobody", QUICK)
    with pytest.raises(AdapterError, match="no report"):
        read_report(adapter / "report")
    (tmp_path / REPORT).write_text('{"adapter": 1}')
    with pytest.raises(AdapterError, match="cannot be read"):
        read_report(tmp_path)


class TestPlantedCopies:
    """A training clip that went through the codec is a copy, however it is disguised; another song is not."""

    @pytest.fixture
    def found(self, small: Any, make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch) -> Any:
        dataset = make_dataset(songs=4, seconds=12.0)
        sounds = {f"song{i}-001": tune(12.0, i) for i in range(5)}
        monkeypatch.setattr(
            "angen.workflows.gauges.levelled_clip", lambda dataset, record, facts: sounds[record.clip_id]
        )
        monkeypatch.setattr(
            "angen.workflows.latents.levelled_clip", lambda dataset, record, facts: sounds[record.clip_id]
        )
        clips = [*training_clips(small, dataset, "train"), *training_clips(small, dataset, "validation")]
        songs = Songs(small.facts, dataset, clips)
        songs.window = songs.window * 3  # 2.88 s: the small model's crops are short
        songs.window_s *= 3
        songs.sound_window *= 3
        songs = _again(songs, small, dataset, clips)
        usual = usual_distances(songs.between_songs(5.0), [])
        assert usual.songs_compared >= 4

        def levels(audio: Audio) -> list[Any]:
            latents = small.encode(audio)
            piece = Drawn(None, latents.numpy(), audio)  # type: ignore[arg-type]
            return near_records(songs.places(piece), usual)

        return sounds, levels

    def test_they_ring_and_other_songs_do_not(self, small: Any, found: Any) -> None:
        sounds, levels = found
        song = sounds["song1-001"]
        noise = np.random.default_rng(0)
        for start_s, gain, hiss, shift in (
            (2.0, 1.0, 0, 0),
            (2.03, 0.3, 2e-4, 0),
            (4.44, 0.1, 1e-4, 0),
            (3.0, 1.0, 0, 2),
        ):
            rate_hz = round(song.rate_hz * 2 ** (shift / 12))
            part = Audio(song.samples, rate_hz).span(start_s, start_s + 5.0)
            decoded = small.decode(small.encode(part)).samples * gain
            disguised = decoded + hiss * noise.standard_normal(decoded.shape)
            near = levels(Audio(disguised.astype(np.float32), small.facts.rate_hz))
            rings = [x for x in near if x.level == "alarm"]
            assert rings, (start_s, near)
            best = min(rings, key=lambda x: x.ratio)
            assert best.song == "song1"
            factor = 2 ** (shift / 12)
            assert best.song_s - best.piece_s * factor == pytest.approx(start_s * factor, abs=0.2)
            assert best.semitones == shift
        fresh = sounds["song4-001"].span(2.0, 7.0)
        decoded = small.decode(small.encode(fresh))
        assert not [x for x in levels(decoded) if x.level == "alarm"]


def _again(songs: Songs, small: Any, dataset: Dataset, clips: Any) -> Songs:
    """The same songs made ready with the windows they have now."""
    from angen.analysis.nearest import Windowed, heard, sound_frames
    from angen.workflows import gauges

    ready = []
    for song, clip in zip(songs.songs, clips, strict=True):
        audio = gauges.levelled_clip(dataset, song.record, small.facts)
        latents, frames = clip.original.latents.numpy(), sound_frames(audio)
        ready.append(
            gauges.Song(
                song.record,
                ((0, Windowed.of(latents, songs.window, heard(audio, len(latents)))),),
                Windowed.of(frames, songs.sound_window, heard(audio, len(frames))),
            )
        )
    songs.songs = ready
    return songs
