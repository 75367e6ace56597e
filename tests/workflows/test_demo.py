from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from angen.audio import read_audio
from angen.errors import DatasetError
from angen.progress import Progress
from angen.report import read_report
from angen.settings import Settings
from angen.training import TrainConfig
from angen.workflows.demo import DEMO_CONFIG, run_demo, verdict

WriteSong = Callable[..., Path]
HOSTILE = "<img src=x>"
CONFIG = TrainConfig(epochs=2, batch_size=4, rank=4, learning_rate=1e-2, warmup_steps=1)
KEYS = {
    "validation_loss_base",
    "validation_loss_best",
    "style_distance_base",
    "style_distance_adapter",
    "style_distance_floor",
    "seconds_computing",
}


@pytest.mark.slow
class TestDemo:
    @pytest.fixture
    def songs(self, tmp_path: Path, write_song: WriteSong) -> Path:
        """Four songs, one of hostile name, and a file that is none."""
        folder = tmp_path / "songs"
        for number, name in enumerate([f"{HOSTILE} & co", "two", "three", "four"]):
            write_song(folder / f"{name}.wav", 16.0, seed=number, bpm=100.0 + 10 * number)
        (folder / f"broken {HOSTILE}.wav").write_text("no sound")
        return folder

    def test_songs_go_in_and_an_adapter_music_and_a_report_come_out(
        self, settings: Settings, small: Any, songs: Path
    ) -> None:
        stages: list[str] = []

        def watch(progress: Progress) -> None:
            stages.append(progress.stage)

        style = f"calypso {HOSTILE}"
        result = run_demo(
            settings, [songs], small, name="my demo", style=style, config=CONFIG, on_progress=watch
        )
        assert list(dict.fromkeys(stages)) == [
            "analysing",
            "comparing",
            "cutting",
            "encoding",
            "training",
            "calibrating",
            "generating, base",
            "generating, adapter",
            "measuring",
            "listening to your songs",
            "comparing songs",
            "looking for copies",
            "drawing the base's own music",
            "comparing losses",
            "generating other styles",
        ]
        assert result.folder == settings.outputs / "my-demo"

        numbers = json.loads((result.folder / "report.json").read_text())
        assert read_report(result.folder) == result.told
        assert [pair["base"] for pair in numbers["samples"][:2]] == ["01_base.wav", "02_base.wav"]
        numbers = result.numbers
        assert json.loads(json.dumps(numbers)) == numbers
        assert numbers.keys() >= KEYS
        assert all(isinstance(numbers[key], float) and numbers[key] >= 0 for key in KEYS)
        assert (numbers["songs"], numbers["adapter"]) == (4, "my-demo")
        assert len(numbers["skipped"]) == 1
        assert numbers["validation_loss_best"] <= numbers["validation_loss_base"]
        assert numbers["seconds_computing"] >= numbers["seconds_training"] > 0

        names = [f"{number:02d}_{side}.wav" for number in range(1, 13) for side in ("base", "adapter")]
        names += [
            f"outside_{number:02d}_{side}.wav" for number in range(1, 5) for side in ("base", "adapter")
        ]
        plots = ["distances.png", "loss.png", "loss_by_time.png", "nearest.png"]
        expected = sorted([*names, *plots, "report.html", "report.json"])
        assert sorted(path.name for path in result.folder.iterdir()) == expected
        for name in names[:24]:
            assert read_audio(result.folder / name).duration_s == pytest.approx(15.36)
        base, adapter = (read_audio(result.folder / f"01_{side}.wav").samples for side in ("base", "adapter"))
        assert (base != adapter).any()

        page = (result.folder / "report.html").read_text(encoding="utf-8")
        assert page.startswith("<!doctype html>")
        assert HOSTILE not in page
        assert html.escape(HOSTILE) in page
        assert not re.search(r"https?://|file:|src=\"(?!data:)|href=", page)
        for number in (numbers["style_distance_base"], numbers["style_distance_adapter"]):
            assert f"{number:.2f}" in page
        assert f"{numbers['validation_loss_base']:.4f} → {numbers['validation_loss_best']:.4f}" in page
        for line in verdict(numbers).splitlines():
            assert html.escape(line) in page

        again = run_demo(
            settings, [songs / "two.wav", songs / "three.wav"], small, name="my demo", config=CONFIG
        )
        assert again.numbers["songs"] == 2
        assert read_report(again.folder).songs == 2
        assert sorted(path.name for path in again.folder.iterdir()) == expected
        assert [path.name for path in settings.training_data.iterdir()] == ["my-demo"]
        assert [path.name for path in settings.loras.iterdir()] == ["my-demo"]

    def test_one_short_song_is_enough(
        self, settings: Settings, small: Any, tmp_path: Path, write_song: WriteSong
    ) -> None:
        song = write_song(tmp_path / "only.wav", 12.0)
        result = run_demo(settings, [song], small, config=CONFIG)
        assert result.numbers["songs"] == 1
        assert result.report.is_file()


def test_nothing_usable_leaves_nothing(settings: Settings, small: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_text("no sound")
    with pytest.raises(DatasetError):
        run_demo(settings, [tmp_path / "broken.wav"], small)
    assert not settings.outputs.exists()
    assert not settings.loras.exists()


def test_the_verdict_says_what_every_gauge_says() -> None:
    words = {"learning": "one.", "style": "two.", "memorisation": "three.", "forgetting": "four."}
    assert verdict({"best_step": 3, "verdicts": words}) == "one.\ntwo.\nthree.\nfour."
    assert verdict({"best_step": 0, "verdicts": words}) == "one."


def test_the_demo_validates_and_checkpoints_often_enough_to_be_stopped() -> None:
    assert DEMO_CONFIG.epochs % DEMO_CONFIG.validate_every == 0
    assert DEMO_CONFIG.checkpoint_every <= 100
