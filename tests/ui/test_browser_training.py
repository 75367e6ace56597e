"""The training side in a real browser: from an upload to a trained adapter, across reloads and a restart."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from angen.adapters import list_adapters
from angen.dataset import list_datasets
from angen.jobs import submit_job
from angen.jobs.studio import KINDS
from angen.workflows.metadata import open_metadata

from ..conftest import SongWriter
from .conftest import Studio, served

pytestmark = pytest.mark.slow
expect.set_options(timeout=60_000)
TABS = ("dataset_training", "user_audio", "training", "manage")
KNOWN_FAULTS = {
    # Gradio's own components: hidden buttons of its tabs, unnamed parts of its table, player, sliders and dropdowns.
    "aria-hidden-focus", "aria-input-field-name", "aria-prohibited-attr", "aria-required-children",
    "aria-valid-attr-value", "button-name", "label", "label-title-only", "nested-interactive",
    "scrollable-region-focusable", "select-name", "svg-img-alt",
}  # fmt: skip


def opened(page: Page, studio: Studio, tab: str, anchor: str) -> Page:
    page.goto(f"{studio.url}/ui/?tab={tab}")
    page.wait_for_selector(anchor)
    return page


def status(page: Page) -> Any:
    """The words of the job that is shown on the open tab."""
    return page.locator(".job:visible")


def fold(page: Page, name: str) -> None:
    """Open what is folded under a name."""
    page.locator("button.label-wrap:visible", has_text=name).first.click()


def say(page: Page, selector: str, words: str) -> None:
    page.locator(f"{selector} input, {selector} textarea").first.fill(words)


PLAYABLE = """(() => {
  const found = [];
  const walk = (root) => root.querySelectorAll("*").forEach((one) => {
    if (one.shadowRoot) walk(one.shadowRoot);
    if (one.tagName === "AUDIO" && one.currentSrc && one.duration > 0) found.push(one);
  });
  walk(document);
  return found;
})()"""
"""The players that have loaded something; Gradio keeps them out of the document's own tree."""


def heard_seconds(page: Page, count: int) -> list[float]:
    """The lengths of what so many players play, once they have begun to."""
    page.wait_for_function(f"{PLAYABLE}.length >= {count}")
    play = "async (audio) => { audio.muted = true; await audio.play(); return audio.duration; }"
    lengths: list[float] = page.evaluate(f"Promise.all({PLAYABLE}.map({play}))")
    return lengths


def type_into(page: Page, row: int, column: int, words: str, *, pause_ms: float = 0) -> None:
    page.locator(f"[data-testid='cell-{row}-{column}']").dblclick()
    page.keyboard.press("Control+A")
    page.keyboard.type(words, delay=pause_ms)
    page.keyboard.press("Enter")


def test_the_whole_way_from_an_upload_to_an_adapter(
    tmp_path: Path, window: Callable[..., Page], write_song: SongWriter
) -> None:
    songs = [write_song(tmp_path / f"song {n}.wav", 16.0, seed=n, bpm=100.0 + 4 * n) for n in range(3)]
    bad = tmp_path / "notes.wav"
    bad.write_text("these are words, not sound\n" * 40)
    with served(tmp_path / "workspace") as studio:
        page = opened(window(), studio, "user_audio", "#analyze")
        expect(page.get_by_text("There are no recordings yet")).to_be_visible()
        _upload_and_hear(page, studio, [*songs, bad])
        _correct_the_table(page, studio, window)
        page.click("#prepare")
        studio.wait_job("prepare")
        expect(page.get_by_text(re.compile(r"Dataset my-music: \d+ clips of 3 songs"))).to_be_visible()
        page.click("#to-training")
        _train_across_a_reload_a_stop_and_a_restart(page, studio)
        _generate(page, studio)
        _manage(page, studio)


def test_rows_that_fill_do_not_close_the_cell_that_is_typed_into(
    tmp_path: Path, window: Callable[..., Page], write_song: SongWriter
) -> None:
    songs = [write_song(tmp_path / f"song {n}.wav", 8.0, seed=n) for n in range(3)]
    with served(tmp_path / "workspace") as studio:
        page = opened(window(), studio, "user_audio", "#analyze")
        expect(page.locator("#metadata [aria-label='Add row']")).to_be_hidden()
        page.set_input_files("#upload input[type=file]", songs)
        expect(page.get_by_text("3 recordings added to my-music.")).to_be_visible()
        page.click("#analyze")
        expect(page.locator(".told", has_text="Your own words stay")).to_be_visible()
        cell = page.locator("[data-testid='cell-0-1']")
        cell.dblclick()
        page.keyboard.type("mento", delay=300)
        assert studio.wait_job("annotate").state == "succeeded"
        expect(status(page).first).to_have_attribute("data-state", "succeeded")
        page.keyboard.type(" and soca", delay=300)
        page.keyboard.press("Enter")
        expect(page.locator("[data-testid='cell-1-2']")).to_have_text(re.compile(r"\d"))
        expect(cell).to_contain_text("mento and soca")
        page.click("#save")
        expect(page.get_by_text("Saved 1 change.")).to_be_visible()
        table = open_metadata(studio.settings, studio.home / "recordings/my-music")
        assert table.draft.records[0].value("genre") == "mento and soca"


