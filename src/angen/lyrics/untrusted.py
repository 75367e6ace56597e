"""Text from a language model, made harmless and plain before anything reads it.

A model's text may hold anything: terminal codes, HTML, a web page's script, its own thoughts, our prompt again, or a
line of a megabyte. What is left here is plain lines of words and headings in square brackets.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from angen.lyrics.lines import clean_text, marks

__all__ = ["clean_reply"]

LONGEST_LINE = 160
MOST_LINES = 400

_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*(?:\x1b\\)?|.)|\x9b[0-?]*[ -/]*[@-~]"
)
_THOUGHT = re.compile(
    r"<(think|thinking|reasoning|thought)\b[^>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
_THOUGHT_END = re.compile(r"\A.*</(?:think|thinking|reasoning|thought)\s*>", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"<(script|style|iframe|svg|template)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BREAK = re.compile(r"<(?:br|p|div|/p|/div|li|/h\d|/li)\b[^<>]*>", re.IGNORECASE)
_HTML_TAG = re.compile(r"</?[A-Za-z!?][^<>]*>")
_FENCE = re.compile(
    r"^[ \t]*(?:```|~~~)[^\n]*\n(.*?)(?:^[ \t]*(?:```|~~~)[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_LINK = re.compile(r"!?\[([^\[\]\n]{0,200})\]\([^()\n]{0,500}\)")
_LIST = re.compile(r"^(?:[-•>+]|\d{1,3}[.)])\s+")
_CHAT = re.compile(
    r"(?:sure|certainly|of course|absolutely|okay|here(?:'s| is| are)|below|i(?:'ve| have) (?:written|created|made)|"
    r"let me know|i hope|feel free|note|notes|title|theme|mood|tempo|genre|style|explanation|this song|these lyrics|"
    r"would you like|enjoy|the (?:song|lyrics) (?:is|are|has|have|above)|as an ai)\b",
    re.IGNORECASE,
)


def clean_reply(text: str, *, echoes: Sequence[str] = ()) -> str:
    r"""Plain text of a model's reply.

    Removed are: terminal codes, control and direction characters, thoughts, HTML and what it would run, markdown
    fences and marks, lines of the prompt said again, talk before the first and after the last heading. Lines longer
    than 160 characters are broken at blanks (those without are left out); at most 400 lines are kept.

    Args:
        text: What the model said.
        echoes: Texts that were sent to it; their longer lines are left out.

    Example:
        >>> clean_reply("<think>hm</think>Sure! Here you go:\n```\n[verse]\n<b>Hello</b>\n```\nEnjoy!")
        '[verse]\nHello'
    """
    text = _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _THOUGHT_END.sub("", _THOUGHT.sub("", text))
    text = _without_html(text)
    text = _inside_fences(text)
    said = {_key(line) for echo in echoes for line in echo.splitlines() if len(_key(line)) > 12}
    lines: list[str] = []
    for raw in _LINK.sub(r"\1", text).split("\n"):
        line = _LIST.sub("", clean_text(raw)).replace("**", "").replace("`", "")
        if _key(line) in said:
            continue
        lines += _broken(line)
        if len(lines) >= MOST_LINES:
            break
    return "\n".join(_without_talk(lines[:MOST_LINES])).strip("\n")


def _without_html(text: str) -> str:
    """No tags, however they are wrapped in entities, and no angle brackets at all."""
    for _ in range(3):
        text = _CODE.sub("", _COMMENT.sub("", text))
        text = html.unescape(_HTML_TAG.sub("", _BREAK.sub("\n", text)))
    text = _HTML_TAG.sub("", _CODE.sub("", _COMMENT.sub("", text)))
    return _ANSI.sub("", re.sub(r"[<>]", "", text))


def _inside_fences(text: str) -> str:
    """What stands in the longest fenced block if there is one with several lines, else the text without fences."""
    blocks = [block for block in _FENCE.findall(text) if len(block.strip().splitlines()) > 1]
    if blocks:
        return str(max(blocks, key=len))
    return re.sub(r"^[ \t]*(?:```|~~~).*$", "", text, flags=re.MULTILINE)


def _broken(line: str) -> list[str]:
    """A line in pieces of singable length, cut at blanks; a piece that has none is left out."""
    pieces: list[str] = []
    while len(line) > LONGEST_LINE:
        at = line.rfind(" ", 0, LONGEST_LINE)
        if at <= 0:
            following = line.find(" ")
            if following < 0:
                return pieces
            line = line[following + 1 :]
            continue
        pieces.append(line[:at])
        line = line[at + 1 :]
    return [*pieces, line]


def _without_talk(lines: list[str]) -> list[str]:
    """Without what a model says about its lyrics, before and after them."""
    headings = [at for at, line in enumerate(lines) if any(mark.kind == "heading" for mark in marks(line))]
    if headings:
        before = [line for line in lines[: headings[0]] if line and not _is_talk(line)]
        lines = [*before, *lines[headings[0] :]] if len(before) > 3 else lines[headings[0] :]
    else:
        while lines and (not lines[0] or _is_talk(lines[0])):
            lines = lines[1:]
    # talk at the end: the last paragraph, if it begins like talk or is set off by a rule
    for at in range(len(lines) - 1, 0, -1):
        if re.fullmatch(r"[-*_=]{3,}", lines[at]) and (len(lines) - at < 12):
            lines = lines[:at]
    while lines:
        start = len(lines)
        while start > 0 and lines[start - 1]:
            start -= 1
        if start < len(lines) and start > 0 and _is_talk(lines[start]) and len(lines[start]) > 0:
            lines = lines[: start - 1]
        elif lines and not lines[-1]:
            lines = lines[:-1]
        else:
            break
    while len(lines) > 1 and _is_talk(lines[-1]) and re.search(r"[!?:]$|lyrics|song", lines[-1]):
        lines = lines[:-1]
    return lines


def _is_talk(line: str) -> bool:
    return bool(_CHAT.match(line.strip(" *#_\"'"))) and (
        len(line) > 40
        or bool(re.search(r"[:!]\W*$|\b(?:lyrics|song|verse|chorus|version)\b", line, re.IGNORECASE))
        or bool(re.match(r"\W*(?:title|theme|mood|tempo|genre|style|note|notes)\W*:", line, re.IGNORECASE))
    )


def _key(line: str) -> str:
    return re.sub(r"\W+", " ", line.casefold()).strip()
