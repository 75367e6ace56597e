"""Free-form prompts for a labelled piece: tags, sentences and scenes, saying only what its labels say."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from recipes.angen_tiny.instruments import INSTRUMENTS, KIT_WORDS, PERCUSSION_WORDS
from recipes.angen_tiny.phrases import NAMES, SCENES, TRAITS
from recipes.angen_tiny.piece import Labels
from recipes.angen_tiny.wordings import wordings

MOOD_WORDS: dict[str, tuple[str, ...]] = {
    "happy": ("happy", "cheerful", "joyful", "sunny", "feel-good", "bright"),
    "uplifting": ("uplifting", "hopeful", "inspiring", "positive", "euphoric"),
    "playful": ("playful", "quirky", "fun", "lighthearted", "bouncy"),
    "energetic": ("energetic", "lively", "driving", "high-energy", "powerful", "upbeat"),
    "aggressive": ("aggressive", "angry", "fierce", "intense", "violent"),
    "tense": ("tense", "suspenseful", "nervous", "anxious", "urgent"),
    "dark": ("dark", "gloomy", "ominous", "brooding", "sinister"),
    "mysterious": ("mysterious", "enigmatic", "eerie", "strange", "secretive"),
    "sad": ("sad", "sorrowful", "mournful", "heartbroken", "tearful", "gloomy"),
    "melancholic": ("melancholic", "wistful", "bittersweet", "nostalgic", "melancholy"),
    "calm": ("calm", "peaceful", "gentle", "quiet", "soothing", "tranquil"),
    "relaxed": ("relaxed", "chilled", "laid-back", "easygoing", "mellow", "chill"),
    "dreamy": ("dreamy", "ethereal", "floating", "hazy", "dreamlike"),
    "romantic": ("romantic", "tender", "loving", "sensual", "warm"),
    "epic": ("epic", "heroic", "grand", "majestic", "triumphant"),
    "groovy": ("groovy", "funky", "grooving", "danceable", "rhythmic"),
}
ENERGY_WORDS = {
    "low": ("low energy", "soft", "restrained", "quiet energy"),
    "medium": ("medium energy", "moderate energy", "steady"),
    "high": ("high energy", "intense", "full of energy", "powerful"),
}
INSTRUMENT_WORDS: dict[str, tuple[str, ...]] = {
    "electric piano": ("electric piano", "Rhodes", "e-piano"),
    "piano": ("piano", "grand piano", "keys"),
    "alto saxophone": ("alto saxophone", "sax", "saxophone"),
    "tenor saxophone": ("tenor saxophone", "sax", "saxophone"),
    "double bass": ("double bass", "upright bass", "acoustic bass"),
    "electric bass": ("electric bass", "bass guitar", "bass"),
    "picked bass": ("picked bass", "bass guitar", "bass"),
    "slap bass": ("slap bass", "slapped bass"),
    "synth bass": ("synth bass", "bass synth"),
    "distortion guitar": ("distorted guitar", "electric guitar", "heavy guitars"),
    "overdriven guitar": ("overdriven guitar", "electric guitar", "crunchy guitar"),
    "clean guitar": ("clean guitar", "electric guitar", "guitar"),
    "nylon guitar": ("nylon guitar", "classical guitar", "guitar"),
    "acoustic guitar": ("acoustic guitar", "guitar", "strummed guitar"),
    "drums": ("drums", "drum kit", "drum set"),
    "drum machine": ("drum machine", "electronic drums", "programmed drums"),
    "brushed drums": ("brushed drums", "soft drums", "brushes"),
    "strings": ("strings", "string section", "orchestral strings"),
    "organ": ("organ", "Hammond organ"),
    "steel drums": ("steel drums", "steel pan", "steelpan"),
    "fiddle": ("fiddle", "country fiddle"),
    "brass": ("brass", "horn section", "horns"),
    "choir": ("choir", "choir voices"),
    "vibraphone": ("vibraphone", "vibes"),
    "square lead": ("square lead", "square wave", "pulse wave synth"),
    "saw lead": ("saw lead", "sawtooth synth", "synth lead"),
}
_TEMPO_WORDS = (
    (72.0, ("slow", "slow tempo", "unhurried")),
    (100.0, ("mid-tempo", "moderate tempo", "medium tempo")),
    (132.0, ("upbeat tempo", "brisk", "medium fast")),
    (999.0, ("fast", "fast tempo", "up-tempo")),
)
_ARTICLE = re.compile(r"\ba (?!eu|uk|UK|one|uni)(?=[aeiouAEIOU8])")  # the A of a key is upper case
_METRE_WORDS = {
    "4/4": ("4/4", "in 4/4"),
    "3/4": ("3/4", "waltz time", "in three"),
    "6/8": ("6/8", "in 6/8", "compound metre"),
}


def captions(labels: Labels, rng: np.random.Generator, count: int) -> list[str]:
    """Write prompts of different kinds for a piece.

    Args:
        labels: What is true of it; nothing else is said.
        rng: Draws kinds and words.
        count: How many.

    Returns:
        `count` prompts, of a different kind each for as long as kinds last.
    """
    order = [int(number) for number in rng.permutation(len(_KINDS))]
    texts = [_KINDS[order[number % len(order)]](labels, rng) for number in range(count)]
    return [_cased(_ARTICLE.sub("an ", " ".join(text.split())), rng) for text in texts]


def _cased(text: str, rng: np.random.Generator) -> str:
    draw = rng.random()
    if draw < 0.35:
        return text.lower()
    if draw < 0.75:
        return text[:1].upper() + text[1:]
    return text + "." if draw < 0.85 else text.upper() if draw < 0.88 else text


# -- words -----------------------------------------------------------------


def _any(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(len(words)))]


def _maybe(rng: np.random.Generator, chance: float, text: str) -> str:
    return text if rng.random() < chance else ""


def _name(labels: Labels, rng: np.random.Generator) -> str:
    """The style's own word one time in three, another word for it otherwise."""
    return labels.style if rng.random() < 0.3 else _any(rng, NAMES[labels.style])


