import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from angen.audio import Audio
from angen.errors import GenerationError, ModelError
from angen.model import AngenTiny, ConditionBatch, Conditions, FlowBatch, SamplerSettings, load_model
from angen.model import tiny as tiny_room
from angen.model.beats import beat_features
from angen.model.form import form_features
from angen.model.precision import keep_freed_memory
from angen.model.tiny import WEIGHTS

FAST = SamplerSettings(steps=2, guidance_strength=1.0)


@pytest.fixture(scope="module")
def packaged():
    return load_model()


# Opening


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_missing_file_is_named(small_model_folder, tmp_path, name):
    folder = shutil.copytree(small_model_folder, tmp_path / "model", symlinks=True)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"lacks {name}"):
        AngenTiny(folder)


@pytest.mark.parametrize("name", [name for name in WEIGHTS if name.endswith(".safetensors")])
def test_a_damaged_file_is_named(small_model_folder, tmp_path, name):
    folder = shutil.copytree(small_model_folder, tmp_path / "model", symlinks=True)
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=name):
        AngenTiny(folder)


def test_an_unknown_model_is_refused():
    with pytest.raises(ModelError, match="angen-huge"):
        load_model("angen-huge")


def test_nothing_of_the_base_can_be_trained(small_model):
    parts = (small_model.network, small_model.codec, small_model.style_encoder)
    assert not any(weight.requires_grad or part.training for part in parts for weight in part.parameters())


# Facts


def test_facts_are_the_same_whenever_the_files_are(small_model, small_model_folder):
    facts = small_model.facts
    assert facts == AngenTiny(small_model_folder).facts
    assert (facts.rate_hz, facts.latent_rate_hz) == (24000, 12.5)
    assert (facts.latent_channels, facts.block_frames, facts.crop_blocks, facts.history_blocks) == (
        8,
        4,
        3,
        2,
    )


@pytest.mark.parametrize(
    ("name", "codec_differs"), [("style.safetensors", False), ("codec.safetensors", True)]
)
def test_other_weights_have_another_hash(small_model, small_model_folder, tmp_path, name, codec_differs):
    folder = shutil.copytree(small_model_folder, tmp_path / "model", symlinks=True)
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    facts = AngenTiny(folder).facts
    assert facts.base_hash != small_model.facts.base_hash
    assert (facts.codec_hash != small_model.facts.codec_hash) == codec_differs


def test_the_packaged_model_has_the_layers_adapters_ask_for(packaged):
    names = {name.rsplit(".", 1)[-1] for name, _ in packaged.network.named_modules()}
    assert set(packaged.facts.lora_targets) <= names
    assert packaged.facts.latent_channels == packaged.network.transformer.mel_dim == packaged.codec.channels


def test_guidance_is_that_of_its_configuration_and_the_level_that_of_its_music(small_model_folder, tmp_path):
    folder = shutil.copytree(small_model_folder, tmp_path / "model", symlinks=True)
    config = json.loads((folder / "model.json").read_text())
    assert AngenTiny(folder).facts.guidance == 1.5
    (folder / "model.json").write_text(json.dumps(config | {"guidance": 2.25}))
    facts = AngenTiny(folder).facts
    assert (facts.guidance, facts.level) == (2.25, 0.12)
    assert len(set(facts.own_styles)) == len(facts.own_styles) > 0


# What is told of each frame


def test_beats_and_form_lie_side_by_side(small_model):
    sections = [("verse", 0.0), ("chorus", 1.0)]
    told = small_model.beats([0, 0.5, 1.0], [0, 1.0], 30, start_s=0.2, sections=sections, ends_s=2.0)
    assert (told.shape, told.dtype) == ((30, 17), torch.float32)
    grid = beat_features([0, 0.5, 1.0], [0, 1.0], 30, 12.5, start_s=0.2)
    form = form_features(sections, 30, 12.5, ends_s=2.0, start_s=0.2)
    np.testing.assert_array_equal(told.numpy(), np.concatenate([grid, form], axis=1))
    assert not small_model.beats([0, 0.5, 1.0], [0, 1.0], 30)[:, 7:].any()
    assert not small_model.beats([], [], 30).any()


@pytest.mark.parametrize("how", [{"sections": [("chorus", 0.0)]}, {"ends_s": 0.3}], ids=str)
def test_the_form_is_heard(small_model, how):
    asked, grid = [small_model.conditions("calypso")], ([0, 0.5], [0, 2.0], 8)
    plain, told = (
        small_model.sample(asked, 0.64, FAST, [1], beats=small_model.beats(*grid, **form)[None])[0]
        for form in ({}, how)
    )
    assert float((plain - told).abs().max()) > 1e-3


