import pytest
from recipes.angen_tiny.phrases import NAMES, SCENES, TRAITS
from recipes.angen_tiny.prompts import FREE_FORM
from recipes.angen_tiny.styles import BASE_STYLES


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


@pytest.mark.parametrize("style", BASE_STYLES)
def test_at_most_four_prompts_name_the_style(style: str) -> None:
    assert sum(style in prompt.lower() for prompt in FREE_FORM[style]) <= 4


@pytest.mark.parametrize("style", [*BASE_STYLES, "calypso"])
def test_a_style_has_sixty_distinct_phrases_or_more(style: str) -> None:
    assert len(set(_phrases(style))) >= 60
    for table in (NAMES, SCENES, TRAITS):
        phrases = [phrase.lower() for phrase in table[style]]
        assert len(phrases) == len(set(phrases))
