from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.errors import LyricsError
from angen.lyrics import TAGS, Lyrics, Section, read_lyrics, write_lyrics

FRAGMENTS = [
    "[",
    "]",
    "(",
    ")",
    "x2",
    "(x2)",
    "2x",
    "[Verse",
    "1]",
    "Chorus:",
    "chorus",
    "[chorus]",
    "[00:12.1]",
    "<00:12.10>",
    "*",
    "#",
    "_",
    "1",
    "Stop",
    "[end]",
    "[start]",
    ":",
    "é",
    "你",
    "Привет",
    "A",
    "Am",
    "{",
    "}",
    "\u200d",
    "\x1b[0m",
    "２x",
    "repeat",
    "verse",
    "-",
    "[Chorus",
    "x3]",
    "[ar:me]",
    "hello",
    "la",
    "\n",
    "\r\n",
    "\r",
    " ",
    "\u2028",
    "\ufeff",
    "\x00",
]
messy = st.one_of(st.lists(st.sampled_from(FRAGMENTS), max_size=16).map("".join), st.text(max_size=40))


def _sections(text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(section.tag, section.lines) for section in read_lyrics(text).lyrics.sections]


class TestLaws:
    @given(messy)
    @settings(max_examples=500)
    def test_what_is_written_is_read_back_the_same(self, text: str) -> None:
        lyrics = read_lyrics(text).lyrics
        again = read_lyrics(write_lyrics(lyrics))
        assert again.lyrics == lyrics
        assert write_lyrics(again.lyrics) == write_lyrics(lyrics)

    @given(messy)
    @settings(max_examples=300)
    def test_the_canonical_text_is_what_a_model_takes(self, text: str) -> None:
        lines = write_lyrics(read_lyrics(text).lyrics).split("\n")
        assert (lines[0], lines[-2], lines[-1]) == ("[start]", "[end]", "")
        for line in lines[:-1]:
            assert line == line.strip() != ""
            assert ("[" not in line) or line[1:-1] in TAGS
            categories = {unicodedata.category(char) for char in line if char not in "\u200c\u200d"}
            assert not categories & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}

    @given(messy)
    @settings(max_examples=300)
    def test_problems_name_lines_that_are_there(self, text: str) -> None:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for problem in read_lyrics(text).problems:
            assert lines[problem.line - 1].strip()[:120] == problem.text

    @given(st.lists(st.sampled_from(["verse", "chorus", "inst"]), max_size=5))
    def test_line_ends_do_not_matter(self, tags: list[str]) -> None:
        text = "".join(f"[{tag}]\nla la\n" for tag in tags)
        assert read_lyrics(text.replace("\n", "\r\n")).lyrics == read_lyrics(text).lyrics
        assert read_lyrics(text.replace("\n", "\r")).lyrics == read_lyrics(text).lyrics


@pytest.mark.parametrize(
    ("heading", "tag"),
    [
        ("[verse]", "verse"),
        ("[Verse 1]", "verse"),
        ("[VERSE] ", "verse"),
        ("  [verse]\t", "verse"),
        ("[Verse 2: Anna & Tom]", "verse"),
        ("[Verse II]", "verse"),
        ("**[Verse]**", "verse"),
        ("## Verse 1", "verse"),
        ("Verse 3", "verse"),
        ("[Pre-Chorus]", "verse"),
        ("[Chorus]", "chorus"),
        ("Chorus:", "chorus"),
        ("CHORUS", "chorus"),
        ("(Chorus)", "chorus"),
        ("【副歌】", "chorus"),
        ("[Refrain]", "chorus"),
        ("[Estribillo]", "chorus"),
        ("[Final Chorus]", "chorus"),
        ("[Bridge - whispered]", "bridge"),
        ("{Bridge}", "bridge"),
        ("[Post-Chorus]", "hook"),
        ("[Hook]", "hook"),
        ("[ver\u200bse]", "verse"),
    ],
)
def test_headings_as_people_write_them(heading: str, tag: str) -> None:
    assert _sections(f"{heading}\nla la\n") == [(tag, ("la la",))]


@pytest.mark.parametrize(
    ("heading", "tag"),
    [("[Intro]", "intro"), ("[Guitar Solo]", "solo"), ("[Instrumental Break]", "inst"), ("(guitar solo)", "solo"),
     ("[Interlude]", "inst"), ("[Drop]", "inst"), ("[Fade Out]", "outro"), ("[Stop]", "stop"), ("[Pause]", "space"),
     ("[Short Instrumental Intro]", "intro"), ("[Breakdown]", "break")],
)  # fmt: skip
def test_parts_without_words(heading: str, tag: str) -> None:
    assert _sections(f"[verse]\nla\n{heading}\n") == [("verse", ("la",)), (tag, ())]


@pytest.mark.parametrize(
    "line", ["Stop", "Break", "Hook", "End", "Space", "Stop: in the name of love", "Time: it flies"]
)
def test_words_that_are_also_names_are_sung_when_they_stand_bare(line: str) -> None:
    assert _sections(f"[verse]\n{line}\n") == [("verse", (line,))]