def _upload_and_hear(page: Page, studio: Studio, songs: list[Path]) -> None:
    page.set_input_files("#upload input[type=file]", songs)
    expect(page.get_by_text("3 recordings added to my-music.")).to_be_visible()
    expect(page.locator(".problem", has_text="notes.wav")).to_be_visible()
    assert not (studio.home / "recordings/my-music/notes.wav").exists()
    page.click("#analyze")
    assert studio.wait_job("annotate").state == "succeeded"
    expect(status(page).first).to_have_attribute("data-state", "succeeded")
    expect(page.locator("[data-testid='cell-1-2']")).to_have_text(re.compile(r"\d"))
    page.locator("[data-testid='cell-1-3']").click()  # a row is heard, and drawn with its cuts
    expect(page.locator(".cuts figcaption")).to_contain_text("clips:")
    assert heard_seconds(page, 1) == [pytest.approx(16.0, abs=0.1)]


def _correct_the_table(page: Page, studio: Studio, window: Callable[..., Page]) -> None:
    """An impossible cell is told and kept; the edit outlives a reload; another window is told of a conflict."""
    type_into(page, 0, 2, "fast", pause_ms=800)  # meanwhile the page looks at its jobs; the cell stays open
    expect(page.get_by_text("1 unsaved change")).to_be_visible()
    page.wait_for_function("localStorage.getItem('angen-user-audio').includes('fast')")  # to its last letter
    page.click("#save")
    expect(page.locator(".problem", has_text="song-0.wav, BPM")).to_be_visible()
    page.reload()
    expect(page.locator("[data-testid='cell-0-2']")).to_have_text(re.compile("fast"))
    other = opened(window(), studio, "user_audio", "#analyze")
    expect(other.locator("[data-testid='cell-0-2']")).to_have_text(re.compile(r"\d"))
    type_into(page, 0, 2, "101")
    expect(page.get_by_text("1 unsaved change")).to_be_visible()
    page.click("#save")
    expect(page.get_by_text("Saved 1 change.")).to_be_visible()
    type_into(other, 0, 2, "99")
    expect(other.get_by_text("1 unsaved change")).to_be_visible()
    other.click("#save")
    expect(other.locator(".problem", has_text="Someone else has changed this meanwhile")).to_be_visible()
    table = open_metadata(studio.settings, studio.home / "recordings/my-music")
    assert table.draft.records[0].value("tempo_bpm") == 101.0
    other.click("#again")
    expect(other.locator("[data-testid='cell-0-2']")).to_have_text(re.compile("99"))
    other.click("#discard")
    expect(other.locator("[data-testid='cell-0-2']")).to_have_text(re.compile("101"))


def _train_across_a_reload_a_stop_and_a_restart(page: Page, studio: Studio) -> None:
    page.wait_for_selector("#start")
    expect(page.locator("#train-dataset input")).to_have_value(re.compile("my-music"))
    page.click("#start")
    expect(page.locator(".problem", has_text="The LoRA has no name.")).to_be_visible()
    say(page, "#lora-name", "steel")
    page.click("#estimate")
    expect(page.locator(".facts")).to_contain_text("Steps")
    page.get_by_role("button", name="Advanced").click()
    say(page, "#knob-max_steps", "16")
    say(page, "#knob-checkpoint_every", "2")
    say(page, "#knob-log_every", "1")
    page.locator("#train-report input").uncheck()  # its pieces take minutes; the report has tests of its own
    page.click("#start")
    studio.wait_job("train", lambda job: job.stage == "training" and job.done >= 2)
    page.reload()
    line = re.compile(r"Epoch \d+/\d+ \| Step \d+ \| Loss: \d\.\d{3} \| \d+%")
    expect(status(page).first).to_contain_text(line)
    expect(page.locator("table.losses")).to_contain_text("Held-out songs")
    page.get_by_role("button", name="Stop", exact=True).click()
    stopped = studio.wait_job("train", lambda job: job.state == "paused")
    expect(status(page).first).to_have_attribute("data-state", "paused")
    studio.restart()  # the server is another; the page finds the job where it was
    page.reload()
    expect(status(page).first).to_have_attribute("data-state", "paused")
    page.get_by_role("button", name="Resume", exact=True).click()
    done = studio.wait_job("train")
    assert done.id == stopped.id
    assert done.state == "succeeded"
    expect(status(page).first).to_have_attribute("data-state", "succeeded")
    assert [info.steps for info in list_adapters(studio.settings.loras)] == [done.result["steps"]]