# Sound


def test_recordings_of_any_rate_and_channel_count_are_encoded(small_model):
    time_s = np.arange(48000) / 48000
    tone = np.sin(2 * np.pi * 440 * time_s).astype(np.float32)
    stereo = Audio(np.stack([tone, 0.5 * tone]), 48000)
    latents = small_model.encode(stereo)
    assert latents.shape == (13, 8)  # 12.5 frames a second, the last one begun
    mono = stereo.mono().resampled(24000)
    torch.testing.assert_close(latents, small_model.encode(mono), rtol=0, atol=1e-3)


def test_encoded_music_can_be_trained_on(small_model):
    latents = small_model.encode(Audio(np.zeros((1, 24000), np.float32), 24000))
    weight = torch.ones(8, requires_grad=True)
    (latents * weight).sum().backward()  # a tensor of inference mode would refuse
    assert weight.grad is not None


def test_decoded_sound_is_mono_and_within_full_scale(small_model):
    audio = small_model.decode(50 * torch.randn(6, 8, generator=torch.Generator().manual_seed(0)))
    assert (audio.channels, audio.rate_hz, audio.samples.dtype) == (1, 24000, np.float32)
    assert audio.samples.shape[1] == 6 * 1920
    assert np.abs(audio.samples).max() <= 1


@pytest.mark.parametrize("gain", [0.25, 4.0])
def test_what_is_too_loud_is_made_softer_and_not_clipped(small_model, monkeypatch, gain):
    wave = gain * torch.linspace(-0.5, 0.5, 1920)[None]
    monkeypatch.setattr(small_model.codec, "decode", lambda latents: wave)
    samples = small_model.decode(torch.zeros(1, 8)).samples
    np.testing.assert_allclose(samples, wave.numpy() / max(gain / 2, 1), atol=1e-6)


# Conditions


def test_conditions_of_a_prompt(small_model):
    asked = small_model.conditions("calypso with steel drums, 112 bpm")
    assert asked.text == "calypso with steel drums, 112 bpm"
    assert asked.tempo_bpm == 112
    assert asked.style.shape == (512,)
    assert not asked.style.requires_grad
    assert asked.text_ids.dtype == torch.int64
    again = small_model.conditions("calypso with steel drums, 112 bpm")
    assert torch.equal(asked.style, again.style)
    assert torch.equal(asked.text_ids, again.text_ids)


def test_a_tempo_given_wins_over_the_one_stated(small_model):
    stated, given = (small_model.conditions("blues, 90 bpm", tempo_bpm=tempo) for tempo in (None, 140.0))
    assert (stated.tempo_bpm, given.tempo_bpm) == (90, 140)
    assert not torch.equal(stated.style, given.style)


def test_an_empty_prompt_is_a_prompt(small_model):
    asked = small_model.conditions("")
    assert asked.text_ids.tolist() == [1]
    assert asked.tempo_bpm is None
    assert bool(torch.isfinite(asked.style).all())


def test_every_known_word_has_a_row_in_the_network(packaged):
    prompts = " ".join(packaged.vocabulary.words)
    assert (
        len(packaged.vocabulary.words) + 2
        <= packaged.network.transformer.text_embed.text_embed.num_embeddings
    )
    assert max(packaged.vocabulary.ids(prompts)) >= 2


def made(ids, style):
    return Conditions("", None, torch.tensor(ids), torch.full((512,), style))


def test_conditions_are_padded_on_the_right_with_the_filler():
    batch = ConditionBatch.of([made([1, 5], 0.5), made([1, 5, 6, 7], 1.5)])
    assert batch.text_ids.tolist() == [[1, 5, 0, 0], [1, 5, 6, 7]]
    assert batch.text_valid.tolist() == [[True, True, False, False], [True] * 4]
    assert batch.style[:, 0].tolist() == [0.5, 1.5]


def test_dropped_conditions_are_the_null_condition_of_the_sampler():
    batch = ConditionBatch.of([made([1, 5], 0.5), made([1, 5, 6], 1.5)])
    dropped = batch.dropped(torch.tensor([False, True]))
    assert dropped.text_ids.tolist() == [[1, 5, 0], [0, 0, 0]]
    assert torch.equal(dropped.text_valid, batch.text_valid)  # as long as the prompt was
    assert dropped.style[:, 0].tolist() == [0.5, 0.0]
    assert not dropped.style[1].any()
    assert batch.text_ids[1].tolist() == [1, 5, 6]


# Loss


