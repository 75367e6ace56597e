import re

import numpy as np
import pytest
from recipes.angen_tiny.captions import INSTRUMENT_WORDS, MOOD_WORDS, captions
from recipes.angen_tiny.compose import compose
from recipes.angen_tiny.idiom import MOODS
from recipes.angen_tiny.instruments import INSTRUMENTS, KIT_WORDS, PERCUSSION_WORDS
from recipes.angen_tiny.phrases import NAMES, SCENES, TRAITS
from recipes.angen_tiny.piece import Labels
from recipes.angen_tiny.styles import STYLES

# Every word an instrument may be called by, and the label it stands for (several for words shared).
_LABELS: dict[str, set[str]] = {}
for _label in {*INSTRUMENTS, *PERCUSSION_WORDS, *KIT_WORDS.values(), "drums"}:
    for _word in {_label, *INSTRUMENT_WORDS.get(_label, ())}:
        _LABELS.setdefault(_word.lower(), set()).add(_label)


def _labels(style: str, seed: int) -> Labels:
    return compose(np.random.default_rng([seed, 3]), style, 15.36).labels


def _named(text: str) -> list[str]:
    """Instrument words in a text, longest first, each place read once."""
    text = re.sub(r"drum (and|&|n) bass|liquid drum and bass", " ", text.lower())
    found = []
    for word in sorted(_LABELS, key=len, reverse=True):
        pattern = rf"(?<![\w-]){re.escape(word)}(?![\w-])"
        if re.search(pattern, text):
            found.append(word)
            text = re.sub(pattern, " ", text)
    return found


@pytest.mark.parametrize("style", STYLES)
def test_no_caption_names_an_absent_instrument(style: str) -> None:
    for seed in range(25):
        labels = _labels(style, seed)
        for text in captions(labels, np.random.default_rng(seed), 16):
            for word in _named(text):
                assert _LABELS[word] & set(labels.instruments), f"{word!r} in {text!r}: {labels.instruments}"


@pytest.mark.parametrize("style", STYLES)
def test_numbers_and_keys_are_the_labelled_ones(style: str) -> None:
    for seed in range(10):
        labels = _labels(style, seed)
        tonic = labels.key.split()[0].lower()
        for text in (text.lower() for text in captions(labels, np.random.default_rng(seed), 16)):
            for number in re.findall(r"(\d+(?:\.\d+)?) ?bpm|tempo (\d+)", text):
                assert float("".join(number)) == labels.tempo_bpm
            for name, mode in re.findall(r"(?<!\w)([a-g]#?) (major|minor)", text):
                if name != "a" or tonic == "a":  # "in a minor key" names no tonic
                    assert f"{name} {mode}" == labels.key.lower()


@pytest.mark.parametrize("style", STYLES)
def test_a_style_has_forty_phrasings_or_more(style: str) -> None:
    phrases = {*NAMES[style], *SCENES[style], *TRAITS[style]}
    assert len(phrases) >= 40
    assert all(phrase == " ".join(phrase.split()) and phrase for phrase in phrases)
    assert not [phrase for phrase in phrases if _named(phrase)]
    labels, rng = _labels(style, 0), np.random.default_rng(0)
    assert len({text.lower() for text in captions(labels, rng, 400)}) >= 200


def test_every_mood_has_words() -> None:
    assert set(MOOD_WORDS) == set(MOODS)


def test_captions_are_seeded_and_as_many_as_asked() -> None:
    labels = _labels("jazz", 1)
    first = captions(labels, np.random.default_rng(9), 8)
    assert first == captions(labels, np.random.default_rng(9), 8)
    assert len(first) == 8
    assert all(text and text == text.strip() and "  " not in text for text in first)


def test_eight_captions_differ_in_kind() -> None:
    texts = [
        text for seed in range(40) for text in captions(_labels("rock", seed), np.random.default_rng(seed), 8)
    ]
    with_tempo = np.mean(["bpm" in text.lower() for text in texts])
    lower, upper = np.mean([text.islower() for text in texts]), np.mean([text.isupper() for text in texts])
    assert 0.1 < with_tempo < 0.6
    assert lower > 0.2
    assert 0 < upper < 0.15
    assert np.ptp([len(text) for text in texts]) > 60


def test_wild_pieces_name_no_instruments() -> None:
    from dataclasses import replace

    for style in STYLES:
        labels = replace(_labels(style, 2), wild=True)
        for text in captions(labels, np.random.default_rng(4), 24):
            assert not _named(text), text
