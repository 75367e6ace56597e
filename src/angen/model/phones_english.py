"""English words to phones: numbers written out, espeak-ng's American voice, and the model's own spelling of phones."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from angen.model.phones import BLANK, needed

_ABBREVIATIONS = {
    "mr": "mister", "mrs": "misess", "dr": "doctor", "st": "saint", "co": "company", "jr": "junior",
    "maj": "major", "gen": "general", "drs": "doctors", "rev": "reverend", "lt": "lieutenant",
    "hon": "honorable", "sgt": "sergeant", "capt": "captain", "esq": "esquire", "ltd": "limited",
    "col": "colonel", "ft": "fort", "etc": "et cetera", "btw": "by the way",
}  # fmt: skip
_ABBREVIATION = re.compile(r"\b(" + "|".join(_ABBREVIATIONS) + r")\b", re.IGNORECASE)
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_MARKS = ",.?!;:'…"
_WIDE = str.maketrans("，。？！；：‘’“”、…（）", ",.?!;:''  ,…  ")
_MERGED = {
    ("t", "ɹ"): "tɹ", ("d", "ɹ"): "dɹ", ("t", "s"): "ts", ("d", "z"): "dz", ("ɪ", "ɹ"): "ɪɹ",
    ("oː", "ɹ"): "oːɹ",
}  # fmt: skip
_RESPELT = {"ɐ": "ɚ", "ᵻ": "ɪ", "əl": "l", "x": "k", "ɬ": "l", "ʔ": "t", "n̩": "n"}
_BLANK_AFTER = frozenset("p⁼ʰmftnlkxʃs`ɹaoəɛɪeɑʊŋiuɥwæjː")


def english_phones(text: str) -> list[str]:
    """Phones of English words, `_` between words.

    Raises:
        LyricsError: If phonemizer or espeakng-loader is not installed.
    """
    phones: list[str] = []
    for piece in re.split(f"([{_MARKS}])", written_out(text)):
        if piece in _MARKS:
            phones += [piece] if piece else []
        elif piece.strip():
            phones += _spoken(piece)
    if phones and phones[-1][-1] in _BLANK_AFTER:
        phones.append(BLANK)
    return phones


def written_out(text: str) -> str:
    """Text of letters and marks alone: abbreviations and numbers as words, other signs dropped.

    Example:
        >>> written_out("Dr. No's 2nd, $5.50 in 1999...")
        "doctor.No's second,five dollars,fifty cents in nineteen ninetynine…"
    """
    text = _ABBREVIATION.sub(lambda found: _ABBREVIATIONS[found[0].lower()], text.translate(_WIDE))
    text = _numbers(text).replace("...", "…")
    text = re.sub(rf"[^\w\s{_MARKS}]", "", text)
    text = re.sub(rf"\s*([{_MARKS}])\s*", r"\1", text)
    return re.sub(r"\s+", " ", text).strip(" ")


def number_words(number: int) -> str:
    """A whole number in words, as counted.

    Example:
        >>> number_words(1234), number_words(40)
        ('one thousand two hundred thirty-four', 'forty')
    """
    if number >= 10**15:
        return " ".join(_ONES[int(digit)] for digit in str(number))
    for size, name in _SCALES:
        if number >= size:
            rest = number % size
            return f"{number_words(number // size)} {name}" + (f" {number_words(rest)}" if rest else "")
    if number >= 100:
        rest = number % 100
        return f"{_ONES[number // 100]} hundred" + (f" {number_words(rest)}" if rest else "")
    if number < 20:
        return _ONES[number]
    return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")


def _numbers(text: str) -> str:
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"£(\d+(?:\.\d+)?)", r"\1 pounds", text)
    text = re.sub(r"\$(\d+)(?:\.(\d{1,2}))?", lambda found: _dollars(found[1], found[2] or ""), text)
    text = re.sub(r"(\d+(?:\.\d+)?)\s*%", r"\1 percent", text)
    text = re.sub(r"\b(\d+)/(\d+)\b", lambda found: _fraction(int(found[1]), int(found[2])), text)
    text = re.sub(
        r"(\d+)\.(\d+)",
        lambda found: f"{found[1]} point {' '.join(_ONES[int(digit)] for digit in found[2])}",
        text,
    )
    text = re.sub(r"(\d+)(?:st|nd|rd|th)\b", lambda found: _ordinal(int(found[1])), text)
    return re.sub(r"[0-9]+", lambda found: _year_or_count(int(found[0])), text)


def _dollars(whole: str, cents: str) -> str:
    def unit(count: int, name: str) -> str:
        return f"{count} {name}{'' if count == 1 else 's'}"

    amounts = ((int(whole), "dollar"), (int(cents.ljust(2, "0") or 0), "cent"))
    parts = [unit(count, name) for count, name in amounts if count]
    return ", ".join(parts) or "zero dollars"


def _fraction(top: int, bottom: int) -> str:
    if bottom == 0:
        return f"{top} over zero"
    name = {2: "half", 4: "quarter"}.get(bottom) or _ordinal(bottom)
    return f"{top} {name if top == 1 else 'halves' if bottom == 2 else name + 's'}"


def _ordinal(number: int) -> str:
    words = number_words(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    if last in _ORDINALS:
        return words[:cut] + _ORDINALS[last]
    return words[:cut] + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def _year_or_count(number: int) -> str:
    """1001 to 2999 are read in pairs, as years are."""
    if not 1000 < number < 3000 or 2000 <= number < 2010:
        return number_words(number)
    first, last = divmod(number, 100)
    if last == 0:
        return f"{number_words(first)} hundred"
    return f"{number_words(first)} {'oh ' if last < 10 else ''}{number_words(last)}"


def _spoken(words: str) -> list[str]:
    """Phones of words without marks, `_` between the words."""
    backend = _espeak()
    from phonemizer.separator import Separator

    separator = Separator(phone="|", word="|_|", syllable="-")
    spoken: str = backend.phonemize([words], separator=separator, strip=True)[0]
    phones: list[str] = []
    for phone in (part for part in spoken.split("|") if part):
        pair = (phones[-1], phone) if phones else ("", "")
        if pair in _MERGED:
            phones[-1] = _MERGED[pair]
        else:
            phones.append(phone)
    return [_RESPELT.get(phone, phone) for phone in phones]


@cache
def _espeak() -> Any:
    """espeak-ng with its American voice; the library and its data come with espeakng-loader."""
    try:
        import espeakng_loader
        from phonemizer.backend import EspeakBackend
        from phonemizer.backend.espeak.wrapper import EspeakWrapper
    except ImportError as problem:
        raise needed("en") from problem
    import logging

    quiet = logging.getLogger("angen.phonemizer")
    quiet.setLevel(logging.ERROR)
    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    return EspeakBackend(
        "en-us", with_stress=False, preserve_punctuation=False, language_switch="remove-flags", logger=quiet
    )
