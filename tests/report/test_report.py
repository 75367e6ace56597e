from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from angen.audio import Audio
from angen.errors import AdapterError
from angen.report import RunReport, draw_plots, plots, read_report, write_page, write_record
from angen.report.record import (
    ForgettingGauge,
    MemorisationGauge,
    Near,
    SamplePair,
    StyleGauge,
    TrainPoint,
    ValidationPoint,
    Verdict,
)

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = "<img src=x onerror=alert(1)>\" '&"


def _tone(hz: float = 440.0, rate_hz: int = 24_000, channels: int = 1) -> Audio:
    time_s = np.arange(rate_hz) / rate_hz
    return Audio(np.tile(0.5 * np.sin(2 * np.pi * hz * time_s), (channels, 1)).astype(np.float32), rate_hz)


SOUNDS = {"b.wav": _tone(440.0), "a.wav": _tone(880.0), "s.wav": _tone(660.0)}


def _near(space: Any, distance: float) -> Near:
    return Near(
        space=space,
        distance=distance,
        usual=0.8,
        song=f"{HOSTILE} song",
        clip="c",
        song_s=73.0,
        piece_s=2.0,
        level="alarm",
    )


def report(**changed: Any) -> RunReport:
    style = StyleGauge(
        base=30.0, adapter=20.0, floor=10.0, codec=5.0, latent_base=3.0, latent_adapter=2.0, latent_floor=1.0,
        windows=24, verdict=Verdict(level="clear", words="That is 50% of the way."),
    )  # fmt: skip
    copies = MemorisationGauge(
        window_s=3.84, usual_latent=0.8, usual_sound=0.7, songs_compared=40, alarms=1, watches=0, gap_base=-0.1,
        gap_adapter=0.1, gap_grown=0.2, verdict=Verdict(level="alarm", words="It copies."),
    )  # fmt: skip
    kept = ForgettingGauge(
        base_loss=0.7, adapter_loss=0.75, change=0.07, pieces=18, pull_inside=0.5, pull_outside=0.1,
        outside=["house music"], verdict=Verdict(level="watch", words="It has begun to forget."),
    )  # fmt: skip
    pair = SamplePair(
        prompt=f"{HOSTILE} prompt", seed=7, tempo_bpm=112.0, seconds=1.0, base="b.wav", adapter="a.wav",
        at_strength={"0.5": "s.wav"}, nearest=[_near("latent", 0.6), _near("sound", 0.2)],
    )  # fmt: skip
    known: dict[str, Any] = {
        "created": "2026-01-01T00:00:00+00:00", "adapter": f"{HOSTILE} adapter", "measured": "best",
        "base": "angen-tiny", "base_hash": "0" * 64, "base_licence": "Apache-2.0", "dataset": "mine",
        "dataset_hash": "1" * 64, "licence": "CC-BY-4.0", "style_words": "calypso", "songs": 12, "clips": 32,
        "clip_seconds": 540.0, "config": {"rank": 16}, "versions": {"torch": "2.13"}, "steps": 40,
        "best_step": 20, "seconds_training": 90.0, "seconds_report": 30.0, "noise_scale": 1.1, "guidance": None,
        "train": [TrainPoint(step=s, loss=1 / s, mean_loss=1 / s, rate=1e-3) for s in range(10, 41, 10)],
        "validations": [
            ValidationPoint(step=step, loss=loss, loss_by_time={"0.1": loss + 0.1, "0.9": loss - 0.1})
            for step, loss in ((0, 1.0), (20, 0.5), (40, 0.6))
        ],
        "learning": Verdict(level="clear", words="50.0% better."), "style": style, "memorisation": copies,
        "forgetting": kept, "samples": [pair], "notes": [f"{HOSTILE} note"],
    }  # fmt: skip
    return RunReport(**{**known, **changed})


