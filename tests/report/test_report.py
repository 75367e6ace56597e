from __future__ import annotations

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from angen.audio import Audio
from angen.report import Pair, ReportFacts, plots, write_report

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = "<img src=x onerror=alert(1)>\" '&"


def _tone(hz: float = 440.0, rate_hz: int = 24_000, channels: int = 1) -> Audio:
    time_s = np.arange(rate_hz) / rate_hz
    return Audio(np.tile(0.5 * np.sin(2 * np.pi * hz * time_s), (channels, 1)).astype(np.float32), rate_hz)


@pytest.fixture
def facts() -> ReportFacts:
    return ReportFacts(
        title="Adapter “calypso”",
        verdict="It came nearer.",
        numbers=[
            ("Songs", "12 songs of 3.25 min", "a tenth is held out"),
            ("Loss", "0.7654 → 0.6543", "less"),
        ],
        train_losses=[(step, 1 / step) for step in range(1, 40)],
        validations=[(0, 1.0), (20, 0.5), (40, 0.6)],
        best_step=20,
        times=(0.1, 0.5, 0.9),
        base_by_time=(1.0, 0.8, 0.6),
        best_by_time=(0.9, 0.5, 0.4),
        distances=(30.0, 20.0, 5.0, 10.0),
        pairs=[Pair("happy calypso, seed 1", _tone(), _tone(880.0))],
        references=[("My own song, validation", _tone(220.0))],
        notes=["One song was left out."],
    )


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


def _page(tmp_path: Path, facts: ReportFacts) -> tuple[str, Page]:
    write_report(tmp_path / "report.html", facts)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    return source, Page(source)


class TestPlots:
    def test_every_plot_is_a_png(self) -> None:
        drawn = {
            "loss_curve": plots.loss_curve([(1, 1.0), (2, 0.5)], [(0, 1.0), (2, 0.6)], 2),
            "loss_by_time": plots.loss_by_time((0.1, 0.9), (1.0, 0.5), (0.9, 0.4)),
            "distances": plots.distances(30.0, 20.0, 5.0, 10.0),
            "spectrogram": plots.spectrogram(_tone()),
        }
        public = {
            name for name, value in vars(plots).items()
            if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == plots.__name__
        }  # fmt: skip
        assert drawn.keys() == public
        for name, png in drawn.items():
            assert png.startswith(PNG), name
            assert png.endswith(b"IEND\xaeB`\x82"), name

    def test_the_numbers_change_the_picture(self) -> None:
        curve = plots.loss_curve([(1, 1.0), (2, 0.5)], [(0, 1.0)], 0)
        assert plots.loss_curve([(1, 1.0), (2, 0.7)], [(0, 1.0)], 0) != curve
        assert plots.loss_curve([(1, 1.0), (2, 0.5)], [(0, 1.1)], 0) != curve
        assert plots.loss_curve([(1, 1.0), (2, 0.5)], [(0, 1.0)], 2) != curve
        assert plots.distances(30.0, 20.0, 5.0, 10.0) != plots.distances(30.0, 21.0, 5.0, 10.0)
        assert plots.loss_by_time((0.1,), (1.0,), (0.9,)) != plots.loss_by_time((0.1,), (1.0,), (0.8,))
        assert plots.spectrogram(_tone(440.0)) != plots.spectrogram(_tone(2000.0))

    @pytest.mark.parametrize("losses", [[], [(1, 1.0)], [(step, 1.0) for step in range(1, 500)]], ids=len)
    def test_a_run_of_any_length_is_drawn(self, losses: list[tuple[int, float]]) -> None:
        assert plots.loss_curve(losses, [(0, 1.0)], 0).startswith(PNG)

    def test_silence_stereo_and_short_sounds_are_drawn(self) -> None:
        silent = Audio(np.zeros((2, 24_000), np.float32), 24_000)
        short = Audio(np.ones((1, 1200), np.float32), 24_000)
        for audio in (silent, short, _tone(channels=2), _tone(rate_hz=44_100)):
            assert plots.spectrogram(audio).startswith(PNG)


