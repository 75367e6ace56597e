from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from angen.adapters.lora import AppliedAdapter
from angen.analysis import frechet_distance, style_features
from angen.dataset import Dataset
from angen.progress import Progress
from angen.workflows.compare import Comparison, compare_adapter, load_style_space, pull, wanted_prompts
from angen.workflows.latents import levelled_clip

MakeDataset = Callable[..., Dataset]
MakeAdapter = Callable[..., Path]


def _compare(small: Any, dataset: Dataset, folder: Path, **how: Any) -> Comparison:
    how = {"pieces": 4, "seconds": 2.0, **how}
    return compare_adapter(small, dataset, AppliedAdapter(folder / "best", how.pop("strength", 1.0)), **how)


def test_both_sides_are_asked_for_the_same(
    small: Any, make_dataset: MakeDataset, make_adapter: MakeAdapter
) -> None:
    dataset = make_dataset(prefix="steel drums", tempo_bpm=111.0)
    found = _compare(small, dataset, make_adapter(small), noise_scale=0.9, first_seed=7)
    assert [request.seed for request in found.requests] == [7, 8, 9, 10]
    assert {(request.prompt, request.tempo_bpm) for request in found.requests} == {("steel drums", 111.0)}
    assert len(found.base) == len(found.adapter) == 4
    assert found.windows >= 4
    for one, other in zip(found.base, found.adapter, strict=True):
        assert one.samples.shape == other.samples.shape == (1, 48_000)
        assert not np.array_equal(one.samples, other.samples)


@pytest.mark.parametrize("how", [{"noise_scale": 0.8}, {"guidance": 3.0}], ids=str)
def test_noise_and_guidance_act_on_the_side_of_the_adapter_alone(
    small: Any, make_dataset: MakeDataset, make_adapter: MakeAdapter, how: dict[str, float]
) -> None:
    dataset, folder = make_dataset(), make_adapter(small)
    plain, tuned = (_compare(small, dataset, folder, pieces=1, **given) for given in ({}, how))
    (request,) = tuned.requests
    assert (request.noise_scale, request.guidance) == (None, None)
    assert np.array_equal(plain.base[0].samples, tuned.base[0].samples)
    assert not np.array_equal(plain.adapter[0].samples, tuned.adapter[0].samples)
    own = {"noise_scale": small.facts.noise_scale, "guidance": small.facts.guidance}
    given = _compare(small, dataset, folder, pieces=1, **own)
    assert np.array_equal(plain.adapter[0].samples, given.adapter[0].samples)


def test_prompts_are_one_a_song_at_its_tempo(make_dataset: MakeDataset) -> None:
    assert (
        wanted_prompts(make_dataset("named", prefix="steel drums", tempo_bpm=111.0))
        == [("steel drums", 111.0)] * 3
    )
    described = make_dataset("described", genre="zydeco", tempo_bpm=None)
    assert wanted_prompts(described) == [("zydeco", None)] * 3
    clip = described.clips[0]
    longer = dataclasses.replace(
        described, clips=[clip.model_copy(update={"tempo_bpm": 80.0}), clip, *described.clips]
    )
    assert wanted_prompts(longer) == [("zydeco, 80 bpm", 80.0), ("zydeco", None), ("zydeco", None)]


def test_without_words_of_the_user_each_songs_own_prompt_is_asked_for(
    small: Any, make_dataset: MakeDataset, make_adapter: MakeAdapter
) -> None:
    dataset = make_dataset(genre="zydeco", tempo_bpm=111.0)
    found = _compare(small, dataset, make_adapter(small), pieces=1)
    assert [request.prompt for request in found.requests] == ["zydeco, 111 bpm"]
    nothing = make_dataset("nothing", tempo_bpm=None)
    assert _compare(small, nothing, make_adapter(small, "b"), pieces=1).requests[0].prompt == "music"


def test_an_adapter_that_does_not_act_is_as_far_as_the_base(
    small: Any, make_dataset: MakeDataset, make_adapter: MakeAdapter
) -> None:
    found = _compare(small, make_dataset(), make_adapter(small), strength=0.0)
    assert found.distance_adapter == found.distance_base > 0


def test_distances_are_those_of_the_music_to_the_clips(
    small: Any, make_dataset: MakeDataset, make_adapter: MakeAdapter
) -> None:
    dataset = make_dataset()
    found = _compare(small, dataset, make_adapter(small))
    space = load_style_space()
    clips = [levelled_clip(dataset, clip, small.facts) for clip in dataset.clips]
    own, coded, base, adapter = (
        space.project(np.concatenate([style_features(audio) for audio in music]))
        for music in (clips, [small.decode(small.encode(clip)) for clip in clips], found.base, found.adapter)
    )
    assert found.distance_base == pytest.approx(frechet_distance(base, own))
    assert found.distance_adapter == pytest.approx(frechet_distance(adapter, own))
    assert found.distance_codec == pytest.approx(frechet_distance(coded, own))
    assert found.distance_floor >= 0
    assert found.windows == len(base)


def test_its_stages_are_told(small: Any, make_dataset: MakeDataset, make_adapter: MakeAdapter) -> None:
    told: list[Progress] = []
    _compare(small, make_dataset(), make_adapter(small), pieces=1, on_progress=told.append)
    assert list(dict.fromkeys(progress.stage for progress in told)) == [
        "generating, base",
        "generating, adapter",
        "encoding",
        "measuring",
    ]
    assert (told[-1].done, told[-1].total) == (3, 3)


def test_latents_are_measured_as_they_are(
    small: Any, make_dataset: MakeDataset, make_adapter: MakeAdapter
) -> None:
    dataset = make_dataset()
    found = _compare(small, dataset, make_adapter(small))
    own = np.concatenate(
        [small.encode(levelled_clip(dataset, clip, small.facts)).numpy() for clip in dataset.clips]
    )
    base, adapter = (
        np.concatenate([piece.latents for piece in side]) for side in (found.drawn_base, found.drawn_adapter)
    )
    assert found.latent_base == pytest.approx(frechet_distance(base, own), rel=1e-3)
    assert found.latent_adapter == pytest.approx(frechet_distance(adapter, own), rel=1e-3)
    assert found.latent_floor < found.latent_base


def test_pull_is_the_share_of_the_way_to_the_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {1: np.array([[0.0, 0.0]]), 2: np.array([[1.0, 3.0]]), 3: np.array([[4.0, 0.0]])}
    monkeypatch.setattr("angen.workflows.compare.project", lambda space, music: places[music[0]])
    centre = np.array([4.0, 0.0])
    for piece, expected in ((1, 0.0), (2, 0.25), (3, 1.0)):
        assert pull([1], [piece], centre) == pytest.approx(expected)  # type: ignore[list-item]