@pytest.fixture
def batch(small_model):
    generator = torch.Generator().manual_seed(0)
    conditions = [small_model.conditions(prompt) for prompt in ("slow calypso with drums", "metal")]
    return FlowBatch(
        clean=torch.randn(2, 12, 8, generator=generator),
        valid=torch.arange(12) < torch.tensor([[12], [7]]),
        beats=torch.stack([small_model.beats([0, 0.5], [0, 2], 12)] * 2),
        conditions=ConditionBatch.of(conditions),
        times=torch.rand(2, 3, generator=generator),
        noise=torch.randn(2, 12, 8, generator=generator),
        first_frame=torch.tensor([0, 24]),
    )


@pytest.fixture
def learning(small_model_folder, monkeypatch):
    """The small model in float32 with gradients everywhere: its loss, and what it does to every weight."""
    from contextlib import nullcontext

    monkeypatch.setattr(tiny_room, "autocast", nullcontext)
    model = AngenTiny(small_model_folder)
    model.network.requires_grad_(True)

    def answer(batch):
        model.network.zero_grad()
        loss = model.loss(batch)
        loss.sum().backward()
        return loss.detach(), {name: weight.grad.clone() for name, weight in model.network.named_parameters()}

    return answer


def dirty_frames(batch, value):
    return torch.where(batch.valid[..., None], batch.clean, value)


def dirty_text(batch):
    ids = batch.conditions.text_ids
    return replace(batch.conditions, text_ids=torch.where(batch.conditions.text_valid, ids, 33))


