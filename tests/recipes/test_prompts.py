import re

import pytest
from recipes.angen_tiny.phrases import NAMES, SCENES, TRAITS
from recipes.angen_tiny.prompts import FREE_FORM
from recipes.angen_tiny.styles import BASE_STYLES
from recipes.angen_tiny.wordings import wordings


def _phrases(style: str) -> list[str]:
    return [phrase.lower() for phrase in (*NAMES[style], *SCENES[style], *TRAITS[style])]


def test_every_base_style_and_no_other_is_judged() -> None:
    assert set(FREE_FORM) == set(BASE_STYLES)


@pytest.mark.parametrize("style", BASE_STYLES)
def test_a_style_has_eight_distinct_prompts(style: str) -> None:
    assert len(FREE_FORM[style]) == 8
    assert len({prompt.lower() for prompt in FREE_FORM[style]}) == 8


@pytest.mark.parametrize("style", BASE_STYLES)
def test_no_prompt_holds_a_training_phrase_of_its_style(style: str) -> None:
    phrases = [phrase for phrase in _phrases(style) if " " in phrase and phrase != style]
    held = [(phrase, text) for text in FREE_FORM[style] for phrase in phrases if phrase in text.lower()]
    assert not held


def _runs(text: str, length: int = 4) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9']+", text.lower())
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


@pytest.mark.parametrize("style", BASE_STYLES)
def test_no_prompt_shares_four_words_in_a_row_with_a_training_wording_of_its_style(style: str) -> None:
    judged = {text.lower() for text in FREE_FORM[style]}
    runs = set().union(*map(_runs, judged))
    assert not [text for text in wordings(style) if text.lower() in judged or _runs(text) & runs]


@pytest.mark.parametrize("style", BASE_STYLES)
def test_a_style_has_many_wordings_in_plain_letters(style: str) -> None:
    texts = wordings(style)
    assert len({text.lower() for text in texts}) == len(texts) >= 150
    assert all(text.isascii() and not re.search(r"\d ?bpm", text.lower()) for text in texts)


def test_held_out_styles_have_none() -> None:
    assert wordings("calypso") == ()


@pytest.mark.parametrize("style", BASE_STYLES)
def test_at_most_four_prompts_name_the_style(style: str) -> None:
    assert sum(style in prompt.lower() for prompt in FREE_FORM[style]) <= 4


@pytest.mark.parametrize("style", [*BASE_STYLES, "calypso"])
def test_a_style_has_sixty_distinct_phrases_or_more(style: str) -> None:
    assert len(set(_phrases(style))) >= 60
    for table in (NAMES, SCENES, TRAITS):
        phrases = [phrase.lower() for phrase in table[style]]
        assert len(phrases) == len(set(phrases))
