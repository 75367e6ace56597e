from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from angen.adapters.lora import AppliedAdapter, LoraSpec, attach, detach, save_adapter, trainable
from angen.audio import Audio
from angen.errors import AdapterError, GenerationError
from angen.generation import LONGEST_S, GenerationRequest, generate, sample_latents
from angen.model import AngenTiny
from angen.progress import Progress

RATE_HZ = 24_000


@pytest.fixture(scope="module")
def model() -> AngenTiny:
    return AngenTiny()


@pytest.fixture(scope="module")
def adapter(model: AngenTiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that acts, as one that was trained."""
    folder = tmp_path_factory.mktemp("adapter")
    wrapped = attach(model.network, LoraSpec(4, 8.0, 0.0, model.facts.lora_targets), seed=0)
    source = torch.Generator().manual_seed(1)
    for weight in trainable(wrapped).values():
        weight.data = 0.05 * torch.randn(weight.shape, generator=source)
    save_adapter(wrapped, folder)
    detach(wrapped)
    model.network.requires_grad_(False)
    return folder


def _request(
    prompt: str = "happy calypso with steel drums", seconds: float = 2.0, **how: Any
) -> GenerationRequest:
    return GenerationRequest(prompt, seconds, steps=2, **how)


def _one(model: AngenTiny, request: GenerationRequest, *adapters: AppliedAdapter) -> Audio:
    return generate(model, [request], adapters)[0]


def _same(one: Audio, other: Audio) -> bool:
    return one.rate_hz == other.rate_hz and np.array_equal(one.samples, other.samples)


class TestRequest:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("prompt", ""),
            ("prompt", " \n"),
            ("seconds", 0.99),
            ("seconds", LONGEST_S + 0.01),
            ("seconds", math.nan),
            ("seed", -1),
            ("seed", 2**63),
            ("tempo_bpm", 29.9),
            ("tempo_bpm", 301.0),
            ("tempo_bpm", 0.0),
            ("tempo_bpm", math.nan),
            ("steps", 0),
            ("steps", 201),
            ("guidance", -0.1),
            ("guidance", 21.0),
            ("guidance", math.nan),
            ("noise_scale", 0.0),
            ("noise_scale", 3.1),
        ],
    )
    def test_a_value_out_of_range_is_refused_by_name(self, name: str, value: Any) -> None:
        with pytest.raises(GenerationError, match=f"^{name} is "):
            GenerationRequest(**{"prompt": "calypso", name: value})

    def test_values_at_the_edge_are_taken(self) -> None:
        GenerationRequest("a", 1.0, 0, 30.0, 1, 0.0, 0.1)
        GenerationRequest("a", LONGEST_S, 2**63 - 1, 300.0, 200, 20.0, 3.0)

    def test_a_form_that_is_none_is_refused(self) -> None:
        with pytest.raises(GenerationError, match="'refrain 8' is no section"):
            GenerationRequest("calypso", form="verse 8, refrain 8")

    def test_everything_in_it_is_kept(self) -> None:
        request = GenerationRequest("calypso", 12.5, 7, 99.0, 8, 2.0, 1.1, "verse 8, outro 4", True)
        assert GenerationRequest(**request.as_dict()) == request


class TestLength:
    @pytest.mark.parametrize("seconds", [1.0, 1.92, 1.9200001, 1.00002, 2.3456789, 3.841, math.pi])
    def test_it_is_exact_to_the_sample(self, model: AngenTiny, seconds: float) -> None:
        audio = _one(model, GenerationRequest("calypso", seconds, steps=1, guidance=0.0))
        assert audio.rate_hz == RATE_HZ
        assert audio.samples.shape == (1, round(seconds * RATE_HZ))
        assert np.isfinite(audio.samples).all()
        assert np.abs(audio.samples).max() <= 1


class TestSeed:
    def test_the_same_gives_the_same_and_another_another(self, model: AngenTiny) -> None:
        music = _one(model, _request(seed=3))
        assert _same(music, _one(model, _request(seed=3)))
        assert not _same(music, _one(model, _request(seed=4)))
        assert music.samples.std() > 1e-3

    def test_a_batch_is_its_pieces_one_by_one(self, model: AngenTiny) -> None:
        requests = [
            _request(seed=1, tempo_bpm=100.0),
            _request("slow blues", seed=2),
            _request("techno, 130 bpm, with a very long list of words: piano, bass, drums", seed=1),
        ]
        for piece, request in zip(generate(model, requests), requests, strict=True):
            alone = _one(model, request)
            assert piece.samples.shape == alone.samples.shape
            np.testing.assert_allclose(piece.samples, alone.samples, atol=1e-3)

    def test_global_randomness_has_no_part_in_it(self, model: AngenTiny) -> None:
        torch.manual_seed(1)
        music = _one(model, _request())
        state = torch.get_rng_state()
        torch.manual_seed(2)
        assert _same(music, _one(model, _request()))
        torch.manual_seed(1)
        assert torch.equal(state, torch.get_rng_state())


class TestAdapters:
    def test_one_changes_the_music_and_leaves_the_base_as_it_was(
        self, model: AngenTiny, adapter: Path
    ) -> None:
        before = {name: value.clone() for name, value in model.network.state_dict().items()}
        base = _one(model, _request())
        changed = _one(model, _request(), AppliedAdapter(adapter))
        half = _one(model, _request(), AppliedAdapter(adapter, 0.5))
        assert not _same(base, changed)
        assert not _same(base, half)
        assert not _same(changed, half)
        assert _same(base, _one(model, _request()))
        after = model.network.state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(value, after[name]) for name, value in before.items())

    def test_strength_0_is_the_base_bit_for_bit(self, model: AngenTiny, adapter: Path) -> None:
        base = _one(model, _request())
        assert _same(base, _one(model, _request(), AppliedAdapter(adapter, 0.0)))

    def test_one_that_is_not_there_is_refused_and_harms_nothing(
        self, model: AngenTiny, tmp_path: Path
    ) -> None:
        base = _one(model, _request())
        with pytest.raises(AdapterError):
            _one(model, _request(), AppliedAdapter(tmp_path))
        assert _same(base, _one(model, _request()))

    def test_one_is_taken_out_again_when_generation_fails(self, model: AngenTiny, adapter: Path) -> None:
        base = _one(model, _request())

        def interrupt(_: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            generate(model, [_request()], [AppliedAdapter(adapter)], on_progress=interrupt)
        assert _same(base, _one(model, _request()))


class TestTempo:
    def test_one_in_the_prompt_acts_as_one_that_is_given(self, model: AngenTiny) -> None:
        stated = _one(model, _request("calypso, 112 bpm"))
        assert _same(stated, _one(model, _request("calypso, 112 bpm", tempo_bpm=112.0)))

    def test_one_that_is_given_wins(self, model: AngenTiny) -> None:
        stated = _one(model, _request("calypso, 112 bpm"))
        assert not _same(stated, _one(model, _request("calypso, 112 bpm", tempo_bpm=90.0)))

    def test_it_reaches_the_model_as_words_and_as_a_grid(
        self, model: AngenTiny, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tempi: list[float | None] = []
        grids: list[tuple[float, float, int]] = []
        conditions, beats = model.conditions, model.beats

        def watch_words(prompt: str, *, tempo_bpm: float | None = None) -> Any:
            tempi.append(tempo_bpm)
            return conditions(prompt, tempo_bpm=tempo_bpm)

        def watch_grid(beats_s: Any, downbeats_s: Any, frames: int, **form: Any) -> Any:
            step = float(np.diff(beats_s)[0]) if len(beats_s) else 0.0
            bar = float(np.diff(downbeats_s)[0]) if len(downbeats_s) > 1 else 0.0
            grids.append((step, bar, frames))
            return beats(beats_s, downbeats_s, frames, **form)

        monkeypatch.setattr(model, "conditions", watch_words)
        monkeypatch.setattr(model, "beats", watch_grid)
        for request in (_request("calypso, 120 bpm", 5.0), _request(tempo_bpm=60.0, seconds=9.0), _request()):
            sample_latents(model, [request])
        assert tempi == [120.0, 60.0, None]
        assert grids[0] == (pytest.approx(0.5), pytest.approx(2.0), 72)  # 62.5 frames in whole blocks of 24
        assert grids[1] == (pytest.approx(1.0), pytest.approx(4.0), 120)
        assert grids[2] == (0.0, 0.0, 48)


class TestForm:
    @pytest.mark.parametrize("how", [{"form": "verse 1, chorus 1"}, {"ending": True}], ids=str)
    def test_it_is_heard(self, model: AngenTiny, how: dict[str, Any]) -> None:
        assert not _same(_one(model, _request()), _one(model, _request(**how)))

    def test_it_reaches_the_model_in_seconds_a_row_a_request(
        self, model: AngenTiny, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        forms: list[Any] = []
        drawn: list[torch.Tensor] = []
        beats, sample = model.beats, model.sample

        def watch_form(*grid: Any, sections: Any, ends_s: Any, key: str | None) -> Any:
            forms.append((sections, ends_s, key))
            return beats(*grid, sections=sections, ends_s=ends_s, key=key)

        def watch_rows(*asked: Any, beats: torch.Tensor, **how: Any) -> Any:
            drawn.append(beats)
            return sample(*asked, beats=beats, **how)

        monkeypatch.setattr(model, "beats", watch_form)
        monkeypatch.setattr(model, "sample", watch_rows)
        requests = [
            _request("calypso, 240 bpm", 4.0, form="verse 1, chorus 1"),
            _request("calypso, 240 bpm", 4.0, ending=True),
            _request("calypso in Bb minor", 4.0),
        ]
        sample_latents(model, requests)
        assert forms == [
            ([("verse", 0.0), ("chorus", 2.0)], None, None),
            ([("outro", 0.0)], 2.5, None),
            ([], None, "A# minor"),
        ]
        (rows,) = drawn
        assert rows.shape == (3, 72, 41)
        assert not bool(rows[2, :, :17].any())
        assert bool(rows[2, :, 17:].any(1).all())
        assert bool(rows[:2, :, 7:17].any(2).any(1).all())
        assert not bool(rows[:2, :, 17:].any())


class TestSettings:
    @pytest.mark.parametrize("other", [{"steps": 3}, {"guidance": 3.0}, {"noise_scale": 0.8}], ids=str)
    def test_each_changes_the_music(self, model: AngenTiny, other: dict[str, Any]) -> None:
        usual = {"steps": 2, "guidance": 1.5}
        one, two = (_one(model, GenerationRequest("calypso", 2.0, **{**usual, **how})) for how in ({}, other))
        assert not _same(one, two)

    def test_the_noise_level_is_the_models_own_unless_it_is_set(self, model: AngenTiny) -> None:
        own = model.facts.noise_scale
        assert _same(_one(model, _request()), _one(model, _request(noise_scale=own)))

    def test_so_is_the_guidance(self, model: AngenTiny) -> None:
        own = model.facts.guidance
        assert own > 0
        assert _same(_one(model, _request()), _one(model, _request(guidance=own)))
        assert not _same(_one(model, _request()), _one(model, _request(guidance=0.0)))

    def test_requests_that_differ_where_they_must_agree_are_refused(self, model: AngenTiny) -> None:
        for other in ({"seconds": 3.0}, {"guidance": 2.0}, {"noise_scale": 0.9}):
            with pytest.raises(GenerationError, match="2 kinds"):
                generate(model, [_request(), _request(**other)])

    def test_no_request_is_refused(self, model: AngenTiny) -> None:
        with pytest.raises(GenerationError, match="0 requests"):
            generate(model, [])

    def test_every_step_of_every_block_is_told(self, model: AngenTiny) -> None:
        told: list[Progress] = []
        generate(model, [_request(seconds=3.0)], on_progress=told.append, stage="playing")
        assert [(progress.done, progress.total) for progress in told] == [(n, 4) for n in range(1, 5)]
        assert {progress.stage for progress in told} == {"playing"}
