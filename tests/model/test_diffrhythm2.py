"""DiffRhythm 2 behind the protocol: what it is told, what it draws, and that LoRA trains it."""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from angen.adapters.lora import LoraSpec, attach, detach
from angen.audio import Audio
from angen.errors import GenerationError, LyricsError, ModelError
from angen.generation import GenerationRequest, generate
from angen.model import ConditionBatch, FlowBatch, SamplerSettings, StyleVector
from angen.model.diffrhythm2 import AsReference, DiffRhythm2
from angen.model.hub import MUQ_MULAN
from angen.model.loading import free_memory
from angen.model.muq import MuqMulan, mean_style, read_style, write_style
from angen.settings import Settings
from angen.workflows.generate import generate_music
from angen.workflows.models import fetch_model, is_accepted, list_models, open_model

FIXTURE = Path(__file__).parent / "fixture"
FAST = SamplerSettings(steps=3, guidance_strength=2.0)


@pytest.fixture(scope="module")
def model():
    return DiffRhythm2(FIXTURE, dtype=torch.float32)


class Tower:
    """The interface of `muq.MuQMuLan`: vectors that depend on every word and every sample."""

    def __call__(self, wavs=None, texts=None):
        if texts is not None:
            rows = [
                torch.tensor([float(sum(map(ord, text)) * k % 97 + 1) for k in range(1, 513)])
                for text in texts
            ]
        else:
            assert wavs.shape[1] >= 240_000
            rows = [wav[: 512 * 468].reshape(-1, 512).mean(0) + 1e-3 for wav in wavs]
        return torch.nn.functional.normalize(torch.stack(rows), dim=1)


@pytest.fixture
def tower():
    return MuqMulan(is_accepted=True, tower=Tower())


def sung(model, *lyrics):
    return [model.conditions("", lyrics=text) for text in lyrics]


def test_conditions_carry_exactly_what_the_model_is_given(model):
    told = model.conditions("sad pop", tempo_bpm=90, lyrics="[Intro]\n[Solo]\n")
    assert told.lyrics == "[start]\n[intro]\n[solo]\n[end]\n"
    assert told.text_ids.tolist() == [500, 511, 502, 511, 507, 511, 501, 511]
    assert told.text == "sad pop, 90 bpm"
    assert not told.style.any()
    assert "not heard by the model" in told.notes[0]


def test_a_network_without_room_for_the_tags_decodes_but_takes_no_lyrics():
    small = DiffRhythm2(FIXTURE)
    small._config["text_num_embeds"] = 100
    with pytest.raises(ModelError, match="knows 100 text ids"):
        small.conditions("pop")
    assert small.decode(torch.zeros(1, 8)).duration_s == pytest.approx(0.2)


def test_words_become_the_style_where_there_is_an_encoder(tower):
    model = DiffRhythm2(FIXTURE, style_encoder=tower)
    told, other = model.conditions("sad pop"), model.conditions("metal")
    assert float(told.style.norm()) == pytest.approx(1)
    assert not torch.equal(told.style, other.style)
    assert told.licences == ("CC-BY-NC-4.0",)
    assert told.notes == ()
    assert model.conditions("").style_source == "none"


def test_a_given_style_wins_over_the_words(tower):
    model = DiffRhythm2(FIXTURE, style_encoder=tower)
    style = StyleVector(torch.ones(512), "mine", ("CC0-1.0",))
    told = model.conditions("sad pop", style=style)
    assert torch.equal(told.style, torch.ones(512))
    assert (told.style_source, told.licences) == ("mine", ("CC0-1.0",))


def test_lines_it_cannot_sing_are_noted_with_their_numbers(model):
    told = model.conditions("", lyrics="[intro]\n\n123\n")
    assert "Line 3" in told.notes[0]


def test_the_embedded_model_refuses_lyrics(small_model):
    with pytest.raises(GenerationError, match="no lyrics"):
        small_model.conditions("pop", lyrics="[verse]\nla\n")


def test_it_refuses_to_encode_and_names_a_way(model):
    with pytest.raises(ModelError, match="without its encoder") as refused:
        model.encode(Audio(np.ones((1, 48_000), np.float32), 48_000))
    assert "inverting its decoder" in refused.value.remedy