def _mood(labels: Labels, rng: np.random.Generator) -> str:
    return labels.mood if rng.random() < 0.4 else _any(rng, MOOD_WORDS[labels.mood])


def _instruments(labels: Labels, rng: np.random.Generator, most: int = 4) -> list[str]:
    """Some of the instruments, in other words now and then; none where they are not to be trusted."""
    if labels.wild or not labels.instruments:
        return []
    count = int(rng.integers(1, min(most, len(labels.instruments)) + 1))
    chosen = rng.permutation(len(labels.instruments))[:count]
    words = [labels.instruments[int(number)] for number in chosen]
    words = [_any(rng, INSTRUMENT_WORDS.get(word, (word,))) if rng.random() < 0.5 else word for word in words]
    return list(dict.fromkeys(words))


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _with_instruments(labels: Labels, rng: np.random.Generator) -> str:
    words = _instruments(labels, rng)
    if not words:
        return ""
    joins = ("with", "featuring", "with", "led by" if len(words) == 1 else "with")
    return f" {_any(rng, joins)} {_listed(words)}"


def _tempo(labels: Labels, rng: np.random.Generator) -> str:
    """The tempo as a number or a word."""
    bpm = f"{labels.tempo_bpm:g}"
    if rng.random() < 0.65:
        return _any(rng, (f"{bpm} bpm", f"{bpm} BPM", f"{bpm}bpm", f"at {bpm} bpm", f"tempo {bpm}"))
    return _any(rng, next(words for limit, words in _TEMPO_WORDS if labels.tempo_bpm < limit))


def _key(labels: Labels, rng: np.random.Generator) -> str:
    tonic, mode = labels.key.split()
    short = tonic + ("m" if mode == "minor" else "")
    return _any(
        rng,
        (
            labels.key,
            f"in {labels.key}",
            f"key of {labels.key}",
            f"{mode} key",
            f"in {short}",
            f"in a {mode} key",
        ),
    )


def _extras(labels: Labels, rng: np.random.Generator) -> list[str]:
    """Tempo, key, metre and energy, each now and then."""
    wanted = (
        (0.5, _tempo(labels, rng)),
        (0.4, _key(labels, rng)),
        (0.12 if labels.metre == "4/4" else 0.5, _any(rng, _METRE_WORDS[labels.metre])),
        (0.2, _any(rng, ENERGY_WORDS[labels.energy])),
    )
    return [text for chance, text in wanted if rng.random() < chance]


# -- kinds of prompt -------------------------------------------------------


def _tags(labels: Labels, rng: np.random.Generator) -> str:
    words = [_name(labels, rng), _mood(labels, rng), *_instruments(labels, rng), *_extras(labels, rng)]
    words += [_any(rng, TRAITS[labels.style])] if rng.random() < 0.3 else []
    if rng.random() < 0.5:
        words = [words[int(number)] for number in rng.permutation(len(words))]
    text = _any(rng, (", ", ", ", " | ", "; ", " ")).join(words)
    return ", ".join(words) if _misleads(text, labels) else text


def _short(labels: Labels, rng: np.random.Generator) -> str:
    return f"{_maybe(rng, 0.4, _mood(labels, rng))} {_name(labels, rng)}"


