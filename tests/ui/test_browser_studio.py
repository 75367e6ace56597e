"""The studio's tabs in a real browser: generate, compare, master, export, arrange, hear; with reloads in the middle."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from angen.audio import read_audio, write_audio
from angen.errors import DownloadError
from angen.settings import Settings
from angen.timeline import clip_edits
from angen.ui.history import list_pieces
from angen.workflows.stems import open_separator
from angen.workflows.timeline import edit_project, open_project

from ..conftest import music
from .conftest import PATIENCE_MS, Studio, served
from .studio_side import write_adapter

pytestmark = pytest.mark.slow
TABS = {
    "generate": "#generate-go", "lyrics": "#lyrics-write", "timeline": "#timeline-new", "stems": "#stems-enhance",
    "mastering": "#master-go", "export": "#export-go",
}  # fmt: skip
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with an adapter that can be played and two sounds of the day before."""
    home = tmp_path_factory.mktemp("studio side") / "workspace"
    settings = Settings(home)
    write_adapter(settings, "calypso", weights=True)
    for number in range(2):
        write_audio(settings.outputs / "2026-01-01" / f"song {number}.wav", music(4.0, seed=number))
    with served(home) as studio:
        yield studio


def opened(page: Page, studio: Studio, tab: str) -> Page:
    page.goto(f"{studio.url}/ui/?tab={tab}")
    page.wait_for_selector(TABS[tab])
    return page


def turn_to(page: Page, words: str) -> None:
    page.get_by_role("tab", name=words, exact=True).click()


def choose(page: Page, selector: str, words: str) -> None:
    page.locator(f"{selector} input").first.click()
    page.get_by_role("option", name=re.compile(words)).first.click()


def plays(player: Locator) -> float:
    """Let a player play, and its length; the sound must really move on.

    A player that the page draws anew in the meantime is asked again; one that stays still is said with its state.
    """
    for _ in range(3):
        said = player.evaluate("""async (player) => {
            const begun = Date.now();
            const until = async (is) => {
                while (!is() && player.isConnected && Date.now() - begun < 30_000) {
                    await new Promise((done) => setTimeout(done, 50));
                }
                return is();
            };
            player.muted = true;
            const moves = () => {
                if (player.paused) player.play().catch(() => {});  // a player that is just filled may be stopped again
                return player.currentTime > 0.05;
            };
            const moved = await until(() => player.duration > 0) && await until(moves);
            player.pause();
            return {moved, length: player.duration, there: player.isConnected, ready: player.readyState,
                    network: player.networkState, at: player.currentTime, fault: player.error && player.error.message};
        }""")
        if said["moved"]:
            return float(said["length"])
        if said["there"]:
            break
    raise AssertionError(f"The player does not play: {said}")


def test_generate_compare_master_export_arrange_and_hear(played: Studio, window: Callable[..., Page]) -> None:
    page = opened(window(), played, "generate")
    page.locator("#generate-seconds input[type=number]").fill("10")
    choose(page, "#generate-adapter", "calypso")
    page.locator("#generate-compare input").check()
    page.locator("#generate-seed input").fill("7")
    page.locator("#generate-go").click()
    expect(page.get_by_text("Two pieces are on their way, with the same seed.")).to_be_visible()
    page.reload()  # in the middle: the jobs go on, and what they make is shown
    page.wait_for_selector("#generate-right audio", state="attached", timeout=240_000)
    expect(page.get_by_text("Same seed, without and with the adapter.")).to_be_visible()
    pieces = list_pieces(played.settings, ["generated"])
    assert [piece.adapters for piece in pieces] == [[("calypso", 1.0)], []]
    assert {piece.request["seed"] for piece in pieces} == {7}
    sounds = [read_audio(piece.path).samples for piece in pieces]
    assert sounds[0].shape == sounds[1].shape
    assert not (sounds[0] == sounds[1]).all()
    for side in ("left", "right"):
        assert plays(page.locator(f"#generate-{side} audio").last) == pytest.approx(10.0, abs=0.1)
    _reuse(page)
    _master(page)
    _export(page, played)
    _arrange(page, played, window)


def _reuse(page: Page) -> None:
    """What was typed outlives the reload; other settings give way to those of a piece, which come from its file."""
    expect(page.locator("#generate-seed input")).to_have_value("7")
    page.locator("#generate-seed input").fill("8")
    page.locator("#generate-reuse").click()
    expect(page.get_by_text("The settings are in the form.")).to_be_visible()
    expect(page.locator("#generate-seed input")).to_have_value("7")
    expect(page.locator("#generate-seconds input[type=number]")).to_have_value("10")
    expect(page.locator("#generate-adapter input")).to_have_value(re.compile("calypso"))


