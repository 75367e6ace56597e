"""How many syllables a line has when it is sung.

English by spelling rules and a list of exceptions; Spanish, French, German, Italian and Portuguese by their vowel
groups; Chinese characters and Korean blocks one each, Japanese kana one a mora. Writing of other scripts is not
guessed at: it is given back as uncounted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from angen.errors import LyricsError

__all__ = ["LANGUAGES", "SyllableCount", "count_syllables", "guess_language"]

LANGUAGES = {
    "en": "English", "zh": "Chinese", "es": "Spanish", "fr": "French", "de": "German", "it": "Italian",
    "pt": "Portuguese",
}  # fmt: skip

_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*['’]?|\d+(?:,\d{3})*")
_SMALL_KANA = "ゃゅょぁぃぅぇぉャュョァィゥェォ"


@dataclass(frozen=True)
class SyllableCount:
    """Syllables of a text.

    Attributes:
        count: Syllables of the words that could be counted.
        uncounted: Words of scripts, and numbers of languages, that have no rule here.
    """

    count: int
    uncounted: tuple[str, ...] = ()


def count_syllables(text: str, language: str = "en") -> SyllableCount:
    """Count the syllables of a text.

    Args:
        text: Any text; marks between words do not count.
        language: How its Latin letters are read, one of `LANGUAGES`; other scripts have their own rule.

    Raises:
        LyricsError: If there is no rule for the language.

    Example:
        >>> count_syllables("Every little moment").count, count_syllables("La ciudad está dormida", "es").count
        (6, 8)
        >>> count_syllables("我爱你 baby"), count_syllables("Привет")
        (SyllableCount(count=5, uncounted=()), SyllableCount(count=0, uncounted=('Привет',)))
    """
    if language not in LANGUAGES:
        raise LyricsError(
            f"There is no syllable rule for the language {language!r}.",
            remedy=f"Use one of {', '.join(LANGUAGES)}.",
        )
    total, uncounted = 0, []
    for token in _TOKEN.findall(unicodedata.normalize("NFC", text)):
        counted = _token(token, language)
        if counted is None:
            uncounted.append(token)
        else:
            total += counted
    return SyllableCount(total, tuple(uncounted))


@lru_cache(maxsize=20_000)
def _token(token: str, language: str) -> int | None:
    if token[0].isdigit():
        return _number(int(token.replace(",", ""))) if language in ("en", "zh") and len(token) < 8 else None
    total, latin = 0, ""
    for char in token.replace("’", "'"):
        if char == "'" or unicodedata.name(char, "").startswith("LATIN"):
            latin += char
        elif "\u4e00" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3":
            total += 1
        elif "\u3041" <= char <= "\u30ff":
            total += char not in _SMALL_KANA
        else:
            return None
    rule = _RULES.get(language, _english)
    return total + (rule(latin.lower()) if latin.strip("'") else 0)


# English ---------------------------------------------------------------------------------------------------------

_EXCEPTIONS = {
    word: count
    for count, words in {
        1: "aisle aren't can't don't pier prayer tier weren't won't",
        2: "barefoot boredom business cafe café camera cashier chocolate cliché client create crooked "
        "cruel different driveway duel evening every eyelash eyelid eyelids facedown family "
        "favorite favourite fireflies firefly fireplace fireside fluid foreman forewarned forewent "
        "frontier fuel gatepost giant graveyard heartaches hereby hires homesick homeward household "
        "jagged lovebird lovebirds lovesick maybe naked ninety notebook persuade placemat premier "
        "purebred ragged react rosebud rugged ruin ruined scarecrow science several soldier soldiers "
        "someday sovereign stallions therefore timepiece wednesday wicked wretched",
        3: "alien area beloved cereal coyote created creation creator everyone everything everywhere "
        "hideous idea ideas linear loneliness nuclear oasis patio persuaded ratio reaction realize "
        "realized reappear recipe reunite suicide takeovers whoever",
        4: "apostrophe appreciate associate catastrophe everybody experience february hyperbole "
        "january karaoke reality",
    }.items()
    for word in words.split()
}
_SILENT_E = re.compile(
    r"(?<=[a-z])e(?=(?:ly|ment|ful|less|ness|some|where|thing|times?|body|one|town|light|land|work)s?$)"
)
_SILENT_END = re.compile(
    r"[^aeiouylr]e$|[aeiouylrw][lr]e$"  # home, whole, fire; but little, acre
    r"|(?:[^aeiouylrsxzcgh]|[^cs]h|[aeiouylrw][lr])es$"  # homes; but roses, wishes, tables
    r"|(?:[^aeiouytdlr]|[aeiouylrw][lr])ed$"  # loved; but wanted, kindled
)
_HIATUS = re.compile(
    r"ia(?!ge)|(?<![ctsgx])io|(?<=[^tc])iu|eo(?!u)|ua(?!r)|uou|[bcdfghklmnprstvwz]yi|(?<=[bcdfghklmnprstvw])oi(?=ng)"
    r"|ei(?=ng)|ui(?=ng)|uo(?!y)|oe(?=t|m)|ie(?=t)|(?<=[^aeiou])ie(?=r$|rs$|st$)|eu(?=m)|ii|(?<=[^aeiou])yo(?=n)|ao"
)
_NOT_HIATUS = re.compile(
    r"(?:ci|ti|si|gi)(?:a|ou|o)|eau|ques?$|gu(?=[aei])|qu|lieu|people|geon|pigeon|iar(?=d)"
)


def _english(word: str) -> int:
    """Syllables of one lower-case word of Latin letters and apostrophes."""
    word = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c)).strip("'")
    if word in _EXCEPTIONS:
        return _EXCEPTIONS[word]
    if "'" in word:
        return _contraction(word)
    if word.endswith("in") and len(word) > 4 and (known := _EXCEPTIONS.get(word + "g")):
        return known
    for ending in ("s", "d", "ed"):  # of a word whose count is known
        if word.endswith(ending) and (known := _EXCEPTIONS.get(word.removesuffix(ending))):
            base = word.removesuffix(ending)
            sounded = base.endswith(("t", "d")) if ending == "ed" else _hisses(base) and ending == "s"
            return known + sounded
    return max(1, _vowel_groups(word)) if re.search(r"[a-z]", word) else 0


def _contraction(word: str) -> int:
    if "'n'" in word:  # rock'n'roll
        return sum(_english(part) for part in word.split("'n'")) + 1
    stem, _, tail = word.rpartition("'")
    count = _english(stem) if stem else 0
    if tail == "t":  # wouldn't
        return _english(stem.removesuffix("n")) + 1 if stem.endswith("n") else count
    if tail == "s":
        return count + _hisses(stem)
    ends_in_vowel = bool(re.search(r"[aeiouy]$|[aeo]w$", stem))
    if tail in ("ll", "ve"):
        return count + (not ends_in_vowel)
    if tail in ("d", "re", "m"):
        return count + (tail == "d" and stem.endswith(("t", "d")))
    return count + (_english(tail) if re.search(r"[aeiouy]", tail) else 0)


def _hisses(word: str) -> bool:
    return bool(re.search(r"(?:s|x|z|ch|sh|ce|ge|se|ze)$", word))


def _vowel_groups(word: str) -> int:
    word = re.sub(r"(?<=[aeiou])y(?=[aeiou])|^y(?=[aeiou])", "j", word.replace("qu", "q"))
    word = re.sub(r"ically$", "icly", re.sub(r"(?<=[aeo])gues?$", "g", word))
    if len(word) > 5:
        word = _SILENT_E.sub("", word)
    count = len(re.findall(r"[aeiouy]+", word)) + len(_HIATUS.findall(_NOT_HIATUS.sub("-", word)))
    count -= bool(_SILENT_END.search(word))
    return count + bool(re.search(r"(?:sm|thm)s?$", word))


_DIGITS = {0: 2, 7: 2}
_TEENS = {10: 1, 11: 3, 12: 1, 17: 3}


def _number(value: int) -> int:
    """Syllables of a number below ten million, as English says it."""
    if value >= 1_000_000:
        rest = value % 1_000_000
        return _number(value // 1_000_000) + 2 + (_number(rest) if rest else 0)
    if value >= 1000:
        rest = value % 1000
        return _number(value // 1000) + 2 + (_number(rest) if rest else 0)
    if value >= 100:
        rest = value % 100
        return _number(value // 100) + 2 + (_number(rest) if rest else 0)
    if value >= 20:
        return (3 if value // 10 == 7 else 2) + (_number(value % 10) if value % 10 else 0)
    return _TEENS.get(value, 2) if value >= 10 else _DIGITS.get(value, 1)


# Other languages -------------------------------------------------------------------------------------------------


def _romance(word: str, strong: str, pairs: str = "") -> int:
    """Every strong vowel is a syllable; weak ones lean on it, or make one together."""
    word = re.sub(r"gu(?=[eiéíêè])", "g", re.sub("qu", "q", word))
    if pairs:
        word = re.sub(pairs, "a", word)
    word = re.sub(r"y(?![aeiouáéíóúàèìòù])", "i", word)
    groups = re.findall(rf"[iuüï{strong}]+", word)
    return sum(max(1, sum(char in strong for char in group)) for group in groups)


def _spanish(word: str) -> int:
    return _romance(word, "aeoáéóíú")


def _portuguese(word: str) -> int:
    return _romance(word, "aeoáéóíúâêôãõà", "ão|õe|ãe")


def _italian(word: str) -> int:
    if re.fullmatch(r"[^aeiou]{1,2}[iu][aeo]|due", word):  # mio, tua, zia
        return 2
    if word == "ciao":
        return 1
    return _romance(word, "aeoàèéìòóùí", r"i[àèò]|u[òà]|iù")


def _french(word: str) -> int:
    total = 0
    for part in word.split("'"):
        part = re.sub(r"gu(?=[eiéèêy])", "g", re.sub("qu", "q", part))
        groups = re.findall(r"[éèê]?[aeiouyàâîïôöûùëüœæ]+|[éèê]", part)
        count = sum(1 + len(re.findall(r"[éèê](?=[aiouyâô])|(?<=.)[ïë]", group)) for group in groups)
        if count > 1 and re.search(r"[^aeiouyéèêàâîïôû]es?$", part):
            count -= 1
        total += count
    return total


def _german(word: str) -> int:
    return len(re.findall(r"äu|ai|ei|au|eu|ie|aa|ee|oo|ay|ey|[aeiouyäöü]", re.sub("qu", "q", word)))


_RULES: dict[str, Callable[[str], int]] = {
    "en": _english, "es": _spanish, "fr": _french, "de": _german, "it": _italian, "pt": _portuguese,
}  # fmt: skip

_COMMON_WORDS = {
    "en": "the and you i to of in it is my me we on that your with for are be was not all this",
    "es": "el la los las que y de en un una mi tu es por con no se te para como está del al soy",
    "fr": "le la les et je tu il elle un une dans que pas est pour mon ton sur avec ce ne des nous c'est",
    "de": "der die das und ich du ist ein eine nicht wir mein dein mit auf in so im es zu den wie",
    "it": "il la che e di un una mi ti non per con sono è del come io tu lo nel più",
    "pt": "o a os as que e de em um uma meu minha não com por se para você eu é do da no na",
}


def guess_language(text: str) -> str:
    """The language of lyrics: Chinese by its script, the others by their commonest words; English in doubt.

    Example:
        >>> guess_language("Ich bin so allein und du bist nicht da"), guess_language("la la la")
        ('de', 'en')
    """
    if len(re.findall(r"[\u4e00-\u9fff]", text)) * 2 > len(re.findall(r"[^\W\d_]", text)):
        return "zh"
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.lower().replace("’", "'"))
    counts = {lang: sum(word in common.split() for word in words) for lang, common in _COMMON_WORDS.items()}
    best = max(counts, key=lambda language: (counts[language], language == "en"))
    return best if len(set(words)) > 2 and counts[best] > counts["en"] else "en"
