from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from angen.dataset import ClipRecord
from angen.dataset.records import content_sha256


def _clip(**fields: Any) -> ClipRecord:
    plain: dict[str, Any] = {
        "file_name": "clips/a-001.flac",
        "clip_id": "a-001",
        "song": "a",
        "split": "train",
        "start_s": 0.0,
        "end_s": 20.0,
        "duration_s": 20.0,
        "sha256": "0" * 64,
    }
    return ClipRecord(**{**plain, **fields})


RARE: dict[str, tuple[Any, str]] = {
    "genre": ("zydeco", "zydeco"),
    "mood": ("wistful", "wistful"),
    "instruments": (["hurdy-gurdy", "theremin"], "hurdy-gurdy and theremin"),
    "description": ("Recorded in a lighthouse.", "Recorded in a lighthouse"),
    "tempo_bpm": (67.0, "67 bpm"),
    "key": ("D# minor", "D# minor"),
}


def test_every_known_field_is_in_the_prompt_and_a_style_leads_it() -> None:
    clip = _clip(**{field: value for field, (value, _) in RARE.items()})
    prompt = clip.prompt("songs of my aunt")
    assert prompt == (
        "songs of my aunt, wistful zydeco with hurdy-gurdy and theremin, Recorded in a lighthouse, "
        "67 bpm, D# minor"
    )


@pytest.mark.parametrize("known", RARE)
def test_a_field_says_itself_and_unknown_ones_say_nothing(known: str) -> None:
    prompt = _clip(**{known: RARE[known][0]}).prompt()
    assert RARE[known][1] in prompt
    for other, (_, text) in RARE.items():
        assert other == known or text not in prompt
    assert "None" not in prompt
    assert not prompt.startswith(",")


@pytest.mark.parametrize("missing", RARE)
def test_a_missing_field_is_nowhere_and_the_others_are_all_there(missing: str) -> None:
    prompt = _clip(**{field: value for field, (value, _) in RARE.items() if field != missing}).prompt()
    for field, (value, text) in RARE.items():
        words = value if isinstance(value, list) else [text]
        assert all((word in prompt) == (field != missing) for word in words), (field, prompt)
    assert "bpm" in prompt or missing == "tempo_bpm"


def test_nothing_known_is_an_empty_prompt() -> None:
    assert _clip().prompt() == ""
    assert _clip().prompt("  calypso \n of mine ") == "calypso of mine"


def test_what_the_style_says_is_not_said_twice() -> None:
    clip = _clip(genre="Calypso", instruments=["steel drums", "bass"], tempo_bpm=112.0)
    assert clip.prompt("calypso with steel drums") == "calypso with steel drums, bass, 112 bpm"
    assert clip.prompt("calypsonian") == "calypsonian, Calypso with steel drums and bass, 112 bpm"


def test_a_measured_description_stays_out_of_the_prompt_and_an_edited_one_goes_in() -> None:
    words = "A bright piece at 112 BPM."
    assert "bright" not in _clip(description=words, sources={"description": "measured"}).prompt()
    assert "bright" in _clip(description=words, sources={"description": "edited"}).prompt()


@pytest.mark.parametrize(
    "fault",
    [
        {"tempo": 112.0},
        {"tempo_bpm": "112"},
        {"tempo_bpm": float("nan")},
        {"tempo_bpm": 0.0},
        {"split": "test"},
        {"file_name": "clips/../../secret.flac"},
        {"file_name": "/etc/passwd"},
        {"file_name": "clips/.hidden.flac"},
        {"file_name": "clips/a.wav"},
        {"clip_id": "a/b"},
        {"sha256": "abc"},
        {"end_s": 0.0},
        {"start_s": 20.0},
        {"sources": {"tempo": "measured"}},
        {"sources": {"tempo_bpm": "guessed"}},
        {"confidence": {"bpm": 0.5}},
    ],
)
def test_a_misspelled_or_impossible_field_is_an_error(fault: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _clip(**fault)


def test_a_record_survives_its_line() -> None:
    clip = _clip(tempo_bpm=112.5, beats_s=[0.5, 1.0], sources={"tempo_bpm": "edited"}, lyrics="là-bas")
    assert ClipRecord.model_validate_json(clip.model_dump_json()) == clip


def test_the_content_hash_knows_words_and_audio_but_no_order() -> None:
    one, two = _clip(), _clip(clip_id="b-001", file_name="clips/b-001.flac", song="b")
    assert content_sha256([one, two], "") == content_sha256([two, one], "")
    others = [
        content_sha256([one], ""),
        content_sha256([one, two], "calypso"),
        content_sha256([one, two.model_copy(update={"sha256": "1" * 64})], ""),
        content_sha256([one, two.model_copy(update={"genre": "zouk"})], ""),
    ]
    assert len({content_sha256([one, two], ""), *others}) == 5