@pytest.mark.parametrize(
    "dirty",
    [
        lambda batch: {"clean": dirty_frames(batch, 1e6)},
        lambda batch: {"clean": dirty_frames(batch, float("nan"))},
        lambda batch: {
            "clean": dirty_frames(batch, float("inf")),
            "context": dirty_frames(batch, float("nan")),
        },
        lambda batch: {"noise": torch.where(batch.valid[..., None], batch.noise, 50.0)},
        lambda batch: {"beats": torch.where(batch.valid[..., None], batch.beats, 9.0)},
        lambda batch: {"conditions": dirty_text(batch)},
    ],
    ids=["large", "nan", "inf and context", "noise", "beats", "text"],
)
def test_dirt_in_the_padding_moves_neither_the_loss_nor_a_gradient(learning, batch, dirty):
    loss, gradients = learning(batch)
    dirty_loss, dirty_gradients = learning(replace(batch, **dirty(batch)))
    assert bool(torch.isfinite(loss).all())
    assert sum(bool(gradient.any()) for gradient in gradients.values()) > 20
    torch.testing.assert_close(dirty_loss, loss, rtol=0, atol=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(dirty_gradients[name], gradient, rtol=0, atol=1e-6)


def test_the_loss_of_an_item_does_not_depend_on_its_neighbours(learning, batch):
    together, _ = learning(batch)
    conditions = batch.conditions
    alone, _ = learning(
        FlowBatch(
            clean=batch.clean[1:, :8],
            valid=batch.valid[1:, :8],
            beats=batch.beats[1:, :8],
            conditions=ConditionBatch(
                conditions.text_ids[1:, :2], conditions.text_valid[1:, :2], conditions.style[1:]
            ),
            times=batch.times[1:, :2],
            noise=batch.noise[1:, :8],
            first_frame=batch.first_frame[1:],
        )
    )
    torch.testing.assert_close(alone[0], together[1], rtol=0, atol=1e-5)


def test_the_loss_is_that_of_the_velocity_from_noise_to_music(small_model, batch, monkeypatch):
    monkeypatch.setattr(small_model.network, "forward", lambda **asked: batch.clean - batch.noise)
    assert torch.equal(small_model.loss(batch), torch.zeros(2))
    monkeypatch.setattr(small_model.network, "forward", lambda **asked: batch.clean - batch.noise + 0.5)
    torch.testing.assert_close(small_model.loss(batch), torch.full((2,), 0.25))


def test_the_context_is_what_later_blocks_see_and_not_what_they_learn(small_model, batch, monkeypatch):
    seen = {}

    def spy(**asked):
        seen.update(asked)
        return torch.zeros_like(batch.clean)

    monkeypatch.setattr(small_model.network, "forward", spy)
    plain = small_model.loss(batch)
    changed = small_model.loss(replace(batch, context=batch.clean + 3))
    assert torch.equal(plain, changed)
    assert torch.equal(seen["clean"][0], batch.clean[0] + 3)
    share = batch.times[0].repeat_interleave(4)[:, None]
    torch.testing.assert_close(seen["noisy"][0], share * batch.clean[0] + (1 - share) * batch.noise[0])
    assert torch.equal(seen["times"][0], share[:, 0])


# Sampling


def test_a_seed_gives_the_same_start_whatever_the_batch_and_the_length(small_model):
    one, other = small_model.conditions("slow calypso with drums, 112 bpm"), small_model.conditions("metal")
    together = small_model.sample([one, other], 0.9, FAST, [3, 4])
    for number, asked in enumerate([one, other]):
        (alone,) = small_model.sample([asked], 0.9, FAST, [3 + number])
        torch.testing.assert_close(alone, together[number], rtol=0, atol=1e-4)
    (longer,) = small_model.sample([one], 1.8, FAST, [3])
    torch.testing.assert_close(longer[: len(together[0])], together[0], rtol=0, atol=1e-4)


def test_the_same_seed_is_the_same_song_and_another_is_another(small_model):
    asked = [small_model.conditions("calypso")]
    torch.manual_seed(1)
    first = small_model.sample(asked, 0.5, FAST, [3])[0]
    torch.manual_seed(2)
    assert torch.equal(small_model.sample(asked, 0.5, FAST, [3])[0], first)
    assert not torch.equal(small_model.sample(asked, 0.5, FAST, [4])[0], first)


@pytest.mark.parametrize(("seconds", "frames"), [(0.01, 1), (0.08, 1), (0.081, 2), (0.8, 10), (1.6, 20)])
def test_a_song_is_as_long_as_asked_to_the_frame(small_model, seconds, frames):
    song = small_model.sample([small_model.conditions("calypso")], seconds, FAST, [1])[0]
    assert song.shape == (frames, 8)
    assert bool(torch.isfinite(song).all())


def test_every_piece_needs_its_seed(small_model):
    with pytest.raises(GenerationError, match="2 pieces"):
        small_model.sample([small_model.conditions("calypso")] * 2, 1.0, FAST, [1])


@pytest.mark.parametrize(("contrast", "told"), [(0.75, -0.75), (None, 0.0)])
def test_guidance_leads_away_from_the_opposite_of_the_key(
    small_model_folder, tmp_path, monkeypatch, contrast, told
):
    folder, seen = shutil.copytree(small_model_folder, tmp_path / "model", symlinks=True), {}
    config = json.loads((folder / "model.json").read_text())
    added = {} if contrast is None else {"key_contrast": contrast}
    (folder / "model.json").write_text(json.dumps(config | added))
    model = AngenTiny(folder)
    monkeypatch.setattr(tiny_room, "sample_blocks", lambda network, **asked: seen.update(asked) or [])
    features = torch.rand(1, 10, 41)
    model.sample([model.conditions("calypso")], 0.8, FAST, [1], beats=features)
    led_from = seen["null_beats"][:, :10]
    assert torch.equal(led_from[..., :7], features[..., :7])
    assert not led_from[..., 7:17].any()
    torch.testing.assert_close(led_from[..., 17:], told * features[..., 17:])


def test_a_network_that_knows_no_keys_is_led_away_from_the_form_alone(small_model, monkeypatch):
    seen = {}
    monkeypatch.setattr(tiny_room, "sample_blocks", lambda network, **asked: seen.update(asked) or [])
    features = torch.rand(1, 10, 17)
    small_model.sample([small_model.conditions("calypso")], 0.8, FAST, [1], beats=features)
    assert torch.equal(seen["null_beats"][:, :10, :7], features[..., :7])
    assert not seen["null_beats"][:, :10, 7:].any()


@pytest.mark.parametrize("frames", [4, 5, 6])
def test_beats_are_heard_and_need_not_fill_the_last_block(small_model, frames):
    asked = [small_model.conditions("calypso")]
    beats = small_model.beats([0, 0.5, 1.0], [0, 2.0], frames)[None]
    with_beats = small_model.sample(asked, frames / 12.5, FAST, [1], beats=beats)[0]
    without = small_model.sample(asked, frames / 12.5, FAST, [1])[0]
    assert with_beats.shape == without.shape
    assert float((with_beats - without).abs().max()) > 1e-3


def test_memory_is_kept_only_where_glibc_is(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert keep_freed_memory() is False


def test_more_words_than_the_network_has_rows_for_are_refused(small_model_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(small_model_folder, folder, symlinks=True)
    words = json.loads((folder / "words.json").read_text())
    (folder / "words.json").unlink()
    (folder / "words.json").write_text(json.dumps([*words, *(f"more{n}" for n in range(100))]))
    with pytest.raises(ModelError, match=rf"words\.json .* goes to id {len(words) + 101}"):
        AngenTiny(folder)