class TestPage:
    def test_it_holds_every_number_and_word(self, tmp_path: Path, facts: ReportFacts) -> None:
        _, page = _page(tmp_path, facts)
        told = [facts.title, facts.verdict, *facts.notes, facts.pairs[0].title, facts.references[0][0]]
        for text in (*told, *(cell for row in facts.numbers for cell in row)):
            assert text in page.text

    def test_it_needs_no_other_file_and_no_network(self, tmp_path: Path, facts: ReportFacts) -> None:
        source, page = _page(tmp_path, facts)
        links = [
            value
            for _, attributes in page.tags
            for name, value in attributes.items()
            if name in ("src", "href", "srcset", "data", "poster", "action")
        ]
        assert len(links) >= 3 + 3 + 2  # players, plots, spectrograms
        assert all(link is not None and link.startswith("data:") for link in links)
        assert not re.search(r"https?:|file:|//[a-z]|@import|url\(", re.sub(r"data:[^\"]*", "", source))
        assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}

    def test_its_players_play_what_they_say(self, tmp_path: Path, facts: ReportFacts) -> None:
        _, page = _page(tmp_path, facts)
        sounds = []
        for tag, attributes in page.tags:
            if tag == "audio":
                kind, data = (attributes["src"] or "").split(";base64,")
                assert kind.startswith("data:audio/")
                sounds.append(soundfile.read(io.BytesIO(base64.b64decode(data))))
        assert len(sounds) == 3
        for (samples, rate_hz), hz in zip(sounds, (440, 880, 220), strict=True):
            assert len(samples) / rate_hz == pytest.approx(1, abs=0.2)
            spectrum = np.abs(np.fft.rfft(samples))
            assert np.argmax(spectrum) * rate_hz / len(samples) == pytest.approx(hz, abs=3)

    def test_its_pictures_are_pngs(self, tmp_path: Path, facts: ReportFacts) -> None:
        _, page = _page(tmp_path, facts)
        pictures = [attributes for tag, attributes in page.tags if tag == "img"]
        assert len(pictures) >= 5
        for attributes in pictures:
            assert attributes["alt"]
            assert base64.b64decode((attributes["src"] or "").split(",")[1]).startswith(PNG)

    def test_hostile_text_stays_text(self, tmp_path: Path, facts: ReportFacts) -> None:
        hostile = dataclasses.replace(
            facts,
            title=f"{HOSTILE} title",
            verdict=f"{HOSTILE} verdict",
            numbers=[(f"{HOSTILE} name", f"{HOSTILE} value", f"{HOSTILE} meaning")],
            pairs=[Pair(f"{HOSTILE} pair", _tone(), _tone())],
            references=[(f"{HOSTILE} reference", _tone())],
            notes=[f"{HOSTILE} note"],
        )
        source, page = _page(tmp_path, hostile)
        assert "<img src=x" not in source
        assert not any("onerror" in attributes for _, attributes in page.tags)
        for place in ("title", "verdict", "name", "value", "meaning", "pair", "reference", "note"):
            assert f"{HOSTILE} {place}" in page.text

    def test_it_renders_without_losses_references_and_notes(self, tmp_path: Path, facts: ReportFacts) -> None:
        bare = dataclasses.replace(
            facts,
            train_losses=[],
            validations=[(0, 1.0)],
            best_step=0,
            references=(),
            notes=(),
            pairs=facts.pairs[:1],
        )
        _, page = _page(tmp_path, bare)
        assert "Notes" not in page.text
        assert "Your own clips" not in page.text
        assert sum(tag == "audio" for tag, _ in page.tags) == 2

    def test_it_replaces_an_older_one(self, tmp_path: Path, facts: ReportFacts) -> None:
        _page(tmp_path, facts)
        _, page = _page(tmp_path, dataclasses.replace(facts, verdict="It went away."))
        assert "It went away." in page.text
        assert facts.verdict not in page.text
