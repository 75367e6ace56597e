from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.errors import LyricsError
from angen.lyrics import (
    FORMS,
    Brief,
    Lyrics,
    Section,
    continue_draft,
    count_syllables,
    form_named,
    read_lyrics,
    rewrite_draft,
    singing_time,
    structure_draft,
    write_draft,
    write_lyrics,
)
from angen.lyrics.composer import metre_deviation
from angen.lyrics.draft import scheme_of
from angen.lyrics.wordlist import word_list

# Rhymes as an ear hears them, written down apart from the word list: in a row all rhyme, between rows none do.
BY_EAR = """
night light bright white right tonight fight | day away today stay pray | sky high fly cry | sea
free tree me | you true blue | door shore floor before | star far car | sun run won | moon soon tune
| rain pain train lane | name flame shame blame | heart apart | mind blind behind | side wide hide
inside | soul whole stole | alone stone | home roam foam | song long strong | sing ring spring |
hand sand land stand | deep sleep weep | street sweet meet | fall wall call | ground sound found
around | town down crown | love above dove | air there chair bare | near fear year here | wake break
lake | cold old gold told | bell fell spell | hill still | made stayed fade afraid | lost cost frost
| dust trust | rest west chest | dream stream | dawn gone | last fast vast | brave wave gave | alive
survive | begin skin win | time climb | back black | road load | good stood wood | burn learn turn |
heard word bird | smile mile | forever never | together weather | city pretty
""".replace("\n", " ")
GROUPS = [group.split() for group in BY_EAR.split("|") if group.split()]


def _last(line: str) -> str:
    return re.findall(r"[^\W\d_]+", line.casefold())[-1]


class TestRhymes:
    def test_words_that_rhyme_to_the_ear_rhyme_in_the_list(self) -> None:
        words = word_list("en")
        for group in GROUPS:
            assert len({words.sounds_of(word) for word in group}) == 1, group
            assert words.sounds_of(group[0]) is not None

    def test_words_that_do_not_rhyme_to_the_ear_do_not_in_the_list(self) -> None:
        words = word_list("en")
        sounds = [words.sounds_of(group[0]) for group in GROUPS]
        assert len(set(sounds)) == len(sounds)

    def test_spelling_does_not_deceive(self) -> None:
        words = word_list("en")
        pairs = "love move, home some, heard beard, word lord, good blood, love alone, dawn down, here there"
        for one, other in (pair.split() for pair in pairs.split(", ")):
            assert words.sounds_of(one) != words.sounds_of(other) or words.sounds_of(one) is None

    @pytest.mark.parametrize("language", ["en", "es"])
    @pytest.mark.parametrize("form", FORMS)
    def test_lines_of_one_letter_rhyme_and_are_not_the_same_word(self, form: str, language: str) -> None:
        words = word_list(language)
        for seed in range(3):
            draft = write_draft(Brief(form=form, language=language, seed=seed)).lyrics
            for section, part in zip(draft.sections, form_named(form).parts, strict=True):
                by_letter: dict[str, set[str]] = {}
                for letter, line in zip(part.scheme, section.lines, strict=True):
                    if letter != "x":
                        by_letter.setdefault(letter.lower(), set()).add(line)
                for lines in by_letter.values():
                    ends = [_last(line) for line in lines]
                    assert len({words.sounds_of(end) for end in ends}) == 1, lines
                    assert len(set(ends)) == len(ends), lines