def _master(page: Page) -> None:
    turn_to(page, "Mastering")
    choose(page, "#master-piece", "calypso")
    page.locator("#master-go").click()
    page.wait_for_selector("#master-ab audio", state="attached", timeout=120_000)
    expect(page.locator("#master-report")).to_contain_text(re.compile(r"Loudness LUFS\s*-\d"))
    assert plays(page.locator("#master-ab audio").first) == pytest.approx(10.0, abs=0.1)
    page.locator(".ab-switch").click()
    expect(page.locator(".ab-switch")).to_have_text("Switch to before")
    assert page.evaluate("[...document.querySelectorAll('#master-ab audio')].map((one) => one.paused)") == [
        True,
        False,
    ]


def _export(page: Page, studio: Studio) -> None:
    turn_to(page, "Export")
    page.locator("#export-go").click()
    expect(page.locator(".problem:visible").first).to_contain_text("there is no such piece")
    choose(page, "#export-pieces", "^Master")
    page.keyboard.press("Escape")
    page.locator("#export-go").click()
    expect(page.locator("#export-told table")).to_contain_text(".mp3", timeout=120_000)
    made = [file["path"] for one in studio.jobs("export")[0].result for file in one["files"]]
    assert sorted(Path(path).suffix for path in made) == [".mp3", ".wav"]
    with page.expect_download() as download:
        page.locator("#export-files a[download]").first.click()
    assert Path(download.value.path()).stat().st_size == Path(made[0]).stat().st_size


def _arrange(page: Page, studio: Studio, window: Callable[..., Page]) -> None:
    turn_to(page, "Timeline")
    page.locator("#timeline-name input, #timeline-name textarea").first.fill("Holiday song")
    page.locator("#timeline-new").click()
    expect(page.get_by_text("Nothing is here yet.")).to_be_visible()
    choose(page, "#timeline-music", "^Master")
    page.locator("#timeline-place").click()
    clip = page.locator("[data-clip=c1]")
    expect(clip).to_have_attribute("aria-label", re.compile("0:00.0 to 0:10.0"))
    clip.focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight", "d", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator("[data-clip]")).to_have_count(2)
    expect(clip).to_have_attribute("aria-label", re.compile("0:03.0 to 0:13.0, on Track 2"))
    expect(clip).to_be_focused()
    page.keyboard.press("Control+z")
    expect(clip).to_have_attribute("aria-label", re.compile("0:03.0 to 0:13.0, on (?!Track 2)"))
    _conflict(page, studio)
    page.locator("#timeline-play").click()
    page.wait_for_selector("#timeline-mix audio", state="attached", timeout=120_000)
    length = open_project(studio.settings, "Holiday-song").project.length / 44_100
    assert plays(page.locator("#timeline-mix audio").last) == pytest.approx(length, abs=0.1)
    page.reload()
    expect(page.locator("[data-clip]")).to_have_count(2)
    page.wait_for_selector("#timeline-mix audio", state="attached")
    other = opened(window(), studio, "timeline")  # a second window shows the same, and follows
    expect(other.locator("[data-clip]")).to_have_count(2)
    other.locator("[data-clip=c2]").focus()
    other.keyboard.press("Delete")
    expect(page.locator("[data-clip]")).to_have_count(1)


def _conflict(page: Page, studio: Studio) -> None:
    """Another program edits; the page shows it by itself, and undo is of what is there."""
    edit_project(
        studio.settings, "Holiday-song", lambda project: clip_edits.move_clip(project, "c1", 0), "elsewhere"
    )
    expect(page.locator("[data-clip=c1]")).to_have_attribute("aria-label", re.compile("0:00.0 to"))
    page.locator("#timeline-undo").click()
    expect(page.locator("[data-clip=c1]")).to_have_attribute("aria-label", re.compile("0:03.0 to"))


def test_enhanced_music_is_heard_against_what_it_was(played: Studio, window: Callable[..., Page]) -> None:
    page = opened(window(), played, "stems")
    choose(page, "#stems-music", "song-0|song 0")
    page.keyboard.press("Escape")
    page.locator("#stems-enhance").click()
    page.wait_for_selector("#stems-ab audio", state="attached", timeout=120_000)
    assert plays(page.locator("#stems-ab audio").last) == pytest.approx(4.0, abs=0.1)
    expect(page.locator("#stems-report")).to_contain_text("loudness, LUFS")


