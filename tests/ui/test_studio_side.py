"""The studio's tabs as plain functions: a real workspace, real sounds, real jobs in the queue."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from angen.audio import loudness_lufs, read_audio, write_audio
from angen.errors import AngenError, ConflictError, GenerationError, MissingFileError, TimelineError
from angen.files import content_hash
from angen.settings import Settings
from angen.timeline import Project, clip_edits
from angen.ui import arrange
from angen.ui import timeline_view as desk
from angen.ui.choosing import UPLOADS, MusicChoice, bring_recording, optional_number, whole_number
from angen.ui.context import Page
from angen.ui.history import find_piece, list_pieces, take_of
from angen.ui.listening import ab_html, matched, report_table
from angen.ui.tabs import export, generate, lyrics, mastering, stems
from angen.ui.waveform import PEAKS_A_SECOND, peaks_of, svg_path
from angen.ui.wishes import Wish, submit_wish, wish_of
from angen.workflows.master import MasterChoices, master_file
from angen.workflows.timeline import open_project, render_project

from ..conftest import music
from .studio_side import write_adapter


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    """A page without components that queues jobs which nobody does, with Gradio's folder in the test's own."""
    settings = Settings(tmp_path / "workspace")
    settings.home.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setattr("angen.ui.context.ensure_supervisor", lambda settings: False)
    return Page(settings, cast("Any", None), cast("Any", None))


@pytest.fixture
def put(page: Page) -> Callable[..., Path]:
    """`put("2026-01-02/a.wav", seconds=2, **record)`: a sound in the outputs, with JSON beside it if there is any."""

    def make(name: str, seconds: float = 2.0, *, seed: int = 0, **record: Any) -> Path:
        path = page.settings.outputs / name
        write_audio(path, music(seconds, seed=seed))
        if record:
            path.with_name(path.name + ".json").write_text(json.dumps(record))
        return path

    return make


REQUEST = {"prompt": "happy calypso", "seconds": 2.0, "seed": 7, "tempo_bpm": 112.0, "steps": 4, "guidance": 2.5,
           "noise_scale": 1.1, "form": "verse 8", "ending": True, "lyrics": ""}  # fmt: skip


def generated(request: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"model": "angen-tiny", "conditions": {"notes": []}, "request": request or REQUEST,
            "adapters": [{"name": "calypso", "strength": 0.8}], **more}  # fmt: skip


def only(page: Page, kind: Any = ()) -> Any:
    pieces = list_pieces(page.settings, kind)
    assert len(pieces) == 1
    return pieces[0]


class TestHistory:
    def test_it_is_read_from_the_files_and_each_is_what_the_json_says(self, page: Page, put: Any) -> None:
        put("2026-01-01/a.wav", **generated())
        put("2026-01-01/b.wav", source="a.wav", settings={}, before={}, after={})
        put("2026-01-01/c.wav", chain=[], path="/x/a.wav")
        put("2026-01-01/job-stems/song/vocals.wav")
        put("2026-01-01/d.wav")
        kinds = {piece.path.name: piece.kind for piece in list_pieces(page.settings)}
        assert kinds == {
            "a.wav": "generated", "b.wav": "mastered", "c.wav": "enhanced", "vocals.wav": "stem", "d.wav": "sound",
        }  # fmt: skip
        assert only(page, ["generated"]).line.startswith("happy calypso, calypso 0.8, seed 7, 0:02")

    def test_nothing_hidden_linked_or_outside_is_listed(self, page: Page, put: Any, tmp_path: Path) -> None:
        path = put("day/a.wav")
        (path.parent / ".a.tmp.wav").write_bytes(path.read_bytes())
        (path.parent / "link.wav").symlink_to(path)
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "x.wav").write_bytes(path.read_bytes())
        (path.parent / "folder").symlink_to(outside)
        (page.settings.home / "elsewhere").mkdir()
        (page.settings.home / "elsewhere" / "y.wav").write_bytes(path.read_bytes())
        assert only(page).path == path

    @pytest.mark.parametrize(
        "name", ["", None, "../../etc/passwd", "/etc/passwd", "outputs/day/a.wav", "0" * 16]
    )
    def test_only_an_id_of_the_list_opens_anything(self, page: Page, put: Any, name: str | None) -> None:
        path = put("day/a.wav")
        assert find_piece(page.settings, only(page).id).path == path
        with pytest.raises(MissingFileError):
            find_piece(page.settings, name)

    def test_a_damaged_or_foreign_json_beside_it_does_no_harm(self, page: Page, put: Any) -> None:
        path = put("day/a.wav")
        for text in ("{", "[1]", '{"request": 3, "adapters": {"x": 1}, "conditions": 0}', "\udcff"):
            path.with_name("a.wav.json").write_bytes(text.encode("utf-8", "surrogateescape"))
            piece = only(page)
            assert piece.request == {}
            assert piece.adapters == []
            assert "a" in piece.label

    def test_a_production_is_one_piece_and_its_master_is_what_sounds(self, page: Page, put: Any) -> None:
        first = put("day/p/01-generated.wav", **generated())
        put("day/p/02-enhanced.wav")
        master = put("day/p/03-mastered.wav", settings={}, before={}, source="02-enhanced.wav")
        (first.parent / "production.json").write_text("{}")
        assert [piece.finished for piece in list_pieces(page.settings, ["generated"])] == [master]
        assert "02-enhanced.wav" not in {piece.path.name for piece in list_pieces(page.settings)}

    def test_the_newest_comes_first_and_pages_are_cut_from_it(self, page: Page, put: Any) -> None:
        for number in range(11):
            os.utime(
                put(f"day/{number:02d}.wav", 0.5, **generated({**REQUEST, "prompt": f"p{number}"})),
                (number, number),
            )
        first, at = generate.history_update(page, -3)
        assert at == 0
        assert [label.split(",")[0] for label, _ in first["choices"]] == [f"p{n}" for n in range(10, 2, -1)]
        second, at = generate.history_update(page, 99)
        assert at == 1
        assert [label.split(",")[0] for label, _ in second["choices"]] == ["p2", "p1", "p0"]


class TestGenerate:
    def submit(self, page: Page, **how: Any) -> list[Any]:
        return submit_wish(page, Wish(**{"prompt": "happy calypso", "seconds": 10.0, "seed": 5, **how}))

    def test_one_job_carries_every_setting(self, page: Page) -> None:
        (job,) = self.submit(
            page, tempo_bpm=99.0, guidance=3.0, steps=8, noise_scale=0.9, form="verse 8", ending=True
        )
        assert job.kind == "generate"
        asked = job.params["request"]
        assert (asked["tempo_bpm"], asked["guidance"], asked["steps"]) == (99.0, 3.0, 8)
        assert (asked["noise_scale"], asked["form"], asked["ending"], asked["seed"]) == (
            0.9,
            "verse 8",
            True,
            5,
        )
        assert Path(job.params["out"]).is_relative_to(page.settings.outputs)

    def test_a_comparison_asks_both_sides_for_exactly_the_same(self, page: Page) -> None:
        write_adapter(page.settings, "calypso", tempo_bpm=111.0, noise_scale=1.3, guidance=4.5)
        base, adapted = self.submit(page, adapters=(("calypso", 0.8),), compare=True)
        assert base.params["request"] == adapted.params["request"]
        asked = base.params["request"]
        assert (asked["tempo_bpm"], asked["noise_scale"], asked["guidance"]) == (111.0, 1.3, 4.5)
        assert (base.params["adapters"], adapted.params["adapters"][0]["strength"]) == ([], 0.8)
        takes = [take_of(Path(job.params["out"])) for job in (base, adapted)]
        assert len({take[0] for take in takes if take}) == 1
        assert [take[1] for take in takes if take] == ["base", "adapter"]

    def test_where_the_second_cannot_be_queued_the_first_is_taken_back(
        self, page: Page, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_adapter(page.settings, "calypso")
        whole, calls = Page.submit, []

        def second_fails(self: Page, kind: str, params: dict[str, Any], **how: Any) -> Any:
            calls.append(kind)
            if len(calls) == 2:
                raise GenerationError("no")
            return whole(self, kind, params, **how)

        monkeypatch.setattr(Page, "submit", second_fails)
        with pytest.raises(GenerationError):
            self.submit(page, adapters=(("calypso", 1.0),), compare=True)
        assert [job.state for job in page.store.list()] == ["cancelled"]

    def test_finishing_is_a_production_with_its_choices(self, page: Page) -> None:
        (job,) = self.submit(
            page, produce=True, preset="club", style="warm", enhance=0.0, formats=("flac", "mp3")
        )
        assert job.kind == "produce"
        assert (job.params["preset"], job.params["style"], job.params["enhance"]) == ("club", "warm", None)
        assert job.params["formats"] == ["flac", "mp3"]

    @pytest.mark.parametrize(
        ("how", "words"),
        [
            ({"lyrics": "[verse]\nla"}, "without singing"),
            ({"style_dataset": "mine"}, "style reference"),
            ({"compare": True}, "nothing to compare"),
            ({"compare": True, "adapters": (("x", 0.0),)}, "nothing to compare"),
            ({"adapters": (("x", 1.0), ("x", 0.5))}, "twice"),
            ({"adapters": (("x", 1.0),)}, "x"),
            ({"model": "/etc"}, "no model"),
            ({"model": "diffrhythm2", "style_dataset": "a", "style_file": "/x.wav"}, "two style"),
            ({"seconds": 1000.0}, "seconds"),
            ({"steps": 0}, "steps"),
            ({"seed": -1}, "seed"),
            ({"guidance": 99.0}, "guidance"),
            ({"form": "nonsense 4"}, "section"),
            ({"produce": True, "preset": "match"}, "reference"),
            ({"produce": True, "formats": ("wma",)}, "wma"),
        ],
    )
    def test_what_cannot_be_is_refused_with_a_remedy_and_nothing_is_queued(
        self, page: Page, how: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(AngenError, match=words) as caught:
            self.submit(page, **how)
        assert caught.value.remedy
        assert page.store.list() == []

    def test_the_form_and_the_wish_are_one_another_s_inverse(self) -> None:
        wish = Wish(
            "a b", lyrics="la", adapters=(("x", 0.5), ("y", -1.0)), seconds=12.0, seed=9, tempo_bpm=101.5,
            guidance=3.25, steps=7, noise_scale=1.25, form="verse 8", ending=True, compare=True, produce=True,
            enhance=0.25,
            preset="cd", style="warm", intensity=0.75, formats=("flac", "mp3"),
        )  # fmt: skip
        assert generate.read_wish(*generate.wish_values(wish)) == wish

    @pytest.mark.parametrize("slot", [2, 10])
    def test_an_empty_or_broken_number_is_named(self, slot: int) -> None:
        values = generate.wish_values(Wish("a"))
        for broken in (None, float("nan"), "x", True):
            with pytest.raises(GenerationError, match=r"missing|seed|length"):
                generate.read_wish(*values[:slot], broken, *values[slot + 1 :])

    def test_settings_come_back_from_the_files_alone(self, page: Page, put: Any) -> None:
        put("day/a.wav", **generated())
        wish = wish_of(only(page))
        assert {name: getattr(wish, name) for name in REQUEST} == REQUEST
        assert wish.adapters == (("calypso", 0.8),)
        told = generate._reused(page, only(page).id)
        assert "calypso is not here any more" in told.words

    def test_settings_of_a_recording_are_refused(self, page: Page, put: Any) -> None:
        put("day/a.wav")
        with pytest.raises(GenerationError, match="how it was made"):
            wish_of(only(page))

    def test_both_sides_of_a_take_are_shown_the_base_first(self, page: Page, put: Any) -> None:
        adapted = put("day/x-take-0123abcd-adapter.wav", **generated())
        base = put("day/x-take-0123abcd-base.wav", seed=1, **{**generated(), "adapters": []})
        piece = next(one for one in list_pieces(page.settings) if one.path == adapted)
        words, left, right = generate.shown(page, piece)
        assert "Same seed" in words
        assert (left["label"], right["label"]) == ("Base model", "With calypso 0.8")
        for update, path in ((left, base), (right, adapted)):
            assert content_hash(Path(update["value"])) == content_hash(path)
            assert not Path(update["value"]).is_relative_to(page.settings.outputs)

    def test_a_prompt_is_text_wherever_it_is_shown(self, page: Page, put: Any) -> None:
        put("day/a.wav", **generated({**REQUEST, "prompt": "<img src=x onerror=alert(1)>"}))
        words, *_ = generate.shown(page, only(page))
        assert "<img" not in words


class TestMastering:
    def test_a_piece_by_its_id_becomes_a_job(self, page: Page, put: Any) -> None:
        path = put("day/a.wav")
        mastering.submit_master(page, only(page).id, "club", "warm", 0.25, None, "linear", 3)
        (job,) = page.store.list()
        assert job.params == {
            "files": [str(path)], "preset": "club", "style": "warm", "intensity": 0.25, "reference": None,
            "phase": "linear", "seed": 3, "out": None,
        }  # fmt: skip

    @pytest.mark.parametrize(
        "values",
        [
            (None, "club", "warm", 0.5, None, "minimum", 0), ("PIECE", "nope", "warm", 0.5, None, "minimum", 0),
            ("PIECE", "club", "nope", 0.5, None, "minimum", 0), ("PIECE", "club", "warm", 2, None, "minimum", 0),
            ("PIECE", "match", "warm", 0.5, None, "minimum", 0), ("PIECE", "club", "warm", 0.5, None, "odd", 0),
            ("PIECE", "club", "warm", 0.5, None, "minimum", -1),
            ("/etc/passwd", "club", "warm", 0.5, None, "minimum", 0),
            ("PIECE", "club", "warm", None, None, "minimum", 0), ("PIECE", "club", "warm", 0.5, None, "minimum", 0.5),
        ],
    )  # fmt: skip
    def test_every_field_is_checked_by_the_server(
        self, page: Page, put: Any, values: tuple[Any, ...]
    ) -> None:
        put("day/a.wav")
        with pytest.raises(AngenError):
            mastering.submit_master(page, *(only(page).id if one == "PIECE" else one for one in values))
        assert page.store.list() == []

    def test_an_earlier_master_finds_its_recording_by_content(self, page: Page, put: Any) -> None:
        source = put("day/a.wav", 4.0)
        put("other/a.wav", 4.0, seed=5)
        made = master_file(source, page.settings.outputs / "day" / "a-master.wav", MasterChoices())
        piece = next(one for one in list_pieces(page.settings) if one.path == made.path)
        assert mastering._source_of(page, piece) == source
        report, player, files = mastering._earlier(page, piece.id)
        assert f"{made.mastered.after.integrated_lufs:.1f}" in report
        assert player.count("<audio") == 2
        assert [Path(one).name for one in files["value"]] == ["a-master.wav", "a-master.wav.html"]

    def test_the_two_sides_are_equally_loud(self, page: Page, put: Any) -> None:
        quiet = put("day/a.wav", 6.0)
        sound, rate = soundfile.read(quiet)
        loud = page.settings.outputs / "day" / "b.wav"
        soundfile.write(loud, sound * 1.8, rate)
        first, second, words = matched(page, quiet, loud)
        levels = [loudness_lufs(read_audio(path)) for path in (first, second)]
        assert levels[0] == pytest.approx(levels[1], abs=0.1)
        assert "5.1 dB" in words
        assert matched(page, quiet, loud)[0] == first  # kept


class TestExport:
    def test_choices_and_tags_become_a_job(self, page: Page, put: Any) -> None:
        path = put("day/a.wav")
        tags = ("Title", "Me", "", "", "2026", "", "CC0-1.0", "", "")
        export.submit_export(
            page, [only(page).id], "pieces", ["flac", "mp3"], False, True, "112,5", "la", *tags
        )
        (job,) = page.store.list()
        said = job.params["tags"]
        assert job.params["files"] == [str(path)]
        assert (job.params["formats"], job.params["draws_cover"], job.params["ai_mark"]) == (
            "flac,mp3",
            False,
            True,
        )
        assert (said["title"], said["artist"], said["date"], said["licence"]) == (
            "Title",
            "Me",
            "2026",
            "CC0-1.0",
        )
        assert (said["bpm"], said["lyrics"]) == (112.5, "la")

    @pytest.mark.parametrize(
        ("pieces", "what", "formats", "bpm"),
        [
            ([], "pieces", ["flac"], ""), (["PIECE"], "pieces", [], ""), (["PIECE"], "stems", ["mp3"], ""),
            (["PIECE"], "stems", ["flac", "wav24"], ""), (["PIECE"], "pieces", ["wma"], ""),
            (["PIECE"], "nothing", ["flac"], ""), (["PIECE"], "pieces", ["flac"], "quick"),
            (["PIECE"], "pieces", ["flac"], "1000"), (["/etc/passwd"], "pieces", ["flac"], ""),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_refused(
        self, page: Page, put: Any, pieces: list[str], what: str, formats: list[str], bpm: str
    ) -> None:
        put("day/a.wav")
        ids = [only(page).id if one == "PIECE" else one for one in pieces]
        with pytest.raises(AngenError):
            export.submit_export(page, ids, what, formats, True, True, bpm, "", *[""] * 9)
        assert page.store.list() == []


class TestStems:
    def test_each_verb_becomes_its_job(self, page: Page, put: Any) -> None:
        path = put("day/a.wav")
        ids = [only(page).id]
        stems.submit_enhance(page, ids, "vocals", 0.3, False)
        stems.submit_upscale(page, ids, 96_000, True)
        stems.submit_separate(page, ids, "spleeter")
        jobs = {job.kind: job.params for job in page.store.list()}
        assert jobs["enhance"] == {
            "files": [str(path)],
            "out": None,
            "stem": "vocals",
            "strength": 0.3,
            "shape": False,
        }
        assert (jobs["upscale"]["rate_hz"], jobs["upscale"]["extend"]) == (96_000, True)
        assert (jobs["separate"]["files"], jobs["separate"]["model"]) == ([str(path)], "spleeter")

    def test_what_cannot_be_is_refused(self, page: Page, put: Any) -> None:
        put("day/a.wav")
        put("other/a.wav")
        ids = [piece.id for piece in list_pieces(page.settings)]
        for wrong in (
            lambda: stems.submit_enhance(page, [], "auto", 0.5, True),
            lambda: stems.submit_enhance(page, ids[:1], "choir", 0.5, True),
            lambda: stems.submit_enhance(page, ids[:1], "auto", 7, True),
            lambda: stems.submit_enhance(page, ids, "auto", 0.5, True),
            lambda: stems.submit_upscale(page, ids[:1], 12_345, True),
            lambda: stems.submit_separate(page, ids[:1], "rm -rf"),
        ):
            with pytest.raises(AngenError):
                wrong()
        assert page.store.list() == []

    def test_results_of_every_shape_are_found_and_faults_passed_over(self, put: Any) -> None:
        one, two = put("day/x-stems/a/vocals.wav"), put("day/x-stems/b/vocals.wav")
        records = [
            {"path": "/in/a.wav", "stems": {"vocals": str(one), "gone": "/nowhere.wav"}},
            {"path": "/in/b.wav", "stems": {"vocals": str(two)}}, {"path": "/in/c.wav", "error": {"message": "no"}},
            {"path": "/in/d.wav", "out": str(one)},
        ]  # fmt: skip
        found = stems.results_of(cast("Any", SimpleNamespace(result={"files": records[:3]})))
        assert found == {"vocals.wav": (Path("/in/a.wav"), one), "b/vocals.wav": (Path("/in/b.wav"), two)}
        assert stems.results_of(cast("Any", SimpleNamespace(result={"files": records[3:]}))) == {
            "vocals.wav": (Path("/in/d.wav"), one)
        }


class TestLyrics:
    FIELDS = ("ferries", "tender", "en", "short", "", "", 3, False, 1, "")

    def test_the_draft_writer_answers_at_once_and_the_same_for_a_seed(self, page: Page) -> None:
        one, two = (lyrics.act_on(page, "write", "", *self.FIELDS) for _ in range(2))
        assert one.outputs[0] == two.outputs[0]
        assert "[verse]" in one.outputs[0]
        assert "<table>" in one.outputs[1]
        assert page.store.list() == []

    def test_continuing_keeps_what_is_there_and_the_change_can_be_taken_back(self, page: Page) -> None:
        text = "[verse]\nThe ferry turns around\nThe harbour has no sound\n"
        made = lyrics.act_on(page, "continue", text, *self.FIELDS)
        assert "The ferry turns around\nThe harbour has no sound" in made.outputs[0]
        assert made.outputs[0].count("[") > 3
        back = lyrics._taken_back(made.outputs[0], made.outputs[2])
        assert list(back.outputs) == [text, made.outputs[0]]

    def test_rewriting_changes_the_section_that_was_named_only(self, page: Page) -> None:
        text = "[verse]\nThe ferry turns around\nThe harbour has no sound\n[chorus]\nSail on\nSail on\n"
        made = lyrics.act_on(page, "rewrite", text, *self.FIELDS[:-1], "2")
        assert "The ferry turns around" in made.outputs[0]
        assert "Sail on" not in made.outputs[0]

    @pytest.mark.parametrize(
        ("action", "text", "fields"),
        [
            ("continue", " ", FIELDS), ("rewrite", "", FIELDS), ("structure", "", FIELDS),
            ("write", "", ("a", "", "xx", "short", "", "", 0, False, 1, "")),
            ("write", "", ("a", "", "en", "nope", "", "", 0, False, 1, "")),
            ("write", "", ("a", "", "en", "short", "soon", "", 0, False, 1, "")),
            ("write", "", ("a", "", "en", "short", "", "9999", 0, False, 1, "")),
            ("write", "", ("a", "", "en", "short", "", "", -1, False, 1, "")),
            ("continue", "[verse]\nla la", ("a", "", "en", "short", "", "", 0, False, 99, "")),
            ("rewrite", "[verse]\nla la", ("a", "", "en", "short", "", "", 0, False, 1, "two")),
            ("rewrite", "[verse]\nla la", ("a", "", "en", "short", "", "", 0, False, 1, "7")),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_refused(
        self, page: Page, action: str, text: str, fields: tuple[Any, ...]
    ) -> None:
        with pytest.raises(AngenError) as caught:
            lyrics.act_on(page, action, text, *fields)
        assert caught.value.remedy

    def test_with_a_language_model_it_is_a_job(self, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANGEN_LLM_URL", "http://127.0.0.1:9/v1")
        fields = (*self.FIELDS[:7], True, 2, "")
        told = lyrics.act_on(page, "continue", "[verse]\nla la", *fields)
        (job,) = page.store.list()
        assert told.outputs[3] == job.id
        assert (job.params["action"], job.params["sections"], job.params["theme"]) == (
            "continue",
            [2],
            "ferries",
        )

    def test_a_late_answer_does_not_write_over_words_of_another_window(self) -> None:
        job = cast(
            "Any", SimpleNamespace(id="1", result={"text": "new"}, params={"language": "en", "form": "short"})
        )
        assert lyrics._arrived(job, "my own words", "") == []
        assert lyrics._arrived(job, "", "")[0] == "new"
        assert lyrics._arrived(job, "my own words", "1")[0] == "new"

    def test_problems_are_told_with_their_lines_and_as_text(self) -> None:
        shown = lyrics.check_html(
            "[verse]\nfine words here\n<script>alert(1)</script>\n", "en", "short", "", ""
        )
        assert "<script>" not in shown
        assert "1. verse" in shown


class TestTimeline:
    @pytest.fixture
    def name(self, page: Page, put: Any) -> str:
        put("day/a.wav", 4.0, **generated())
        desk.new_project(page, "My song!", 120)
        return "My-song"

    def place(self, page: Page, name: str, at: str = "0", track: str = desk.NEW_TRACK) -> Project:
        piece = list_pieces(page.settings, ["generated"])[0]
        desk.placed(page, name, self.seen(page, name), "", 8.0, piece.id, at, track)
        return self.project(page, name)

    def project(self, page: Page, name: str) -> Project:
        return open_project(page.settings, name).project

    def seen(self, page: Page, name: str) -> str:
        return arrange.revision(self.project(page, name))

    def press(self, page: Page, name: str, key: str, clip: str = "c1", **more: Any) -> Project:
        desk.pressed(page, name, self.seen(page, name), 8.0, {"clip": clip, "key": key, **more})
        return self.project(page, name)

    def test_a_new_project_is_named_safely_and_once(self, page: Page, name: str) -> None:
        assert (page.settings.projects / name / "project.json").is_file()
        for wrong in ("My song!", "  ", "../.."):
            with pytest.raises(TimelineError):
                desk.new_project(page, wrong, 120)

    def test_music_is_placed_where_it_was_said(self, page: Page, name: str) -> None:
        project = self.place(page, name, "2|1")
        (clip,) = project.clips()
        assert clip.start == 2 * 44_100  # bar 2 of 120 BPM in 4/4
        assert project.tracks[0].name == "calypso 0.8: happy calypso"
        again = self.place(page, name, "1:02.5", project.tracks[0].id)
        assert len(again.tracks) == 1
        assert sorted(one.start for one in again.clips())[1] == round(62.5 * 44_100)

    @pytest.mark.parametrize(("at", "track"), [("soon", "new"), ("-1", "new"), ("0", "t9"), ("nan", "new")])
    def test_no_place_or_track_is_refused_and_nothing_changes(
        self, page: Page, name: str, at: str, track: str
    ) -> None:
        before = self.seen(page, name)
        with pytest.raises(TimelineError):
            self.place(page, name, at, track)
        assert self.seen(page, name) == before

    def test_keys_move_trim_fade_copy_and_remove(self, page: Page, name: str) -> None:
        beat, bar = 22_050, 88_200
        self.place(page, name, "3|1")
        start = 2 * bar
        assert [one.start for one in self.press(page, name, "ArrowRight").clips()] == [start + beat]
        assert [one.start for one in self.press(page, name, "ArrowLeft", shift=True).clips()] == [
            start + beat - bar
        ]
        assert [one.start for one in self.press(page, name, ".").clips()] == [start + beat - bar + 441]
        (clip,) = self.press(page, name, "[").clips()
        assert (clip.offset, clip.length) == (beat, 4 * 44_100 - beat)
        (clip,) = self.press(page, name, "}").clips()
        assert clip.length == 4 * 44_100 - beat  # the recording has no more to give
        (clip,) = self.press(page, name, "g").clips()
        assert clip.fade_out is not None
        assert clip.fade_out.samples == bar
        (clip,) = self.press(page, name, "g").clips()
        assert clip.fade_out is None
        assert len(list(self.press(page, name, "d").clips())) == 2
        project = self.press(page, name, "ArrowDown")
        assert [len(track.clips) for track in project.tracks] == [1, 1]
        assert len(list(self.press(page, name, "Delete").clips())) == 1

    def test_an_early_clip_stops_at_the_beginning_and_above_is_nothing(self, page: Page, name: str) -> None:
        self.place(page, name)
        assert [one.start for one in self.press(page, name, "ArrowLeft").clips()] == [0]
        with pytest.raises(TimelineError, match="above"):
            self.press(page, name, "ArrowUp")

    @pytest.mark.parametrize(
        "told",
        [None, "x", {}, {"clip": "c1"}, {"clip": "c9", "key": "d"}, {"clip": "c1", "key": "drag"},
         {"clip": "c1", "key": "drag", "by": float("nan")}, {"clip": "c1", "key": "drag", "by": 1, "track": "t9"},
         {"clip": "c1", "key": "format"}],
    )  # fmt: skip
    def test_whatever_a_browser_tells_changes_nothing_unless_it_is_an_edit(
        self, page: Page, name: str, told: Any
    ) -> None:
        self.place(page, name)
        before = self.seen(page, name)
        with suppress(TimelineError):
            desk.pressed(page, name, before, 8.0, told)
        assert self.seen(page, name) == before

    @given(by=st.floats(-1e9, 1e9))
    def test_a_drag_ends_on_a_beat_and_never_before_the_beginning(self, by: float) -> None:
        from angen.timeline import Source, edits

        source = Source(sha256="0" * 64, path="a.wav", rate_hz=44_100, channels=1, samples=44_100)
        project = clip_edits.place_clip(
            edits.add_track(Project(name="x"), "a"), "t1", source, 88_200, name="a"
        )
        (clip,) = arrange.dragged(project, "c1", by, None).clips()
        assert clip.start >= 0
        assert clip.start % 22_050 == 0

    def test_undo_and_redo_go_through_every_state(self, page: Page, name: str) -> None:
        states = [self.project(page, name), self.place(page, name), self.press(page, name, "d")]
        assert self.press(page, name, "undo") == states[1]
        assert self.press(page, name, "undo") == states[0]
        assert self.press(page, name, "redo", clip="") == states[1]

    def test_two_windows_do_not_write_over_one_another(self, page: Page, name: str) -> None:
        self.place(page, name)
        seen = self.seen(page, name)
        self.press(page, name, "ArrowRight")  # the other window
        there = self.seen(page, name)
        edits = (
            lambda: desk.pressed(page, name, seen, 8.0, {"clip": "c1", "key": "d"}),
            lambda: desk.pressed(page, name, seen, 8.0, {"clip": "c1", "key": "undo"}),
            lambda: desk.pressed(page, name, seen, 8.0, {"clip": "c1", "key": "drag", "by": 1.0}),
            lambda: arrange.change(page.settings, name, seen, desk.moved("c1", "9", None), "move"),
        )
        for edit in edits:
            with pytest.raises(ConflictError, match="changed meanwhile"):
                edit()
        assert self.seen(page, name) == there

    def test_a_change_elsewhere_is_noticed_and_none_is_silent(self, page: Page, name: str) -> None:
        self.place(page, name)
        seen = self.seen(page, name)
        assert desk.noticed(page, name, seen, "c1", 8.0) == []
        self.press(page, name, "ArrowRight")
        updates = dict(zip(desk.FIELDS, desk.noticed(page, name, seen, "c1", 8.0), strict=True))
        assert updates["seen"] == self.seen(page, name)
        assert updates["chosen"] == "c1"

    def test_the_buttons_edit(self, page: Page, name: str) -> None:
        self.place(page, name)

        def do(edit: Any) -> Project:
            return arrange.change(page.settings, name, self.seen(page, name), edit, "x").project

        assert [one.start for one in do(desk.moved("c1", "1.5", None)).clips()] == [66_150]
        (clip,) = do(desk.trimmed("c1", "2", "3.5")).clips()
        assert (clip.start, clip.offset, clip.length) == (88_200, 22_050, 66_150)
        (clip,) = do(desk.shaped("c1", 0.5, 0.25, -6)).clips()
        assert clip.fade_in is not None
        assert clip.fade_out is not None
        assert (clip.fade_in.samples, clip.fade_out.samples, clip.gain_db) == (22_050, 11_025, -6)
        assert len(list(do(desk.split("c1", "3")).clips())) == 2
        track = do(desk.track_set("t1", "Lead", -3, 0.5, True, False)).tracks[0]
        assert (track.name, track.gain_db, track.pan, track.muted) == ("Lead", -3, 0.5, True)
        for wrong in (
            lambda: do(desk.shaped("c1", 100, 0, 0)), lambda: do(desk.shaped("c1", -1, 0, 0)),
            lambda: do(desk.shaped("c1", 0, 0, None)), lambda: do(desk.track_set("t1", "", 0, 0, False, False)),
            lambda: do(desk.track_set("t1", "x", 99, 0, False, False)), lambda: do(desk.trimmed("c1", "9", "1")),
        ):  # fmt: skip
            with pytest.raises(AngenError):
                wrong()

    def test_the_drawing_has_a_button_with_a_name_for_each_clip_and_no_word_is_markup(
        self, page: Page, name: str
    ) -> None:
        project = self.place(page, name)
        arrange.change(
            page.settings,
            name,
            self.seen(page, name),
            desk.track_set("t1", "<b>x</b>", 0, 0, False, False),
            "n",
        )
        drawn = arrange.lanes_html(page.settings, open_project(page.settings, name), "c1")
        assert "<b>x" not in drawn
        assert drawn.count("<button") == len(list(project.clips())) == drawn.count('aria-label="calypso')
        assert 'aria-pressed="true"' in drawn
        assert '<path d="M0 ' in drawn
        gone = next(iter(list_pieces(page.settings, ["generated"]))).path
        gone.unlink()
        for kept in (page.settings.cache / "waveforms").iterdir():
            kept.unlink()
        assert "recording not found" in arrange.lanes_html(page.settings, open_project(page.settings, name))

    def test_a_mix_that_was_rendered_can_be_chosen_again(self, page: Page, name: str) -> None:
        self.place(page, name)
        made = render_project(page.settings, name)
        mix = only(page, ["mix"])
        assert mix.path == made.path
        assert mix.seconds == pytest.approx(4.0)


class TestWaveform:
    def test_peaks_are_those_of_the_sound_and_a_changed_file_is_read_again(
        self, page: Page, tmp_path: Path
    ) -> None:
        import numpy as np

        path = tmp_path / "a.wav"
        sound = np.repeat([0.25, 0.5, 1.0], 8000)
        soundfile.write(path, sound, 8000, subtype="FLOAT")
        peaks = peaks_of(page.settings, path)
        assert len(peaks) == 3 * PEAKS_A_SECOND
        assert [float(peaks[i * PEAKS_A_SECOND + 5]) for i in range(3)] == [0.25, 0.5, 1.0]
        soundfile.write(path, sound[:8000], 8000, subtype="FLOAT")
        assert len(peaks_of(page.settings, path)) == PEAKS_A_SECOND
        assert svg_path(peaks, 5.0, 6.0) == ""

    def test_what_is_no_sound_has_none(self, page: Page, tmp_path: Path) -> None:
        (tmp_path / "x.wav").write_bytes(b"no")
        assert peaks_of(page.settings, tmp_path / "x.wav").size == 0
        assert peaks_of(page.settings, tmp_path / "gone.wav").size == 0


class TestBringing:
    def upload(self, tmp_path: Path, path: Path) -> str:
        place = tmp_path / "gradio" / "hash" / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
        return str(place)

    def test_an_upload_is_checked_copied_and_chosen(self, page: Page, put: Any, tmp_path: Path) -> None:
        sent = self.upload(tmp_path, put("day/a.wav"))
        choice = cast("MusicChoice", SimpleNamespace(page=page, many=False, kinds=()))
        choice._choices = lambda: MusicChoice._choices(choice)  # type: ignore[method-assign]
        told = MusicChoice.take(choice, sent, None)
        piece = find_piece(page.settings, told.outputs[0]["value"])
        assert (piece.kind, piece.path.parent.name) == ("recording", UPLOADS)
        assert [name for _, name in told.outputs[0]["choices"]].count(piece.id) == 1

    def test_what_is_no_sound_or_was_not_uploaded_is_refused(
        self, page: Page, put: Any, tmp_path: Path
    ) -> None:
        bad = tmp_path / "notes.wav"
        bad.write_text("not a sound")
        here = put("day/a.wav")
        for path in (self.upload(tmp_path, bad), str(here), "/etc/passwd", None):
            with pytest.raises(AngenError):
                bring_recording(page, path)
        assert list_pieces(page.settings, ["recording"]) == []


def test_players_serve_copies_and_escape_names(page: Page, put: Any) -> None:
    one = put("day/a.wav")
    shown = ab_html(page, one, one, ('<b>"x', "After"), "<i>")
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert str(page.settings.outputs) not in shown
    assert "<b>" not in report_table("<b>", ("<b>",), [("<b>", "<b>")])


@given(st.floats(-1e6, 1e6).map(lambda number: round(number, 3)))
def test_a_number_that_was_typed_is_that_number(number: float) -> None:
    assert optional_number("x", f" {number} ") == number
    assert optional_number("x", number) == number


@pytest.mark.parametrize("text", ["x", "nan", "inf", "1e999", "1 2", "__"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(GenerationError):
        optional_number("x", text)
    with pytest.raises(GenerationError):
        whole_number("x", 1.5)