class TestWrite:
    @given(
        st.sampled_from(sorted(FORMS)),
        st.sampled_from(["love", "the sea", "dark matter", "", "city night", "\x1b[31m<b>"]),
        st.sampled_from(["happy", "sad", "calm", "", "angry"]),
        st.sampled_from(["en", "es"]),
        st.integers(0, 2**40),
    )
    @settings(max_examples=25)
    def test_a_draft_reads_back_and_repeats_only_what_a_form_repeats(
        self, form: str, theme: str, mood: str, language: str, seed: int
    ) -> None:
        brief = Brief(theme, mood, language, form, seed=seed)
        draft = write_draft(brief)
        assert draft == write_draft(brief)
        assert draft.source == "draft writer"
        read = read_lyrics(write_lyrics(draft.lyrics))
        assert (read.lyrics, read.problems) == (draft.lyrics, ())
        verses = [line for part in draft.lyrics.sections if part.tag == "verse" for line in set(part.lines)]
        named = {part.name for part in form_named(form).parts if part.tag == "verse"}
        if named == {""}:
            assert len(verses) == len(set(verses))
        choruses = {part.lines for part in draft.lyrics.sections if part.tag in ("chorus", "hook")}
        assert len(choruses) <= 1

    def test_another_seed_gives_other_words(self) -> None:
        drafts = {write_draft(Brief(theme="love", form="short", seed=seed)).lyrics for seed in range(30)}
        assert len(drafts) == 30

    def test_the_theme_and_the_mood_are_heard(self) -> None:
        sea = " ".join(write_draft(Brief(theme="the sea", seed=1)).lyrics.lines).lower()
        assert re.search(r"ocean|water|tide|salt|sail|harbour|anchor|lighthouse", sea)
        bright = " ".join(
            " ".join(write_draft(Brief("love", "happy", seed=s)).lyrics.lines) for s in range(20)
        )
        assert not re.search(r"\b(pain|shame|despair|died|grave)\b", bright)
        dark = " ".join(" ".join(write_draft(Brief("love", "sad", seed=s)).lyrics.lines) for s in range(20))
        assert not re.search(r"\b(joy|bliss|divine)\b", dark)

    def test_what_it_does_not_know_it_says(self) -> None:
        notes = " ".join(write_draft(Brief(theme="tax law", mood="zorbish")).notes)
        assert "'tax law'" in notes
        assert "'zorbish'" in notes
        assert "draft" in notes.lower()
        assert "does not know" not in " ".join(write_draft(Brief(theme="the sea", mood="sad")).notes)

    def test_articles_fit_their_words(self) -> None:
        text = "\n".join(line for s in range(30) for line in write_draft(Brief("home", seed=s)).lyrics.lines)
        assert not re.search(r"\b[Aa] [aeiou]", text)
        assert not re.search(r"\b[Aa]n [^aeiouAEIOU]", text)
        assert "{" not in text + "\n".join(write_draft(Brief("amor", language="es")).lyrics.lines)
        spanish = "\n".join(
            line for s in range(30) for line in write_draft(Brief(language="es", seed=s)).lyrics.lines
        )
        assert not re.search(r"\b(?:de|a) el\b", spanish)

    def test_lines_have_the_length_and_the_beat_that_is_asked_for(self) -> None:
        words, off, beat = word_list("en"), [], []
        for form in ("verse-chorus", "blues", "edm"):
            for seed in range(6):
                draft = write_draft(Brief("road", "sad", form=form, seed=seed)).lyrics
                for section, part in zip(draft.sections, form_named(form).parts, strict=True):
                    for number, line in enumerate(section.lines):
                        target = part.syllables[number % len(part.syllables)]
                        off.append(abs(count_syllables(line).count - target))
                        beat.append(metre_deviation(line, words))
        assert sum(off) / len(off) < 0.5
        assert max(off) <= 3
        assert sum(beat) / len(beat) < 0.06

    @pytest.mark.parametrize("form", ["verse-chorus", "ballad", "hip-hop", "edm", "rock", "strophic"])
    @pytest.mark.parametrize("seconds", [60, 120, 210, 300])
    def test_a_draft_fits_its_length(self, form: str, seconds: float) -> None:
        draft = write_draft(Brief(form=form, seconds=seconds))
        song = form_named(form)
        time = singing_time(draft.lyrics, tempo_bpm=song.tempo_bpm, seconds=seconds, rate=song.rate)
        if not any("cannot be made shorter" in note for note in draft.notes):
            assert time.shortest_s <= seconds
            assert time.usual_s <= seconds * 1.15
        if seconds <= 210:
            assert time.usual_s >= 0.45 * seconds

    def test_a_form_is_shortened_and_lengthened_by_whole_sections(self) -> None:
        whole = len(form_named("verse-chorus").parts)
        short = write_draft(Brief(seconds=60))
        assert 2 <= len(short.lyrics.sections) < whole
        assert not any("cannot be made shorter" in note for note in short.notes)
        assert len(write_draft(Brief(seconds=240)).lyrics.sections) > whole
        assert len(write_draft(Brief()).lyrics.sections) == whole

    def test_other_languages_are_for_a_model(self) -> None:
        with pytest.raises(LyricsError, match="'de'") as caught:
            write_draft(Brief(language="de"))
        assert "--url" in caught.value.remedy

    @pytest.mark.parametrize(
        "values",
        [
            {"seconds": 1},
            {"tempo_bpm": 1},
            {"seed": -1},
            {"language": "xx"},
            {"form": "polka"},
            {"theme": "a" * 501},
        ],
    )
    def test_a_brief_checks_its_values(self, values: dict[str, object]) -> None:
        with pytest.raises(LyricsError):
            Brief(**values)  # type: ignore[arg-type]


MINE = read_lyrics(
    "[verse]\nI walk along the river in the night\nThe stars are far away\nAnd nothing here is bright\n"
    "I wait another day\n[chorus]\nCarry me home\nOver the sea\n"
    "[verse]\nI never knew the meaning of the rain\nHold on\n"
).lyrics


