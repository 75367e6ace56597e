"""Chinese characters to phones: pinyin with tones, the rules by which neighbours change them, and a fixed table."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from angen.model.phones import BLANK, needed, read_table

_DIGITS = "零一二三四五六七八九"
_MARKS = {
    "，": ",", "、": ",", "。": ".", "？": "?", "！": "!", "；": ";", "：": ":", "‘": "'", "’": "'", "…": "…",
}  # fmt: skip
_FAMILY = frozenset("妈爸哥弟姐妹爷奶叔伯舅姑婆公")
_COUNTED = frozenset("零一二三四五六七八九十百千万亿点月")
_COUNTS = frozenset("零二三四五六七八九十百第初")
_KEPT = re.compile(r"[\u4e00-\u9fa5]+|[,.?!;:'…]|\s")


def chinese_phones(text: str) -> list[str]:
    """Phones of Chinese words; a blank is the phone `_`.

    Raises:
        LyricsError: If pypinyin is not installed.
    """
    table = read_table("pinyin_phones.json")
    text = re.sub(r"\d+(?:\.\d+)?", lambda found: numerals(found[0]), text).replace("...", "…")
    text = "".join(_MARKS.get(char, char) for char in text)
    phones: list[str] = []
    for piece in _KEPT.findall(text):
        if piece.isspace():
            phones.append(BLANK)
        elif "\u4e00" <= piece[0] <= "\u9fa5":
            phones += [phone for syllable in pinyin(piece) for phone in table.get(syllable, ())]
        else:
            phones.append(piece)
    return phones


def pinyin(words: str) -> list[str]:
    """Syllables with their tone as a digit, 5 for none, as they sound beside one another.

    Within a word of two syllables a third tone before a third becomes a second; 不 before a fourth tone becomes a
    second; 一 becomes a second before a fourth tone and a fourth before others, unless it is counted; a name of
    the family said twice loses its second tone.
    """
    try:
        from pypinyin import Style, lazy_pinyin
    except ImportError as problem:
        raise needed("zh") from problem
    syllables: list[str] = []
    for word in _cutter()(words):
        spoken: list[str] = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)
        if len(word) == 2 and word[0] == word[1] and word[0] in _FAMILY:
            spoken[1] = spoken[1][:-1] + "5"
        if len(word) == 2 and spoken[0][-1] == spoken[1][-1] == "3":
            spoken[0] = spoken[0][:-1] + "2"
        syllables += spoken
    return _changed(words, syllables)


@cache
def _cutter() -> Callable[[str], list[str]]:
    """What cuts a text into words."""
    import logging
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own making, about its own code
            import jieba
    except ImportError as problem:
        raise needed("zh") from problem
    jieba.setLogLevel(logging.WARNING)
    cut: Callable[[str], list[str]] = jieba.Tokenizer().lcut
    return cut


def _changed(words: str, syllables: list[str]) -> list[str]:
    """Syllables with the tones of 不 and 一 that their neighbours ask for."""
    changed = list(syllables)
    for place, char in enumerate(words[:-1]):
        after = syllables[place + 1][-1]
        if char == "不" and after == "4":
            changed[place] = "bu2"
        elif char == "一" and words[place + 1] not in _COUNTED and words[place - 1 : place] not in _COUNTS:
            changed[place] = "yi2" if after in "45" else "yi4"
    return changed


def numerals(number: str) -> str:
    """A number in Chinese numerals.

    Example:
        >>> numerals("25"), numerals("10"), numerals("1005"), numerals("3.14"), numerals("20300")
        ('二十五', '十', '一千零五', '三点一四', '二万零三百')
    """
    whole, _, decimals = number.partition(".")
    spoken = _whole(int(whole)) if len(whole) <= 12 else "".join(_DIGITS[int(digit)] for digit in whole)
    return spoken + ("点" + "".join(_DIGITS[int(digit)] for digit in decimals) if decimals else "")


def _whole(number: int) -> str:
    for size, name in ((10**8, "亿"), (10**4, "万")):
        if number >= size:
            rest = number % size
            gap = "零" if 0 < rest < size // 10 else ""
            return _whole(number // size) + name + (gap + _whole(rest) if rest else "")
    spoken, pending = "", False
    for size, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, size)
        if digit:
            spoken += ("零" if pending and spoken else "") + _DIGITS[digit] + name
        pending = digit == 0
    spoken = spoken or _DIGITS[0]
    return spoken[1:] if spoken.startswith("一十") else spoken