class TestSpecialSigns:
    def test_words_on_the_line_of_a_heading_are_sung(self) -> None:
        expected = [("verse", ("Hello there",)), ("chorus", ("Sing it",))]
        assert _sections("[Verse 1] Hello there\nChorus: Sing it") == expected

    def test_repeats_of_a_line_and_of_a_section(self) -> None:
        assert _sections("[verse]\nla (x2)\nlo x3\n") == [("verse", ("la", "la", "lo", "lo", "lo"))]
        assert _sections("[Chorus x2]\nla\n") == [("chorus", ("la",))] * 2
        assert _sections("[chorus]\nla\n(x2)\n") == [("chorus", ("la",))] * 2
        assert _sections("[chorus]\nla (repeat)\n") == [("chorus", ("la", "la"))]

    def test_a_chorus_heading_alone_is_the_chorus_again(self) -> None:
        text = "[verse]\none\n[Chorus]\nsing\n[verse]\ntwo\n[chorus]\n"
        assert _sections(text)[-1] == ("chorus", ("sing",))

    def test_an_empty_verse_is_reported_and_left_out(self) -> None:
        read = read_lyrics("[Verse 1]\n\n[Chorus]\nla")
        assert [section.tag for section in read.lyrics.sections] == ["chorus"]
        assert [(p.line, p.text) for p in read.problems] == [(1, "[Verse 1]")]

    def test_time_stamps_of_lrc_are_not_sung(self) -> None:
        text = "[ti:Song]\n[ar:Me]\n[00:12.34][01:02.1]Hello <00:12.50>world\n[00:20]again"
        assert _sections(text) == [("verse", ("Hello world", "again"))]

    def test_chords_are_not_sung(self) -> None:
        read = read_lyrics("[verse]\nAm  F  C  G\n[Am]Hello [F#m7/B]wor[G]ld\nA B C it is easy\nBm7 E\n")
        assert read.lyrics.lines == ("Hello world", "A B C it is easy")
        assert [problem.line for problem in read.problems] == [2, 5]

    def test_directions_are_reported_and_not_sung(self) -> None:
        read = read_lyrics("[verse]\n[whispered] come [softly] here\n")
        assert " ".join(read.lyrics.lines) == "come here"
        assert [problem.line for problem in read.problems] == [2, 2]

    def test_nothing_is_sung_after_the_end(self) -> None:
        read = read_lyrics("[verse]\nla\n[End]\nThanks for reading\n")
        assert read.lyrics.lines == ("la",)
        assert [(p.line, p.reason) for p in read.problems] == [(4, "after [end]; left out")]

    def test_without_headings_every_stanza_is_a_verse(self) -> None:
        assert _sections("one\ntwo\n\n\nthree\n") == [("verse", ("one", "two")), ("verse", ("three",))]


class TestWhatCannotBeSung:
    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("123", "numbers as words"),
            ("!!!", "no letters"),
            ("♪♪♪", "no letters"),
            ("Привет", "Cyrillic"),
            ("こんにちは", "Hiragana"),
            ("안녕", "Hangul"),
        ],
    )
    def test_is_left_out_with_its_line(self, line: str, reason: str) -> None:
        read = read_lyrics(f"[verse]\nla\n{line}\nlo\n")
        assert read.lyrics.lines == ("la", "lo")
        assert [(problem.line, problem.text) for problem in read.problems] == [(3, line)]
        assert reason in read.problems[0].reason

    def test_a_foreign_word_in_a_line_is_reported_and_the_line_kept(self) -> None:
        read = read_lyrics("[verse]\nI say Привет to you\n")
        assert read.lyrics.lines == ("I say Привет to you",)
        assert "Cyrillic" in read.problems[0].reason

    @pytest.mark.parametrize(
        "line", ["我爱你", "99 red balloons", "Café au lait", "(ooh, ooh)", "¿Dónde estás?"]
    )
    def test_is_not_what_can(self, line: str) -> None:
        read = read_lyrics(f"[verse]\n{line}\n")
        assert (read.lyrics.lines, read.problems) == ((line,), ())

    def test_a_breathless_line_is_reported(self) -> None:
        read = read_lyrics("[verse]\n" + "la " * 90)
        assert "nobody has the breath" in read.problems[0].reason


class TestBounds:
    def test_a_text_too_long_is_refused(self) -> None:
        with pytest.raises(LyricsError, match="200000"):
            read_lyrics("a" * 200_001)

    def test_repeats_cannot_multiply_without_end(self) -> None:
        with pytest.raises(LyricsError, match="more than 2000 lines"):
            read_lyrics("[chorus x99]\n" + "la (x99)\n" * 40)

    def test_many_headings_on_one_line_are_read_in_time(self) -> None:
        assert read_lyrics("[inst]" * 1500).lyrics.sections == (Section("inst"),) * 1500

    def test_brackets_without_end_are_read_in_time(self) -> None:
        assert read_lyrics("[" * 100_000 + "(" * 50_000).lyrics.sections == ()
        assert read_lyrics("x2 " * 600).problems == ()


class TestRecords:
    @pytest.mark.parametrize(
        "line", ["", " la", "la\nla", "[verse]", "la (x2)", "Chorus:", "123", "a [b] c", "**la**"]
    )
    def test_a_section_holds_only_lines_that_read_back(self, line: str) -> None:
        with pytest.raises(LyricsError, match="clean line"):
            Section("verse", (line,))

    @pytest.mark.parametrize("tag", ["Verse", "start", "end", "rap", ""])
    def test_a_section_has_a_tag_the_model_knows(self, tag: str) -> None:
        with pytest.raises(LyricsError, match="no section's tag"):
            Section(tag, ("la",))

    def test_a_verse_has_words(self) -> None:
        with pytest.raises(LyricsError, match="without lines"):
            Section("verse")

    def test_no_lyrics_are_lyrics_too(self) -> None:
        assert write_lyrics(Lyrics()) == "[start]\n[end]\n"
        assert read_lyrics("[start]\n[end]\n").lyrics == Lyrics()