def _plain(labels: Labels, rng: np.random.Generator) -> str:
    kind = _any(rng, ("music", "track", "song", "piece", "tune", "instrumental"))
    return f"{_mood(labels, rng)} {labels.style} {kind}{_with_instruments(labels, rng)}"


def _sentence(labels: Labels, rng: np.random.Generator) -> str:
    start = _any(
        rng, ("a", "make a", "I want a", "give me some", "compose a", "please write a", "an instrumental:")
    )
    extras = _extras(labels, rng)
    tail = f", {', '.join(extras)}" if extras else ""
    return f"{start} {_mood(labels, rng)} {_name(labels, rng)}{_with_instruments(labels, rng)}{tail}"


def _scene(labels: Labels, rng: np.random.Generator) -> str:
    start = _any(
        rng, ("music for", "soundtrack for", "something for", "the sound of", "background music for")
    )
    extra = _maybe(rng, 0.4, f", {_mood(labels, rng)}") + _maybe(rng, 0.35, f", {_name(labels, rng)}")
    return f"{_maybe(rng, 0.3, _mood(labels, rng))} {start} {_any(rng, SCENES[labels.style])}{extra}"


def _trait(labels: Labels, rng: np.random.Generator) -> str:
    extras = _extras(labels, rng)
    tail = f", {extras[0]}" if extras else ""
    return f"{_name(labels, rng)}, {_any(rng, TRAITS[labels.style])}{tail}{_with_instruments(labels, rng)}"


def _numbers(labels: Labels, rng: np.random.Generator) -> str:
    bpm = f"{labels.tempo_bpm:g} bpm"
    return _any(
        rng,
        (
            f"{_name(labels, rng)}, {bpm}, {labels.key}",
            f"{bpm} {_name(labels, rng)} in {labels.key}",
            f"{_name(labels, rng)} at {bpm}",
            f"{_mood(labels, rng)} {_name(labels, rng)} in {labels.key}",
        ),
    )


def _players(labels: Labels, rng: np.random.Generator) -> str:
    words = _instruments(labels, rng, most=6)
    if not words:
        return _short(labels, rng)
    return _any(
        rng, (f"{_listed(words)} playing {_name(labels, rng)}", f"{_name(labels, rng)}: {', '.join(words)}")
    )


def _wording(labels: Labels, rng: np.random.Generator) -> str:
    """A whole prompt somebody thought up, now and then with a fact about the piece."""
    for _ in range(8):
        text = _any(rng, wordings(labels.style) or (labels.style,))
        if _names_only(text, labels):
            break
    else:
        return _short(labels, rng)
    extras = _extras(labels, rng) if rng.random() < 0.25 else []
    return ", ".join([text, *extras[:1]])


def _names_only(text: str, labels: Labels) -> bool:
    """Whether the instruments a text names are among those that play."""
    playing = () if labels.wild else labels.instruments
    return all(set(owners) & set(playing) for owners in _named(text))


def _misleads(text: str, labels: Labels) -> bool:
    """Whether neighbours read as an instrument that does not play: "double bass" and "guitar" side by side."""
    padded = f" {text.lower()} "
    return any(
        f" {word} " in padded and not set(owners) & set(labels.instruments)
        for word, owners in _OWNERS.items()
        if " " in word
    )


@cache
def _named(text: str) -> tuple[tuple[str, ...], ...]:
    """For each instrument word of a text, the instruments it may stand for."""
    found = []
    rest = re.sub(r"drum (and|&|n) bass", " ", text.lower())
    for word, owners in _OWNERS.items():
        rest, times = re.subn(rf"(?<![\w-]){re.escape(word)}(?![\w-])", " ", rest)
        if times:
            found.append(owners)
    return tuple(found)


def _owners() -> dict[str, tuple[str, ...]]:
    """Every word an instrument may be called by, longest first, and the instruments it may mean."""
    known: dict[str, list[str]] = {}
    for name in dict.fromkeys((*INSTRUMENTS, *PERCUSSION_WORDS, *KIT_WORDS.values(), "drums")):
        for word in dict.fromkeys((name, *INSTRUMENT_WORDS.get(name, ()))):
            known.setdefault(word.lower(), []).append(name)
    return {word: tuple(known[word]) for word in sorted(known, key=len, reverse=True)}


_OWNERS = _owners()


def _energy(labels: Labels, rng: np.random.Generator) -> str:
    return f"{_any(rng, ENERGY_WORDS[labels.energy])} {_name(labels, rng)}, {_mood(labels, rng)} mood"


_KINDS: tuple[Callable[[Labels, np.random.Generator], str], ...] = (
    _tags,
    _short,
    _plain,
    _sentence,
    _scene,
    _trait,
    _numbers,
    _players,
    _wording,
    _energy,
    *[_wording] * 3,
)
