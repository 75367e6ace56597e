from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from angen.audio import Audio, read_audio
from angen.mastering import master, measure
from angen.report.mastering import loudness_matched, verdict, write_mastering_report

SONG = Path(__file__).parents[2] / "examples" / "calypso" / "01 Harbour Morning.ogg"


def sound(seconds: float = 4.0, gain: float = 0.3, rate_hz: int = 44_100, channels: int = 2) -> Audio:
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((channels, round(seconds * rate_hz))) * gain
    return Audio((noise * np.linspace(0.2, 0.8, noise.shape[1])).astype(np.float32), rate_hz)


@pytest.mark.parametrize(
    ("before_gain", "after_gain", "louder"), [(0.05, 0.2, "after"), (0.2, 0.05, "before")]
)
def test_the_louder_one_is_turned_down_until_both_are_alike(
    before_gain: float, after_gain: float, louder: str
) -> None:
    compared = loudness_matched(sound(gain=before_gain), sound(gain=after_gain))
    levels = [measure(audio).integrated_lufs for audio in (compared.before, compared.after)]
    assert levels[0] == pytest.approx(levels[1], abs=0.02)
    assert compared.louder == louder
    assert compared.turned_down_db == pytest.approx(12.04, abs=0.05)
    kept = {"after": compared.before, "before": compared.after}[louder]
    assert np.abs(kept.samples).max() <= np.abs(sound(gain=0.05).samples).max() + 1e-6


def test_the_passage_is_the_loudest_of_the_master_and_the_same_of_both() -> None:
    audio = sound(10.0, gain=0.1)
    compared = loudness_matched(audio, audio, length_s=3)
    assert compared.start_s == pytest.approx(7, abs=0.11)
    np.testing.assert_array_equal(compared.before.samples, compared.after.samples)
    np.testing.assert_allclose(
        compared.before.samples, audio.span(compared.start_s, compared.start_s + 3).samples
    )


def test_odd_rates_and_silence_can_be_played() -> None:
    compared = loudness_matched(sound(rate_hz=96_000), sound(rate_hz=44_100))
    assert compared.before.rate_hz == compared.after.rate_hz == 44_100
    assert measure(compared.before).integrated_lufs == pytest.approx(
        measure(compared.after).integrated_lufs or 0, abs=0.02
    )
    silent = Audio(np.zeros((2, 44_100), np.float32), 44_100)
    assert loudness_matched(silent, silent).loudness_lufs is None


class Page(HTMLParser):
    """Tags that were opened and never closed, and everything that is asked for from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img"):
            self.opened.append(tag)
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


@pytest.mark.parametrize("preset", ["vinyl", "match"])
def test_the_page_is_whole_and_holds_what_it_shows(tmp_path: Path, preset: str) -> None:
    audio = read_audio(SONG).span(10, 15)
    made = master(audio, preset, reference=sound(gain=0.2) if preset == "match" else None)
    made = replace(made, warnings=("A <b>warning</b> & more.",))
    write_mastering_report(tmp_path / "page.html", 'A "title" <script>', audio, made)
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    assert page.opened == []
    assert len(page.sources) == 4
    assert all(source.startswith("data:") for source in page.sources)
    assert "A &lt;b&gt;warning&lt;/b&gt; &amp; more." in text
    assert 'A "title" <script>' not in text
    assert f"{made.after.integrated_lufs:.1f} LUFS" in text
    assert f"{made.before.true_peak_dbtp:.1f} dBTP" in text
    assert ("de-esser" in text) == (preset == "vinyl")
    players = [base64.b64decode(data) for data in re.findall(r"audio/mpeg;base64,([^\"]+)", text)]
    levels = []
    for player in players:
        samples, rate_hz = soundfile.read(io.BytesIO(player), dtype="float32", always_2d=True)
        levels.append(measure(Audio(np.ascontiguousarray(samples.T), rate_hz)).integrated_lufs)
    assert levels[0] == pytest.approx(levels[1], abs=0.2)  # after the coder too


def test_the_verdict_says_what_came_of_it() -> None:
    made = master(sound(gain=0.05), "streaming")
    assert verdict(made).startswith("-14.0 LUFS at ")
    assert "LU louder than before" in verdict(made)
    assert "LU quieter than before" in verdict(master(sound(gain=0.6), "r128"))
