from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from angen.adapters.lora import AppliedAdapter, applied
from angen.analysis import frechet_distance, style_features
from angen.dataset import Dataset
from angen.errors import AdapterError
from angen.generation import GenerationRequest, sample_latents
from angen.progress import Progress
from angen.training import TrainingClip
from angen.workflows import calibrate as calibrating
from angen.workflows.calibrate import Calibration, calibrate
from angen.workflows.compare import load_style_space
from angen.workflows.latents import levelled_clip, training_clips

MakeDataset = Callable[..., Dataset]
MakeAdapter = Callable[..., Path]
Sampler = Callable[..., list[torch.Tensor]]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrating, "PIECES", 3)


@pytest.fixture
def run(small: Any, make_dataset: MakeDataset, make_adapter: MakeAdapter) -> Callable[..., Calibration]:
    """Calibrate an adapter on a dataset of three songs: `run(prefix=..., on_progress=...)`."""

    def start(prefix: str = "steel drums", **how: Any) -> Calibration:
        dataset = make_dataset(prefix=prefix, tempo_bpm=111.0)
        clips = training_clips(small, dataset, "train")
        return calibrate(small, make_adapter(small) / "best", dataset, clips, **how)

    return start


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sampler], list[list[GenerationRequest]]]:
    """Put another sampler into its place, and see what it is asked for."""

    def put(sampler: Sampler) -> list[list[GenerationRequest]]:
        asked: list[list[GenerationRequest]] = []

        def watched(model: Any, requests: Sequence[GenerationRequest]) -> list[torch.Tensor]:
            asked.append(list(requests))
            return sampler(model, requests)

        monkeypatch.setattr(calibrating, "sample_latents", watched)
        return asked

    return put


class TestGuidance:
    @pytest.mark.parametrize("best", calibrating.GUIDANCES)
    def test_the_one_whose_music_is_nearest_to_the_clips_is_chosen(
        self, small: Any, run: Callable[..., Calibration], draw: Any, best: float
    ) -> None:
        """The sampler hands out the clips themselves at one guidance, and noise at all others."""

        def sampler(_: Any, requests: Sequence[GenerationRequest]) -> list[torch.Tensor]:
            if requests[0].guidance == best:
                return [small.encode(audio) for audio in small.encoded[:2]]
            noise = torch.Generator().manual_seed(0)
            return [3 * torch.randn(24, 96, generator=noise) for _ in requests]

        draw(sampler)
        found = run()
        assert found.guidance == best
        distances = dict(found.distances)
        assert list(distances) == list(calibrating.GUIDANCES)
        assert min(distances, key=distances.__getitem__) == best

    def test_its_distances_are_those_of_the_adapters_music_to_the_clips(
        self,
        small: Any,
        make_dataset: MakeDataset,
        make_adapter: MakeAdapter,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(calibrating, "GUIDANCES", (1.0,))
        monkeypatch.setattr(calibrating, "NOISE_SCALES", (1.0,))
        dataset, folder = make_dataset(prefix="steel drums", tempo_bpm=111.0), make_adapter(small) / "best"
        found = calibrate(small, folder, dataset, training_clips(small, dataset, "train"))
        requests = [
            GenerationRequest("steel drums", 1.92, seed, tempo_bpm=111.0, guidance=1.0) for seed in range(3)
        ]
        with applied(small.network, [AppliedAdapter(folder)]):
            music = [small.decode(latents) for latents in sample_latents(small, requests)]
        clips = [levelled_clip(dataset, record, small.facts) for record in dataset.side("train")]
        made, real = (
            load_style_space().project(np.concatenate([style_features(audio) for audio in side]))
            for side in (music, clips)
        )
        assert found.distances == ((1.0, pytest.approx(frechet_distance(made, real), abs=0.051)),)


class TestNoise:
    @pytest.mark.parametrize("best", calibrating.NOISE_SCALES)
    def test_the_one_that_comes_nearest_to_the_level_of_the_clips_is_chosen(
        self,
        small: Any,
        run: Callable[..., Calibration],
        draw: Any,
        best: float,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The sampler's level is its noise, and the clips lie nearest to one of those."""
        monkeypatch.setattr(calibrating, "GUIDANCES", (0.5,))
        usual = small.encode

        def levelled(audio: Any) -> torch.Tensor:
            latents = usual(audio)
            return latents * (2.0 * (best + 0.02) / latents.square().mean().sqrt())

        monkeypatch.setattr(small, "encode", levelled)
        asked = draw(
            lambda _, requests: [2.0 * (x.noise_scale or 1.0) * torch.ones(24, 96) for x in requests]
        )
        found = run()
        assert (found.noise_scale, found.guidance) == (best, 0.5)
        tried = [{request.noise_scale for request in requests} for requests in asked]
        assert tried == [{None}, *({scale} for scale in calibrating.NOISE_SCALES)]
        assert {request.guidance for requests in asked for request in requests} == {0.5}


class TestRequests:
    def test_they_are_what_the_user_will_ask_for(self, run: Callable[..., Calibration], draw: Any) -> None:
        asked = draw(lambda _, requests: [torch.ones(24, 96) for _ in requests])
        run("steel drums")
        everything = [request for requests in asked for request in requests]
        assert {(x.prompt, x.tempo_bpm) for x in everything} == {("steel drums", 111.0)}
        assert {x.seconds for x in everything} == {1.92}  # a crop: 2 blocks of 12 frames
        for requests in asked:
            assert [request.seed for request in requests] == [0, 1, 2]


class TestTheModel:
    def test_it_is_the_base_again(
        self, small: Any, run: Callable[..., Calibration], draw: Any, make_dataset: MakeDataset
    ) -> None:
        before = {name: value.clone() for name, value in small.network.state_dict().items()}

        def sampler(model: Any, requests: Sequence[GenerationRequest]) -> list[torch.Tensor]:
            assert model.network.state_dict().keys() != before.keys()  # the adapter acts
            return [torch.ones(24, 96) for _ in requests]

        draw(sampler)
        run()
        after = small.network.state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(value, after[name]) for name, value in before.items())

    def test_an_adapter_that_is_not_there_is_refused(
        self, small: Any, make_dataset: MakeDataset, tmp_path: Path
    ) -> None:
        dataset = make_dataset()
        clips: list[TrainingClip] = training_clips(small, dataset, "train")
        with pytest.raises(AdapterError):
            calibrate(small, tmp_path / "nowhere", dataset, clips)

    def test_every_setting_is_told(self, run: Callable[..., Calibration], draw: Any) -> None:
        draw(lambda _, requests: [torch.ones(24, 96) for _ in requests])
        told: list[Progress] = []
        run(on_progress=told.append)
        total = len(calibrating.GUIDANCES) + len(calibrating.NOISE_SCALES)
        assert [(step.stage, step.done, step.total) for step in told] == [
            ("calibrating", number, total) for number in range(total + 1)
        ]
        assert [step.note for step in told][:2] == ["guidance 0", "guidance 1"]
        assert told[len(calibrating.GUIDANCES)].note == "noise 0.9"
