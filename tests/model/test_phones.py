"""Lyrics to ids: tags, languages, phones, and what is said where a reader is missing."""

from __future__ import annotations

import difflib
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from angen.errors import LyricsError
from angen.lyrics import TAGS, Lyrics, Section
from angen.model.phones import (
    LARGEST_ID,
    STOP_ID,
    TAG_IDS,
    line_phones,
    lyrics_ids,
    phone_table,
    read_ids,
    read_table,
    segments,
)
from angen.model.phones_chinese import numerals
from angen.model.phones_english import number_words, written_out

VECTORS = json.loads((Path(__file__).parent / "data" / "g2p_vectors.json").read_text())
SPOKEN = [case for case in VECTORS if "ids" in case]
READERS = {"en": lambda text: ["h", "_"] * len(text.split()), "zh": lambda text: ["a→"] * len(text.strip())}
has_english = pytest.mark.skipif(
    find_spec("phonemizer") is None or find_spec("espeakng_loader") is None,
    reason="the extra phonemes-gpl is not installed",
)
has_chinese = pytest.mark.skipif(
    find_spec("pypinyin") is None or find_spec("jieba") is None,
    reason="the extra phonemes-zh is not installed",
)


def rates(cases):
    """Share of lines exactly right, and of phones right."""
    table, exact, right, total = phone_table(), 0, 0, 0
    for case in cases:
        ids = [table[phone] for phone in line_phones(case["text"])]
        exact += ids == case["ids"]
        matched = difflib.SequenceMatcher(None, case["ids"], ids, autojunk=False).get_matching_blocks()
        right += sum(block.size for block in matched)
        total += max(len(case["ids"]), len(ids))
    return exact / len(cases), right / total


def of_language(*languages):
    return [c for c in SPOKEN if {language for _, language in segments(c["text"])} == set(languages)]


@has_english
def test_english_lines_are_phoned_as_the_model_learnt_them():
    cases = of_language("en")
    assert len(cases) >= 9
    assert rates(cases) == (1.0, 1.0)


@has_english
@has_chinese
def test_all_lines_are_phoned_nearly_as_the_model_learnt_them():
    exact, phones = rates(SPOKEN)
    assert exact >= 0.9  # 18 of 20: two words that another lexicon reads with another tone
    assert phones >= 0.99


def test_lines_without_letters_are_refused_as_by_the_reference():
    refused = [case["text"] for case in VECTORS if "raises" in case]
    assert refused
    for text in refused:
        with pytest.raises(LyricsError, match="no letters"):
            line_phones(text, READERS)


def test_the_table_has_no_gaps_and_stays_below_the_tags():
    assert sorted(phone_table().values()) == list(range(1, 364))
    assert max(phone_table().values()) < min(TAG_IDS.values())
    assert (STOP_ID, LARGEST_ID) == (511, 512)


def test_every_chinese_syllable_is_made_of_phones_of_the_table():
    syllables = read_table("pinyin_phones.json")
    assert len({name[:-1] for name in syllables}) >= 428
    assert {phone for phones in syllables.values() for phone in phones} <= phone_table().keys()


def test_every_tag_has_its_id_and_a_stop():
    played = [tag for tag in TAGS if tag not in ("start", "end", "verse", "chorus", "bridge", "hook")]
    ids = lyrics_ids(Lyrics(tuple(Section(tag) for tag in played))).ids
    assert ids[::2] == (500, *(TAG_IDS[tag] for tag in played), 501)
    assert set(ids[1::2]) == {STOP_ID}


@pytest.mark.parametrize(
    "text",
    [
        "[Verse 1]\r\nOne two\r\n\r\n[CHORUS] \r\n三四\r\n",
        "[verse]\none two\n[chorus]\n三四\n[end]",
        "[00:01.00]Verse:\none two\n[Chorus]\n[00:07.5]三四",
    ],
)
def test_sheets_however_written_give_the_same_ids(text):
    h, a = phone_table()["h"], phone_table()["a→"]
    assert read_ids(text, READERS).ids == (500, 511, 503, 511, h, 5, h, 511, 504, 511, a, a, 511, 501, 511)