class Page(HTMLParser):
    """Every tag with its attributes, and all the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page]:
    told, folder = report(), tmp_path_factory.mktemp("page")
    write_page(
        folder / "index.html",
        told,
        SOUNDS,
        draw_plots(told),
        references=[(f"{HOSTILE} own", _tone(220.0))],
        previews=[("step 0", _tone(330.0))],
    )
    assert [path.name for path in folder.iterdir()] == ["index.html"]
    source = (folder / "index.html").read_text(encoding="utf-8")
    return source, Page(source)


class TestPlots:
    def test_every_plot_is_a_png_and_follows_its_numbers(self) -> None:
        drawn = draw_plots(report())
        assert sorted(drawn) == ["distances.png", "loss.png", "loss_by_time.png", "nearest.png"]
        assert all(png.startswith(PNG) and png.endswith(b"IEND\xaeB`\x82") for png in drawn.values())
        style = report().style.model_copy(update={"adapter": 25.0})
        moved = draw_plots(report(best_step=40, style=style, samples=[]))
        assert all(moved[name] != png for name, png in drawn.items())

    def test_a_run_without_logged_steps_is_drawn_without_any(self) -> None:
        assert plots.loss_curve([], report().validations, 20).startswith(PNG)
        one = [TrainPoint(step=10, loss=1.0, mean_loss=1.0, rate=1e-3)]
        assert plots.loss_curve(one, report().validations, 20) != plots.loss_curve(
            [], report().validations, 20
        )

    def test_silence_stereo_and_short_sounds_are_drawn(self) -> None:
        silent = Audio(np.zeros((2, 24_000), np.float32), 24_000)
        short = Audio(np.ones((1, 1200), np.float32), 24_000)
        for audio in (silent, short, _tone(channels=2), _tone(rate_hz=44_100)):
            assert plots.spectrogram(audio).startswith(PNG)


class TestPage:
    def test_it_says_what_the_gauges_say_first(self, page: tuple[str, Page]) -> None:
        text = page[1].text
        for words in ("50.0% better.", "That is 50% of the way.", "It copies.", "It has begun to forget."):
            assert text.index(words) < text.index("Listen")
        assert "✕ alarm" in text
        assert "◐ watch" in text
        for number in ("30.00 → 20.00", "1.0000 → 0.5000", "1:13", "0.7000 → 0.7500", "CC-BY-4.0", "rank 16"):
            assert number in text

    def test_it_needs_no_other_file_and_no_network(self, page: tuple[str, Page]) -> None:
        source, parsed = page
        links = [
            value
            for _, attributes in parsed.tags
            for name, value in attributes.items()
            if name in ("src", "href", "srcset", "data", "poster", "action")
        ]
        assert len(links) == 5 + 5 + 4  # players, spectrograms, plots
        assert all(link is not None and link.startswith("data:") for link in links)
        assert not re.search(r"https?:|file:|//[a-z]|@import|url\(", re.sub(r"data:[^\"]*", "", source))
        assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.tags}

    def test_its_players_play_what_they_say(self, page: tuple[str, Page]) -> None:
        players = [attributes for tag, attributes in page[1].tags if tag == "audio"]
        for attributes, hz in zip(players, (440, 880, 660, 330, 220), strict=True):
            assert attributes["aria-label"]
            kind, data = (attributes["src"] or "").split(";base64,")
            assert kind == "data:audio/mpeg"
            samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(data)))
            spectrum = np.abs(np.fft.rfft(samples))
            assert np.argmax(spectrum) * rate_hz / len(samples) == pytest.approx(hz, abs=3)

    def test_its_pictures_are_described(self, page: tuple[str, Page]) -> None:
        pictures = [attributes for tag, attributes in page[1].tags if tag == "img"]
        assert len(pictures) == 9
        for attributes in pictures:
            assert attributes["alt"]
            assert base64.b64decode((attributes["src"] or "").split(",")[1]).startswith(PNG)

    def test_hostile_text_stays_text(self, page: tuple[str, Page]) -> None:
        source, parsed = page
        assert "<img src=x" not in source
        assert not any("onerror" in attributes for _, attributes in parsed.tags)
        for place in ("adapter", "prompt", "song", "own", "note"):
            assert f"{HOSTILE} {place}" in parsed.text


class TestRecord:
    def test_it_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        write_record(tmp_path, report())
        assert read_report(tmp_path) == report()

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"unknown": 1}', "\x00"])
    def test_a_damaged_one_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "report.json").write_text(text)
        with pytest.raises(AdapterError, match="cannot be read"):
            read_report(tmp_path)

    def test_unknown_fields_and_no_numbers_are_refused(self) -> None:
        with pytest.raises(ValidationError):
            report(surprise=1)
        with pytest.raises(ValidationError):
            report(noise_scale=float("nan"))
