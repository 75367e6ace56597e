from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.lyrics import read_lyrics
from angen.lyrics.untrusted import LONGEST_LINE, MOST_LINES, clean_reply

BAD = [
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "\x00",
    "\x07",
    "\u202e",
    "\u200b",
    "<b>",
    "</b>",
    "<script>alert(1)</script>",
    "<img/src=x",
    "onerror=y>",
    "&lt;script&gt;",
    "&amp;lt;i&amp;gt;",
    "<think>",
    "</think>",
    "```",
    "```text",
    "[verse]",
    "[Chorus]",
    "Sure!",
    "#",
    "**",
    "-",
    "la",
    "<!--",
    "-->",
    "<",
    ">",
    "&",
    ";",
    "javascript:",
    "\n",
    "\r\n",
    " ",
    "<svg onload=1>",
    "<scr<script>ipt>",
    "Here are the lyrics:",
]
messy = st.one_of(st.lists(st.sampled_from(BAD), max_size=20).map("".join), st.text(max_size=60))


@given(messy)
@settings(max_examples=500)
def test_what_is_left_is_plain_text(text: str) -> None:
    cleaned = clean_reply(text)
    assert "<" not in cleaned
    assert ">" not in cleaned
    assert "```" not in cleaned
    for char in cleaned.replace("\n", ""):
        assert char in "\u200c\u200d" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")
    assert all(len(line) <= LONGEST_LINE for line in cleaned.split("\n"))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("[verse]\nla", "[verse]\nla"),
        ("<think>\nI will write [verse] now\n</think>\n[verse]\nla", "[verse]\nla"),
        ("hidden thoughts</think>[verse]\nla", "[verse]\nla"),
        ("[verse]\nla\n<think>it never ends", "[verse]\nla"),
        ("Sure! Here are your lyrics:\n\n[verse]\nla", "[verse]\nla"),
        ("Title: My song\nMood: sad\n\n[verse]\nla", "[verse]\nla"),
        ("```text\n[verse]\nla\n```", "[verse]\nla"),
        ("Here:\n```\n[verse]\nla\n```\nAnd in JSON:\n```\n{}\n```", "[verse]\nla"),
        ("```\n[verse]\nla (it broke off)", "[verse]\nla (it broke off)"),
        ("[verse]<br>la<br/>lo", "[verse]\nla\nlo"),
        ("[verse]\n<script>\nalert('x')\n</script>la", "[verse]\nla"),
        ("[verse]\n&lt;script&gt;steal()&lt;/script&gt;la &amp; lo", "[verse]\nla & lo"),
        ("[verse]\n\x1b[2J\x1b]8;;http://x\x07la\x1b]8;;\x07", "[verse]\nla"),
        ("[verse]\n1. la\n2. lo\n- lu", "[verse]\nla\nlo\nlu"),
        ("[verse]\n[la](http://evil)", "[verse]\nla"),
        ("[verse]\n**la** `lo`", "[verse]\nla lo"),
        ("[verse]\nla\n\nLet me know if you would like changes!", "[verse]\nla"),
        ("[verse]\nla\n---\nThis song explores the sea.\nIt has a bridge.", "[verse]\nla"),
        ("Sure, here it is:\nla la\nlo lo", "la la\nlo lo"),
        ("One\nTwo\nThree\nFour\n[chorus]\nla", "One\nTwo\nThree\nFour\n[chorus]\nla"),
    ],
)
def test_what_models_do(text: str, cleaned: str) -> None:
    assert clean_reply(text) == cleaned


@pytest.mark.parametrize(
    "line",
    [
        "Here we go again",
        "Sure as the sun",
        "I hope you stay",
        "Below the moon",
        "Note by note",
        "Okay, okay",
        "Let me know your name",
    ],
)
def test_words_of_songs_are_not_taken_for_talk(line: str) -> None:
    assert clean_reply(f"[verse]\nla\n{line}") == f"[verse]\nla\n{line}"
    assert line in clean_reply(f"{line}\nla la\nlo lo")


def test_the_prompt_said_again_is_left_out() -> None:
    prompt = "Write song lyrics about the sea.\nTheme: the sea and the wind"
    assert (
        clean_reply(f"{prompt}\n[verse]\nla\nTHEME: the sea, and the wind!", echoes=[prompt]) == "[verse]\nla"
    )


def test_huge_lines_and_many_lines_are_bounded() -> None:
    cleaned = clean_reply("[verse]\n" + "word " * 100 + "\n" + "x" * 1_000_000)
    assert max(len(line) for line in cleaned.split("\n")) <= LONGEST_LINE
    assert cleaned.split().count("word") == 100
    assert "xxx" not in cleaned
    assert len(clean_reply("la\n" * 100_000).split("\n")) == MOST_LINES


@pytest.mark.parametrize(
    "text",
    [
        "<" * 40_000,
        "<think>" * 6_000,
        "```\n" * 10_000,
        "[" * 40_000,
        "\x1b[" * 20_000,
        "&lt;" * 10_000,
        "[verse]\n" * 5_000,
        "<!--" * 10_000,
        "<script" * 6_000,
        "\x1bP" * 20_000,
        "(" * 40_000,
        "[a](" * 10_000,
    ],
)
def test_nothing_takes_long(text: str) -> None:
    import time

    start = time.process_time()
    read_lyrics(clean_reply(text))
    assert time.process_time() - start < 2