def test_what_cannot_be_sung_is_reported_with_its_line():
    read = read_ids("[verse]\none\n\n123\nПривет\n", READERS)
    assert [problem.line for problem in read.problems] == [4, 5]
    assert read.phones == (("h",),)
    assert "123" not in read.text


def test_no_lyrics_are_an_instrumental():
    assert read_ids("").ids == (500, 511, 506, 511, 501, 511)
    assert read_ids("").text == "[start]\n[inst]\n[end]\n"


def test_the_last_blank_of_an_english_line_is_dropped_and_no_other():
    h, a = phone_table()["h"], phone_table()["a→"]
    ids = [phone_table()[phone] for phone in line_phones("one 二 two", READERS)]
    assert ids == [h, 5, a, h]


def test_a_phone_the_model_does_not_have_is_dropped():
    assert line_phones("one", {"en": lambda _: ["h", "klick", "m"]}) == ["h", "m"]


@pytest.mark.parametrize(
    ("module", "text", "extra"),
    [("phonemizer", "hello", "phonemes-gpl"), ("espeakng_loader", "hello", "phonemes-gpl"),
     ("pypinyin", "你好", "phonemes-zh"), ("jieba", "你好", "phonemes-zh")],
)  # fmt: skip
def test_without_a_reader_the_error_says_what_to_install(monkeypatch, module, text, extra):
    from angen.model import phones_chinese, phones_english

    phones_english._espeak.cache_clear()
    phones_chinese._cutter.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    if extra == "phonemes-zh" and find_spec("pypinyin") is None and module == "jieba":
        pytest.skip("pypinyin is missing before it")
    with pytest.raises(LyricsError, match="not installed") as refused:
        line_phones(text)
    assert f"angen[{extra}]" in refused.value.remedy
    assert ("GPL" in refused.value.remedy) == (extra == "phonemes-gpl")
    assert read_ids("[intro]\n[solo]\n").ids[2] == TAG_IDS["intro"]  # tags need nothing


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "zero"), (13, "thirteen"), (21, "twenty-one"), (100, "one hundred"), (1_000_001, "one million one"),
     (10**15, "one zero zero zero zero zero zero zero zero zero zero zero zero zero zero zero")],
)  # fmt: skip
def test_numbers_in_words(number, words):
    assert number_words(number) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [("1905 and 2004", "nineteen oh five and two thousand four"), ("2024, 1900", "twenty twentyfour,nineteen hundred"),
     ("1,005 (50%) 3/4", "ten oh five fifty percent three quarters"),
     ("the 1st, 12th, 20th and 32nd", "the first,twelfth,twentieth and thirtysecond"),
     ("$1 £2 $0.01", "one dollar two pounds one cent"), ("3.5 and 1/2", "three point five and one half"),
     ("Ｏ（ok）。", "Ｏ ok.")],
)  # fmt: skip
def test_signs_are_written_out(text, words):
    assert written_out(text) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [("0", "零"), ("11", "十一"), ("110", "一百一十"), ("10001", "一万零一"), ("100000000", "一亿")],
)
def test_chinese_numerals(number, words):
    assert numerals(number) == words


@has_chinese
@pytest.mark.parametrize(
    ("text", "syllables"),
    [("你好", "ni2 hao3"), ("不要", "bu2 yao4"), ("不好", "bu4 hao3"), ("一定", "yi2 ding4"), ("一天", "yi4 tian1"),
     ("一二三", "yi1 er4 san1"), ("第一天", "di4 yi1 tian1"), ("爸爸", "ba4 ba5")],
)  # fmt: skip
def test_tones_change_beside_their_neighbours(text, syllables):
    from angen.model.phones_chinese import pinyin

    assert pinyin(text) == syllables.split()