class TestContinue:
    def test_what_there_is_stays_and_the_last_verse_is_finished(self) -> None:
        done = continue_draft(MINE, Brief("road", seed=3), sections=3).lyrics
        assert done.sections[:2] == MINE.sections[:2]
        assert done.sections[2].lines[:2] == MINE.sections[2].lines
        assert [section.tag for section in done.sections] == [
            "verse",
            "chorus",
            "verse",
            "chorus",
            "bridge",
            "chorus",
        ]
        assert len(done.sections[2].lines) == 4
        assert done.sections[3] == done.sections[5] == MINE.sections[1]

    def test_the_finished_verse_rhymes_with_its_first_lines(self) -> None:
        for seed in range(5):
            done = continue_draft(MINE, Brief("road", seed=seed)).lyrics
            assert word_list("en").sounds_of(_last(done.sections[2].lines[2])) == "EY N"

    def test_no_line_comes_twice(self) -> None:
        start = write_draft(Brief("love", form="short", seed=1)).lyrics
        done = continue_draft(start, Brief("love", seed=1), sections=6).lyrics
        verses = [line for part in done.sections if part.tag in ("verse", "bridge") for line in part.lines]
        assert len(verses) == len(set(verses))

    def test_nothing_cannot_be_continued(self) -> None:
        with pytest.raises(LyricsError, match="nothing to continue"):
            continue_draft(Lyrics(), Brief())
        with pytest.raises(LyricsError, match="expected 1 to 20"):
            continue_draft(MINE, Brief(), sections=0)


class TestRewrite:
    def test_only_the_chosen_sections_change_and_keep_their_shape(self) -> None:
        done = rewrite_draft(MINE, Brief("sea", seed=2), sections=[1]).lyrics
        assert done.sections[1:] == MINE.sections[1:]
        new, old = done.sections[0].lines, MINE.sections[0].lines
        assert not set(new) & set(old)
        assert scheme_of(new, "en") == scheme_of(old, "en") == "abab"
        for line, before in zip(new, old, strict=True):
            assert abs(count_syllables(line).count - count_syllables(before).count) <= 2

    def test_a_chorus_is_rewritten_once_for_all_its_returns(self) -> None:
        chorus = MINE.sections[1]
        done = rewrite_draft(MINE.with_sections([chorus]), Brief(seed=5)).lyrics
        assert done.sections[1] == done.sections[3] != chorus

    def test_a_section_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(LyricsError, match="no section 9; the lyrics have 3"):
            rewrite_draft(MINE, Brief(), sections=[1, 9])

    @given(st.integers(0, 10**6), st.sampled_from(["en", "es"]))
    @settings(max_examples=10)
    def test_any_draft_can_be_rewritten(self, seed: int, language: str) -> None:
        first = write_draft(Brief("mar", form="short", language=language, seed=seed)).lyrics
        again = rewrite_draft(first, Brief("amor", language=language, seed=seed + 1)).lyrics
        assert [len(part.lines) for part in again.sections] == [len(part.lines) for part in first.sections]
        assert not set(again.lines) & set(first.lines)


class TestStructure:
    @given(st.sampled_from(sorted(FORMS)), st.integers(0, 1000))
    @settings(max_examples=20)
    def test_no_word_is_changed_and_a_returning_chorus_is_found(self, form: str, seed: int) -> None:
        sections = [part for part in write_draft(Brief(form=form, seed=seed)).lyrics.sections if part.lines]
        text = "\n\n".join("\n".join(part.lines) for part in sections)
        made = structure_draft(text).lyrics
        assert [line for part in sections for line in part.lines] == list(made.lines)
        returning = {part.lines for part in sections if sections.count(part) > 1}
        assert {part.lines for part in made.sections if part.tag == "chorus"} >= returning

    def test_a_bridge_stands_late_between_two_choruses(self) -> None:
        text = "a b\nc d\n\nsing\nit\n\ne f\ng h\n\nsing\nit\n\nodd\none\n\nsing\nit\n"
        tags = [part.tag for part in structure_draft(text).lyrics.sections]
        assert tags == ["verse", "chorus", "verse", "chorus", "bridge", "chorus"]

    def test_a_text_without_stanzas_is_cut(self) -> None:
        made = structure_draft("\n".join("abcdefghi"))
        assert [len(part.lines) for part in made.lyrics.sections] == [4, 5]

    def test_tags_that_are_there_stay(self) -> None:
        made = structure_draft("[Bridge]\nla\n\nlo\n[Verse 2]\nla\n")
        assert made.lyrics.sections == (Section("bridge", ("la", "lo")), Section("verse", ("la",)))

    def test_a_form_sets_its_tags_and_its_intro(self) -> None:
        made = structure_draft("one\n\ntwo\n\nthree\n\nfour\n", form="verse-chorus").lyrics
        assert [part.tag for part in made.sections] == [
            "intro",
            "verse",
            "chorus",
            "verse",
            "chorus",
            "outro",
        ]