def test_stems_are_parted_and_heard(played: Studio, window: Callable[..., Page]) -> None:
    """An instrumental: its voice is silent, which is said; all that is heard is in the other part."""
    try:
        open_separator("spleeter")
    except DownloadError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
    page = opened(window(), played, "stems")
    choose(page, "#stems-music", "song-1|song 1")
    page.keyboard.press("Escape")
    page.locator("#stems-separate").click()
    expect(page.locator("#stems-report")).to_contain_text("mix minus the sum of its stems", timeout=180_000)
    expect(page.locator("#stems-ab")).to_contain_text("nothing to hear in “vocals”")
    page.locator("#stems-result input").click()
    page.get_by_role("option", name=re.compile("accompaniment")).click()
    page.wait_for_selector("#stems-ab audio", state="attached")
    assert plays(page.locator("#stems-ab audio").last) == pytest.approx(4.0, abs=0.1)
    voice, band = studio_stems(played)
    whole, _ = soundfile.read(played.settings.outputs / "2026-01-01" / "song 1.wav", always_2d=True)
    assert voice + band == pytest.approx(whole, abs=2e-3)


def studio_stems(studio: Studio) -> list[NDArray[np.float64]]:
    """The samples of the stems that the last separation wrote."""
    record = studio.jobs("separate")[0].result["files"][0]
    return [soundfile.read(place, always_2d=True)[0] for place in record["stems"].values()]


def test_a_piece_is_finished_in_one_go(played: Studio, window: Callable[..., Page]) -> None:
    """Generate with "Finish every piece": enhanced, mastered, exported, and all of it to be fetched."""
    page = opened(window(), played, "generate")
    page.locator("#generate-seconds input[type=number]").fill("8")
    page.get_by_text("Finish it: enhance, master, export").click()
    page.locator("#generate-produce input").check()
    page.locator("#generate-formats").get_by_text("flac", exact=False).first.click()
    page.locator("#generate-go").click()
    job = played.wait_job("produce")
    assert job.state == "succeeded", job
    expect(page.locator("#generate-told")).to_contain_text("Mastered.")  # not what was made before
    expect(page.locator("#generate-left")).to_contain_text("0:08")
    assert plays(page.locator("#generate-left audio").last) == pytest.approx(8.0, abs=0.1)
    made = [Path(one) for one in re.findall(r'"([^"]+\.(?:wav|flac))"', json.dumps(job.result))]
    assert {path.suffix for path in made if path.is_file()} == {".wav", ".flac"}
    page.reload()  # what was chosen is still chosen
    page.wait_for_selector("#generate-go")
    expect(page.locator("#generate-seconds input[type=number]")).to_have_value("8")


def test_lyrics_are_written_kept_over_a_reload_and_sent(played: Studio, window: Callable[..., Page]) -> None:
    page = opened(window(), played, "lyrics")
    text = page.locator("#lyrics-text textarea")
    page.locator("#lyrics-theme textarea").fill("the last ferry home")
    page.locator("#lyrics-write").click()
    expect(text).to_have_value(re.compile(r"\[verse\]"))
    expect(page.locator("#lyrics-told table")).to_contain_text("verse")
    page.get_by_role("button", name="[Bridge]").locator("visible=true").click()
    expect(text).to_have_value(re.compile(r"\[Bridge\]\n"))
    words = text.input_value()
    opened(page, played, "lyrics")
    expect(text).to_have_value(words)
    page.locator("#lyrics-send").click()
    expect(page.locator("#generate-lyrics textarea")).to_have_value(words)
    page.locator("#generate-go").click()
    expect(page.locator(".problem:visible").first).to_contain_text("angen-tiny makes music without singing")


def test_a_file_that_is_no_sound_is_refused_beside_its_button(
    played: Studio, window: Callable[..., Page], tmp_path: Path
) -> None:
    bad = tmp_path / "notes.wav"
    bad.write_text("words\n" * 200)
    page = opened(window(), played, "mastering")
    page.locator("#tab-mastering input[type=file], input[type=file]").first.set_input_files(bad)
    expect(page.locator(".problem:visible").first).to_contain_text("notes.wav")
    assert not any(path.suffix == ".wav" for path in (played.home / "recordings").rglob("*"))


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_fits_a_phone_has_named_controls_and_no_fault(
    tab: str, played: Studio, window: Callable[..., Page]
) -> None:
    page = window(width=390, dark=True)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    opened(page, played, tab)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    unnamed = page.evaluate("""() => [...document.querySelectorAll('input, textarea, select, button')]
        .filter((one) => one.offsetParent && !one.closest('[role=tablist]')
            && !(one.labels && one.labels.length) && !one.ariaLabel && !one.innerText.trim() && !one.title
            && !one.getAttribute('aria-labelledby'))
        .map((one) => one.outerHTML.slice(0, 200))""")
    assert unnamed == []
    assert faults == []


def test_no_file_of_the_workspace_is_served_by_its_path(played: Studio, window: Callable[..., Page]) -> None:
    page = opened(window(), played, "generate")
    song = played.settings.outputs / "2026-01-01" / "song 0.wav"
    for path in (song, played.home / "angen.db", Path("/etc/passwd")):
        answer = page.request.get(f"{played.url}/ui/gradio_api/file={path}")
        assert answer.status in (403, 404), path
