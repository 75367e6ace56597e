from __future__ import annotations

import json
from pathlib import Path

import pytest

from angen.errors import LyricsError, SettingsError
from angen.lyrics import Brief, read_lrc, read_lyrics
from angen.workflows.lyrics import Writer, check_lyrics, endpoint_from, read_lyrics_file, save_lyrics

HERE = "http://127.0.0.1:11434/v1"


class TestWhichModel:
    def test_none_is_asked_where_none_is_set(self) -> None:
        assert endpoint_from(environment={}) is None
        assert endpoint_from(environment={"ANGEN_LLM_URL": "  ", "ANGEN_LLM_KEY": "k"}) is None

    def test_the_environment_names_it(self) -> None:
        variables = {
            "ANGEN_LLM_URL": HERE,
            "ANGEN_LLM_MODEL": "small",
            "ANGEN_LLM_KEY": " secret ",
            "ANGEN_LLM_TIMEOUT": "7",
        }
        endpoint = endpoint_from(environment=variables)
        assert endpoint is not None
        assert (endpoint.address, endpoint.model, endpoint.key, endpoint.timeout_s) == (
            HERE,
            "small",
            "secret",
            7,
        )
        assert "secret" not in repr(endpoint)

    def test_an_argument_goes_before_it(self) -> None:
        endpoint = endpoint_from(
            "http://other/v1", "big", {"ANGEN_LLM_URL": HERE, "ANGEN_LLM_MODEL": "small"}
        )
        assert endpoint is not None
        assert (endpoint.address, endpoint.model) == ("http://other/v1", "big")

    def test_the_key_goes_only_where_it_belongs(self) -> None:
        variables = {"ANGEN_LLM_URL": "https://good.example/v1", "ANGEN_LLM_KEY": "secret"}
        for url, key in [
            ("https://good.example/v2", "secret"),
            ("https://evil.example/v1", None),
            ("http://good.example/v1", None),
            ("https://good.example:8443/v1", None),
        ]:
            endpoint = endpoint_from(url, None, variables)
            assert endpoint is not None
            assert endpoint.key == key, url
        alone = endpoint_from("http://a/v1", None, {"ANGEN_LLM_KEY": "secret"})
        assert alone is not None
        assert alone.key == "secret"

    @pytest.mark.parametrize(
        "variables",
        [
            {"ANGEN_LLM_URL": "nonsense"},
            {"ANGEN_LLM_URL": HERE, "ANGEN_LLM_TIMEOUT": "soon"},
            {"ANGEN_LLM_URL": HERE, "ANGEN_LLM_TIMEOUT": "nan"},
            {"ANGEN_LLM_URL": HERE, "ANGEN_LLM_TIMEOUT": "-1"},
            {"ANGEN_LLM_URL": HERE, "ANGEN_LLM_KEY": "é"},
        ],
    )
    def test_variables_that_cannot_be_used_are_said(self, variables: dict[str, str]) -> None:
        with pytest.raises(SettingsError):
            endpoint_from(environment=variables)


class TestResults:
    def test_a_draft_is_labelled_timed_and_json(self) -> None:
        result = Writer().write(Brief("the sea", "sad", seconds=90))
        record = json.loads(json.dumps(result.as_dict(), allow_nan=False))
        assert (record["source"], record["is_draft"], record["is_partial"]) == ("draft writer", True, False)
        assert record["time"]["usual_s"] == pytest.approx(
            sum(p["usual_s"] for p in record["time"]["sections"]), abs=0.01
        )
        assert read_lyrics(record["text"]).lyrics == result.written.lyrics
        assert record["brief"]["theme"] == "the sea"

    def test_what_cannot_fit_is_warned_of(self) -> None:
        result = Writer().write(Brief(form="hip-hop", seconds=10))
        assert any("shorten it" in warning for warning in result.time.warnings)

    def test_four_verbs_end_to_end(self) -> None:
        brief = Brief("love", seed=4, form="short")
        first = Writer().write(brief).written.lyrics
        longer = Writer().continue_(first, brief, sections=2).written.lyrics
        assert longer.sections[: len(first.sections)] == first.sections
        other = Writer().rewrite(longer, Brief("road", seed=5), sections=[1]).written.lyrics
        assert other.sections[1:] == longer.sections[1:]
        tagged = Writer().structure("\n".join(other.lines), brief).written.lyrics
        assert tagged.lines == other.lines

    @pytest.mark.parametrize("name", ["song.txt", "song", "new/song.lrc", "song.JSON"])
    def test_files_by_their_ending(self, tmp_path: Path, name: str) -> None:
        result = Writer().write(Brief("home", seed=1, form="short", tempo_bpm=100))
        save_lyrics(result, tmp_path / name)
        text = (tmp_path / name).read_text(encoding="utf-8")
        if name.endswith("lrc"):
            assert [line.text for line in read_lrc(text)] == list(result.written.lyrics.lines)
        elif name.endswith("JSON"):
            assert json.loads(text) == json.loads(json.dumps(result.as_dict()))
        else:
            assert text == result.text


class TestCheck:
    def test_problems_and_seconds(self) -> None:
        checked = check_lyrics("[Verse 1]\nHello my love\n123\n", tempo_bpm=100, seconds=2)
        assert [problem.line for problem in checked.read.problems] == [3]
        assert checked.time.syllables == 4
        assert checked.time.warnings
        assert checked.language == "en"
        json.dumps(checked.as_dict(), allow_nan=False)

    def test_rap_is_sung_faster(self) -> None:
        text = "[verse]\nHello my love and all the people here\n"
        assert check_lyrics(text, form="hip-hop").time.usual_s < check_lyrics(text).time.usual_s


class TestFiles:
    @pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    def test_text_as_programs_save_it(self, tmp_path: Path, coding: str) -> None:
        (tmp_path / "song.txt").write_bytes("[verse]\r\nMañana, été\r\n".encode(coding))
        assert read_lyrics(read_lyrics_file(tmp_path / "song.txt")).lyrics.lines == ("Mañana, été",)

    @pytest.mark.parametrize("content", [b"RIFF\0\0\0\0WAVE", b"a" * 1_000_001])
    def test_what_is_no_text_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "song.txt").write_bytes(content)
        with pytest.raises(LyricsError, match=r"song\.txt"):
            read_lyrics_file(tmp_path / "song.txt")

    def test_what_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(LyricsError, match="No such file"):
            read_lyrics_file(tmp_path / "none")
        with pytest.raises(LyricsError, match="cannot be read"):
            read_lyrics_file(tmp_path)