def test_a_song_of_a_batch_is_what_it_is_alone(model):
    """The reference gives every song of a batch the first one's past, and ends them on their mean."""
    asked = sung(model, "[intro]\n[inst]\n", "[solo]\n")
    together = model.sample(asked, 4.0, FAST, [1, 2])
    for place, told in enumerate(asked):
        alone = model.sample([told], 4.0, FAST, [place + 1])[0]
        torch.testing.assert_close(together[place], alone, atol=2e-5, rtol=1e-5)


def test_the_seed_decides(model):
    """The reference ignores it."""
    told = sung(model, "")
    one, again, other = (model.sample(told, 2.0, FAST, [seed])[0] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)


def test_times_are_rounded_only_on_request(model):
    told = sung(model, "")
    rounded = DiffRhythm2(FIXTURE, dtype=torch.float32, as_reference=AsReference(half_times=True))
    one, other = (x.sample(told, 2.0, SamplerSettings(steps=7), [1])[0] for x in (model, rounded))
    assert 1e-5 < float((one - other).abs().mean()) < 0.2


def ending(model, drops):
    """A model whose songs are all end frames after their seventh frame."""
    from angen.model import diffrhythm2

    made = DiffRhythm2(FIXTURE, dtype=torch.float32, as_reference=AsReference(drops_last_frame=drops))
    for part in (made.network.transformer.proj_out.weight, made.network.transformer.proj_out.bias):
        part.data.zero_()  # a block is then its noise
    return made, diffrhythm2


@pytest.mark.parametrize(("drops", "frames"), [(False, 7), (True, 6)])
def test_the_last_real_frame_is_lost_only_on_request(monkeypatch, model, drops, frames):
    made, room = ending(model, drops)
    blocks = iter([torch.zeros(5, 8), torch.cat([torch.zeros(2, 8), torch.ones(3, 8)])])
    draw = room.sample_blocks

    def staged(network, *, noise, **how):
        return draw(network, noise=lambda _: next(blocks)[None], **how)

    monkeypatch.setattr(room, "sample_blocks", staged)
    song = made.sample(sung(made, ""), 2.0, SamplerSettings(steps=2, stop_at_end=True), [1])[0]
    assert len(song) == frames


def test_half_precision_weights_draw_nearly_the_same(model):
    half = DiffRhythm2(FIXTURE, dtype=torch.bfloat16)
    told = sung(model, "[solo]\n")
    one, other = (x.sample(told, 4.0, FAST, [1])[0] for x in (model, half))
    assert other.dtype == torch.float32
    assert float((one - other).abs().mean()) < 0.05 * float(one.abs().mean())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("strength", [0.0, 2.0])
def test_the_memory_of_the_past_is_what_is_stated(monkeypatch, dtype, strength):
    """Counted from the tensors: what is kept after the last join, and the same again while joining."""
    from angen.model import sampler

    model, kept, push = DiffRhythm2(FIXTURE, dtype=dtype), [], sampler._Past.push

    def counted(past, block):
        push(past, block)
        assert past.blocks == []  # nothing is kept twice
        text = sum(x.nbytes for pair in past.text for x in pair)
        kept.append(sum(x.nbytes for pair in past.joined for x in pair) - text)

    monkeypatch.setattr(sampler._Past, "push", counted)
    settings = SamplerSettings(steps=1, guidance_strength=strength)
    model.sample(sung(model, "", ""), 4.0, settings, [1, 2])
    blocks = len(kept)
    before_last_s = blocks * model.network.block_frames / model.latent_rate_hz
    assert blocks == 3
    assert model.memory.past(before_last_s, 2, is_guided=strength > 0) == 2 * kept[-1]


def test_a_past_that_does_not_fit_is_refused_before_it_is_drawn(monkeypatch, model):
    from angen.model import diffrhythm2

    told, needed = sung(model, ""), model.memory.past(60.0)
    monkeypatch.setattr(diffrhythm2, "free_memory", lambda _: needed)
    with pytest.raises(GenerationError, match=r"1 x 60 s needs .* are free") as refused:
        model.sample(told, 60.0, FAST, [1])
    assert "shorter" in refused.value.remedy
    assert "for the past of each minute" in str(model.memory)


@pytest.mark.parametrize("asked", [{"form": "verse 8"}, {"ending": True}])
def test_a_form_it_cannot_be_told_is_refused(tmp_path, model, asked):
    with pytest.raises(GenerationError, match="cannot be told a form") as refused:
        generate_music(Settings(tmp_path), model, GenerationRequest("pop", 2.0, **asked))
    assert "[verse]" in refused.value.remedy
    assert not (tmp_path / "outputs").exists()


