from __future__ import annotations

import pytest

from angen.errors import LyricsError
from angen.lyrics import (
    Brief,
    Endpoint,
    Lyrics,
    Section,
    continue_with_model,
    read_lyrics,
    rewrite_with_model,
    structure_with_model,
    write_lyrics,
    write_with_model,
)
from angen.lyrics.endpoint import EndpointReplyError

SUNG = Lyrics(
    (
        Section("verse", ("The river runs", "And I run too")),
        Section("chorus", ("Carry me home", "Over the sea", "Over the sea")),
    )
)


def _endpoint(server, behaviour: str = "good") -> Endpoint:  # type: ignore[no-untyped-def]
    return Endpoint(server.url(behaviour), "tiny", timeout_s=5)


def test_a_wild_answer_becomes_clean_lyrics(model_server) -> None:  # type: ignore[no-untyped-def]
    written = write_with_model(_endpoint(model_server), Brief("the river", "calm", tempo_bpm=90, seconds=60))
    assert written.lyrics == SUNG
    assert (written.source, written.is_partial, written.problems) == ("model tiny", False, ())


def test_the_model_is_told_what_is_wanted(model_server) -> None:  # type: ignore[no-untyped-def]
    brief = Brief("the river", "calm", "es", "blues", 60, 90)
    write_with_model(_endpoint(model_server), brief)
    said = "\n".join(message["content"] for message in model_server.requests[0][2]["messages"])
    for fact in ("the river", "calm", "Spanish", "blues", "60 seconds", "90 BPM", "[verse]", "[solo]"):
        assert fact in said


def test_what_cannot_be_sung_is_reported(model_server) -> None:  # type: ignore[no-untyped-def]
    model_server.text = "[verse]\nla la\n12345\n[mysterious part]\nlo lo\n"
    written = write_with_model(_endpoint(model_server), Brief())
    assert written.lyrics.lines == ("la la", "lo lo")
    assert [problem.line for problem in written.problems] == [3, 4]


@pytest.mark.parametrize(
    ("behaviour", "lines"), [("dropped", ("This has arrived",)), ("length", ("One line",))]
)
def test_a_broken_answer_is_kept_up_to_its_last_whole_line(
    model_server, behaviour: str, lines: tuple[str, ...]
) -> None:  # type: ignore[no-untyped-def]
    written = write_with_model(_endpoint(model_server, behaviour), Brief())
    assert written.is_partial
    assert written.lyrics.lines == lines
    assert "not whole" in written.notes[0]


@pytest.mark.parametrize("text", ["", "123\n!!!", "<script>x</script>", "<think>only thoughts"])
def test_an_answer_without_words_is_an_error(model_server, text: str) -> None:  # type: ignore[no-untyped-def]
    model_server.text = text
    with pytest.raises(EndpointReplyError, match="no line that can be sung"):
        write_with_model(_endpoint(model_server), Brief())


class TestContinue:
    def test_what_there_is_stays_and_the_new_follows(self, model_server) -> None:  # type: ignore[no-untyped-def]
        start = read_lyrics("[verse]\nMy own words\n").lyrics
        written = continue_with_model(_endpoint(model_server), start, Brief(), sections=2)
        assert written.lyrics == Lyrics((*start.sections, *SUNG.sections))

    def test_a_model_that_says_all_again_adds_only_the_rest(self, model_server) -> None:  # type: ignore[no-untyped-def]
        start = read_lyrics("[verse]\nMy own words are here\n").lyrics
        model_server.text = write_lyrics(start.with_sections(SUNG.sections))
        assert continue_with_model(_endpoint(model_server), start, Brief()).lyrics == Lyrics(
            (*start.sections, *SUNG.sections)
        )
        model_server.text = write_lyrics(start)
        with pytest.raises(EndpointReplyError, match="added nothing"):
            continue_with_model(_endpoint(model_server), start, Brief())

    def test_nothing_cannot_be_continued(self, model_server) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(LyricsError, match="nothing to continue"):
            continue_with_model(_endpoint(model_server), Lyrics(), Brief())
        assert model_server.requests == []


class TestRewrite:
    MINE = read_lyrics("[verse]\nmine one\n[chorus]\nmine two\n[verse]\nmine three\n").lyrics

    def test_only_the_chosen_sections_change_and_keep_their_tags(self, model_server) -> None:  # type: ignore[no-untyped-def]
        model_server.text = "[chorus]\nnew words\n[verse]\nand more\n"
        written = rewrite_with_model(_endpoint(model_server), self.MINE, Brief(), sections=[1, 3])
        assert [part.lines for part in written.lyrics.sections] == [
            ("new words",),
            ("mine two",),
            ("and more",),
        ]
        assert [part.tag for part in written.lyrics.sections] == ["verse", "chorus", "verse"]

    def test_too_few_sections_are_an_error(self, model_server) -> None:  # type: ignore[no-untyped-def]
        model_server.text = "[verse]\nonly one\n"
        with pytest.raises(EndpointReplyError, match="1 sections of 3"):
            rewrite_with_model(_endpoint(model_server), self.MINE, Brief())

    def test_a_section_that_is_not_there_is_refused_before_asking(self, model_server) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(LyricsError, match="no section 7"):
            rewrite_with_model(_endpoint(model_server), self.MINE, Brief(), sections=[7])
        assert model_server.requests == []


class TestStructure:
    TEXT = "Hello, world\nI am here\n\nSing it loud\nSing it long\n"

    def test_the_tags_are_the_models_and_the_words_ours(self, model_server) -> None:  # type: ignore[no-untyped-def]
        model_server.text = "[Verse 1]\nHello world!\ni am here\n[Chorus]\nSing it loud,\nSing it long\n"
        written = structure_with_model(_endpoint(model_server), self.TEXT)
        assert written.lyrics.sections == (
            Section("verse", ("Hello, world", "I am here")),
            Section("chorus", ("Sing it loud", "Sing it long")),
        )
        assert written.source == "model tiny"

    def test_a_model_that_changes_a_word_is_not_followed(self, model_server) -> None:  # type: ignore[no-untyped-def]
        model_server.text = "[verse]\nHello world\nI was here\n[chorus]\nSing it loud\nSing it long\n"
        written = structure_with_model(_endpoint(model_server), self.TEXT)
        assert written.lyrics.lines == ("Hello, world", "I am here", "Sing it loud", "Sing it long")
        assert written.source == "draft writer"
        assert "changed words" in written.notes[0]
