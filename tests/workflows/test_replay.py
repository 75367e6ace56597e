from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from angen.generation import GenerationRequest, sample_latents
from angen.progress import Progress
from angen.settings import Settings
from angen.training import TrainingClip
from angen.workflows import replay as workflow
from angen.workflows.replay import replay_clips

STYLES = ("rock", "drum and bass")


@pytest.fixture
def model(small: Any) -> Any:
    small.facts = dataclasses.replace(small.facts, own_styles=STYLES)
    return small


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prompts of every piece that was drawn anew."""
    prompts: list[str] = []

    def watched(model: Any, requests: list[GenerationRequest], **how: Any) -> list[torch.Tensor]:
        prompts.extend(request.prompt for request in requests)
        return sample_latents(model, requests, **how)

    monkeypatch.setattr(workflow, "sample_latents", watched)
    return prompts


def _file(settings: Settings) -> Path:
    (file,) = (settings.cache / "replay").iterdir()
    return file


def _same(one: list[TrainingClip], other: list[TrainingClip]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(torch.equal(a.original.latents, b.original.latents) for a, b in pairs) and all(
        a.clip_id == b.clip_id for a, b in pairs
    )


def test_a_piece_for_each_style_is_what_the_base_makes_of_its_name(model: Any, settings: Settings) -> None:
    clips = replay_clips(model, settings)
    assert [clip.clip_id for clip in clips] == ["replay-rock", "replay-drum and bass"]
    requests = [GenerationRequest(f"{style} music", 3.84, seed) for seed, style in enumerate(STYLES)]
    for clip, latents, style in zip(clips, sample_latents(model, requests), STYLES, strict=True):
        assert torch.equal(clip.original.latents, latents)
        assert clip.frames == 2 * 2 * 12  # two crops of two blocks
        (words,) = clip.original.conditions
        assert (words.text, words.tempo_bpm) == (f"{style} music", None)
        assert torch.equal(words.style, model.conditions(f"{style} music").style)
        assert clip.original.beats is None
        assert clip.shifted == ()


def test_they_are_drawn_once(model: Any, settings: Settings, drawn: list[str]) -> None:
    first = replay_clips(model, settings)
    assert drawn == ["rock music", "drum and bass music"]
    assert _same(first, replay_clips(model, settings))
    assert len(drawn) == 2


def test_another_base_draws_its_own_and_keeps_both(model: Any, settings: Settings, drawn: list[str]) -> None:
    replay_clips(model, settings)
    model.facts = dataclasses.replace(model.facts, base_hash="f" * 64)
    replay_clips(model, settings)
    assert len(drawn) == 4
    assert len(list((settings.cache / "replay").iterdir())) == 2


def test_a_style_that_was_not_drawn_then_is_drawn(model: Any, settings: Settings, drawn: list[str]) -> None:
    first = replay_clips(model, settings)
    model.facts = dataclasses.replace(model.facts, own_styles=(*STYLES, "jazz"))
    clips = replay_clips(model, settings)
    assert [clip.clip_id for clip in clips] == ["replay-rock", "replay-drum and bass", "replay-jazz"]
    assert drawn[2:] == ["rock music", "drum and bass music", "jazz music"]
    for before, after in zip(first, clips, strict=False):
        torch.testing.assert_close(before.original.latents, after.original.latents, rtol=0, atol=1e-3)


@pytest.mark.parametrize("damage", ["cut", "empty"])
def test_a_damaged_file_is_made_anew(model: Any, settings: Settings, drawn: list[str], damage: str) -> None:
    first = replay_clips(model, settings)
    file = _file(settings)
    whole = file.read_bytes()
    file.write_bytes(whole[:200] if damage == "cut" else b"")
    assert _same(first, replay_clips(model, settings))
    assert len(drawn) == 4
    assert file.read_bytes() == whole


def test_an_interrupted_drawing_leaves_no_file(model: Any, settings: Settings) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay_clips(model, settings, on_progress=interrupt)
    assert [path for path in settings.cache.rglob("*") if path.is_file()] == []


def test_a_model_without_styles_has_none(small: Any, settings: Settings, drawn: list[str]) -> None:
    small.facts = dataclasses.replace(small.facts, own_styles=())
    assert replay_clips(small, settings) == []
    assert drawn == []
    assert not settings.cache.exists()


def test_its_steps_are_told(model: Any, settings: Settings) -> None:
    told: list[Progress] = []
    replay_clips(model, settings, on_progress=told.append)
    assert {progress.stage for progress in told} == {"drawing the base's own music"}
    assert told[-1].done == told[-1].total == 4 * 16  # 48 frames are 4 blocks of 16 steps each