def _generate(page: Page, studio: Studio) -> None:
    """Music with the adapter, played."""
    opened(page, studio, "generate", "#generate-go")
    say(page, "#generate-prompt", "steel drums, happy")
    page.locator("#generate-seconds input[type=number]").fill("6")
    page.locator("#generate-adapter input").first.click()
    page.get_by_role("option", name=re.compile("steel")).first.click()
    page.click("#generate-go")
    done = studio.wait_job("generate")
    assert done.state == "succeeded"
    assert [one["name"] for one in done.params["adapters"]] == ["steel"]
    assert heard_seconds(page, 1)[0] == pytest.approx(6.0, abs=1.0)


def _manage(page: Page, studio: Studio) -> None:
    """Seen with what is known of it, heard without and with it, renamed, exported, taken in again, deleted."""
    opened(page, studio, "manage", "#refresh")
    expect(page.locator("#adapters")).to_contain_text("steel")
    expect(page.get_by_text("There is no report yet.")).to_be_visible()
    expect(page.locator(".facts", has_text="Held-out loss")).to_be_visible()
    page.locator("#pair input").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    without, with_it = heard_seconds(page, 2)
    assert without == pytest.approx(with_it) != 0
    fold(page, "Rename")
    say(page, "#new-name", "tin")
    page.click("#rename")
    expect(page.get_by_text("steel is now tin.")).to_be_visible()
    fold(page, "Export")
    page.click("#export-adapter")
    page.get_by_text(re.compile(r"tin\.safetensors, \d")).wait_for()
    with page.expect_download() as download:
        page.locator("#export-file").click()
    fold(page, "Import")
    saved = studio.home.parent / download.value.suggested_filename
    download.value.save_as(saved)
    page.set_input_files("#import-file input[type=file]", saved)
    page.wait_for_timeout(500)
    page.click("#import-adapter")
    expect(page.locator(".problem", has_text="already an adapter")).to_be_visible()
    page.get_by_role("button", name="Delete this adapter").click()
    assert [info.name for info in list_adapters(studio.settings.loras)] == ["tin"]  # it only asked
    page.get_by_role("button", name="Delete it with its checkpoints").click()
    expect(page.get_by_text("Deleted tin.")).to_be_visible()
    assert list_adapters(studio.settings.loras) == []
    assert [info.name for info in list_datasets(studio.settings.training_data)] == ["my-music"]


@pytest.mark.parametrize("width", [1280, 390])
def test_every_tab_fits_its_window_and_has_no_serious_fault(
    width: int, studio: Studio, window: Callable[..., Page]
) -> None:
    axe = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    page = window(width=width, dark=width == 390)
    for tab in TABS:
        opened(page, studio, tab, f"#tab-{tab}")
        page.wait_for_selector(f"[data-tab-id={tab}][aria-selected=true]")
        page.wait_for_timeout(800)  # what fades in has its colours
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        serious = {
            one["id"]: [node["html"] for node in one["nodes"]]
            for one in found
            if one["impact"] in ("serious", "critical")
        }
        assert set(serious) <= KNOWN_FAULTS, {key: serious[key] for key in set(serious) - KNOWN_FAULTS}


def test_a_job_has_an_address_and_the_open_tab_is_opened_again(
    studio: Studio, window: Callable[..., Page], write_song: SongWriter
) -> None:
    folder = studio.home / "recordings" / "address"
    write_song(folder / "song.wav", 2.0)
    job = submit_job(studio.settings, KINDS, "annotate", {"folder": str(folder)})
    page = window()
    page.goto(f"{studio.url}/ui/?job={job.id}")
    expect(page.locator(f".job[data-job='{job.id}']:visible").first).to_contain_text("Hear address")
    page.get_by_role("tab", name="Training configuration").click()
    page.wait_for_selector("#start")
    page.wait_for_url(re.compile("tab=training"))
    page.reload()
    page.wait_for_selector("#start")


def test_the_keyboard_alone_reaches_and_presses_the_sample_songs(
    tmp_path: Path, window: Callable[..., Page]
) -> None:
    with served(tmp_path / "workspace") as studio:
        page = opened(window(), studio, "user_audio", "#sample")
        page.wait_for_timeout(1000)
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.closest('#sample') !== null"):
                break
        page.keyboard.press("Enter")
        assert studio.wait_job("annotate", lambda job: True).params["folder"].endswith("sample-songs")
        expect(page.locator("[data-testid='cell-0-0']")).to_contain_text("Harbour")