def test_the_embedded_model_takes_a_form(small_model):
    from angen.generation import request_conditions

    request_conditions(small_model, GenerationRequest("pop", 2.0, form="verse 8", ending=True))


def flow_batch(model, frames=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, frames, model.decoder_config.in_channels)
    clean = torch.randn(shape, generator=generator)
    valid = torch.ones(2, frames, dtype=torch.bool)
    valid[1, -3:] = False
    return FlowBatch(
        clean=clean, valid=valid, beats=None,
        conditions=ConditionBatch.of(sung(model, "[intro]\n[inst]\n", "[solo]\n")),
        times=torch.rand(2, frames // model.network.block_frames, generator=generator),
        noise=torch.randn(shape, generator=generator),
        first_frame=torch.tensor([50, 70]),
    )  # fmt: skip


def test_padding_moves_no_loss(model):
    batch = flow_batch(model)
    before = model.loss(batch)
    batch.clean[1, -3:] = float("nan")
    torch.testing.assert_close(model.loss(batch), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lora_learns_and_the_base_stays(dtype):
    model = DiffRhythm2(FIXTURE, dtype=dtype)
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    wrapped = attach(model.network, LoraSpec(4, 8.0, 0.0, model.facts.lora_targets), seed=0)
    weights = [weight for weight in wrapped.parameters() if weight.requires_grad]
    assert {weight.dtype for weight in weights} == {torch.float32}
    optimiser, batch = torch.optim.AdamW(weights, lr=3e-3), flow_batch(model)
    losses = []
    for _ in range(12):
        loss = model.loss(batch).mean()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    detach(wrapped)
    after = model.network.state_dict()
    assert losses[-1] < 0.8 * losses[0]
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_a_request_with_lyrics_becomes_sound_and_says_what_made_it(tmp_path, tower):
    model = DiffRhythm2(FIXTURE, dtype=torch.float32, style_encoder=tower)
    request = GenerationRequest("sad pop", 3.0, steps=2, lyrics="[intro]\n[solo]\n")
    made = generate_music(Settings(tmp_path), model, request, out=tmp_path / "song.wav")
    kept = json.loads((tmp_path / "song.wav.json").read_text())
    assert made.audio.rate_hz == 48_000
    assert made.audio.samples.shape == (1, 144_000)
    assert kept["licences"] == ["Apache-2.0", "CC-BY-NC-4.0"]
    assert kept["conditions"]["text_ids"] == made.conditions.text_ids.tolist()
    assert kept["conditions"]["lyrics"] == "[start]\n[intro]\n[solo]\n[end]\n"


def test_a_song_that_ends_before_it_begins_is_an_error(monkeypatch, model):
    monkeypatch.setattr(type(model), "sample", lambda *_args, **_how: [torch.zeros(0, 8)])
    with pytest.raises(GenerationError, match="before it began"):
        generate(model, [GenerationRequest("pop", 2.0)])


def test_nobody_hears_through_muq_without_accepting_its_licence(tmp_path):
    settings = Settings(tmp_path)
    with pytest.raises(ModelError, match="CC-BY-NC"):
        MuqMulan(is_accepted=False, tower=Tower())
    for wrong in ("", "MIT"):
        with pytest.raises(ModelError, match="may not be used commercially"):
            fetch_model(settings, "muq-mulan", accepted_licence=wrong)
    assert not is_accepted(settings, MUQ_MULAN)
    assert open_model(settings, str(FIXTURE)).style_encoder is None
    assert {status.id: status.is_ready for status in list_models(settings)}["muq-mulan"] is False


def test_accepting_is_kept(tmp_path):
    settings = Settings(tmp_path)
    with pytest.raises(ModelError):  # its package is not installed, or its weights cannot be fetched here
        fetch_model(settings, "muq-mulan", accepted_licence="cc-by-nc-4.0")
    assert is_accepted(settings, MUQ_MULAN)


def test_style_of_sound_fills_ten_seconds_and_is_a_unit(tower):
    short = Audio(np.random.default_rng(0).normal(size=(2, 48_000)).astype(np.float32) * 0.1, 48_000)
    style = tower.of_audio(short, "the recording a.wav")
    assert float(style.vector.norm()) == pytest.approx(1)
    assert style.licences == ("CC-BY-NC-4.0",)


def test_style_vectors_are_kept_with_their_licence(tmp_path, tower):
    style = tower.of_text("calypso")
    write_style(tmp_path / "s.safetensors", style)
    again = read_style(tmp_path / "s.safetensors")
    assert torch.equal(again.vector, style.vector)
    assert again.licences == style.licences
    np.save(tmp_path / "s.npy", style.vector.numpy())
    assert torch.equal(read_style(tmp_path / "s.npy").vector, style.vector)


def test_a_file_of_other_numbers_is_no_style(tmp_path):
    np.save(tmp_path / "s.npy", np.zeros(10))
    save_file({"a": torch.full((512,), float("nan"))}, tmp_path / "s.safetensors")
    (tmp_path / "t.npy").write_bytes(b"no")
    for name in ("s.npy", "s.safetensors", "t.npy", "missing.npy"):
        with pytest.raises(ModelError):
            read_style(tmp_path / name)


def test_the_mean_style_is_a_unit_between_its_parts(tower):
    parts = [tower.of_text(text) for text in ("calypso", "metal")]
    mean = mean_style(parts, "two")
    assert float(mean.vector.norm()) == pytest.approx(1)
    near = [float(mean.vector @ part.vector) for part in parts]
    assert near[0] == pytest.approx(near[1], abs=1e-5)
    assert mean.licences == ("CC-BY-NC-4.0",)
    with pytest.raises(ModelError, match="no style vector"):
        mean_style([], "none")


def test_lyrics_without_a_reader_stop_before_anything_is_drawn(model, monkeypatch):
    from angen.model import phones

    def refuse(_text):
        raise phones.needed("en")

    monkeypatch.setattr(phones, "_READERS", {"en": refuse, "zh": refuse})
    with pytest.raises(LyricsError, match="phonemizer"):
        model.conditions("pop", lyrics="[verse]\nhello\n")


RELEASED = {
    "dim": 2048, "depth": 16, "heads": 16, "ff_mult": 4, "mel_dim": 8, "text_num_embeds": 1000, "block_size": 10,
}  # fmt: skip


@pytest.mark.slow
def test_the_released_size_loads_and_takes_a_training_step(tmp_path, capsys):
    """1.08 billion random weights in bfloat16, from a file, on a processor."""
    from angen.model.loading import on_meta, shapes_of
    from angen.model.network import FlowNetwork

    free = free_memory(torch.device("cpu"))
    if free is None or free < 12e9:
        pytest.skip(f"needs 12 GB of free memory; {(free or 0) / 1e9:.1f} GB are free")
    for name in ("decoder.json", "decoder.bin"):
        (tmp_path / name).symlink_to(FIXTURE / name)
    (tmp_path / "model.json").write_text(json.dumps(RELEASED))
    shapes = shapes_of(on_meta(lambda: FlowNetwork(RELEASED)))
    noise = (torch.randn(2**20) / 2048**0.5).bfloat16()
    tensors = {
        key: noise.repeat(-(-torch.Size(shape).numel() // len(noise)))[: torch.Size(shape).numel()].view(
            shape
        )
        for key, shape in shapes.items()
    }
    save_file(tensors, tmp_path / "model.safetensors")
    del tensors
    gc.collect()
    model = DiffRhythm2(tmp_path, dtype=torch.bfloat16)
    began = time.perf_counter()
    wrapped = attach(model.network, LoraSpec(16, 32.0, 0.0, ("q_proj", "v_proj")), seed=0)
    loaded = time.perf_counter()
    weights = [weight for weight in wrapped.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=1e-4)
    batch = FlowBatch(
        clean=torch.randn(1, 20, 8), valid=torch.ones(1, 20, dtype=torch.bool), beats=None,
        conditions=ConditionBatch.of(sung(model, "")), times=torch.rand(1, 2), noise=torch.randn(1, 20, 8),
    )  # fmt: skip
    loss = model.loss(batch).mean()
    loss.backward()
    optimiser.step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # the making of the file included
    with capsys.disabled():
        sys.stdout.write(
            f"\nload {loaded - began:.1f} s, step {time.perf_counter() - loaded:.1f} s, peak {peak / 1e9:.2f} GB\n"
        )
    assert peak < 10e9
    assert model.memory.network == pytest.approx(2.157e9, rel=0.01)
    assert sum(weight.numel() for weight in weights) == 2_097_152  # q and v at rank 16
    assert bool(torch.isfinite(loss))
    assert all(weight.grad is None or bool(weight.grad.isfinite().all()) for weight in weights)
    assert any(
        float(weight.detach().abs().max()) > 0
        for name, weight in wrapped.named_parameters()
        if "lora_B" in name
    )
