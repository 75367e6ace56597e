"""The architecture against what the public program computed, to 1e-5.

`ANGEN_PARITY_FIXTURE` names another folder of the same layout to compare with.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from angen.model.bigvgan import (
    Decoder,
    DecoderConfig,
    decode_as_reference,
    lowpass_filter,
    read_decoder_weights,
    widened,
)
from angen.model.diffrhythm2 import AsReference, DiffRhythm2
from angen.model.dit import rotary_table
from angen.model.layout import block_mask, training_forward
from angen.model.network import load_network
from angen.model.phones import TAG_IDS, ids_as_reference, segments
from angen.model.sampler import SamplerSettings, sample_blocks

FIXTURE = Path(os.environ.get("ANGEN_PARITY_FIXTURE", Path(__file__).parent / "fixture"))
ENDS = ("three_frames", "one_frame", "whole_first_block", "whole_second_block", "too_far", "none")


@pytest.fixture(scope="module")
def network():
    return load_network(FIXTURE)


@pytest.fixture(scope="module")
def known():
    return load_file(FIXTURE / "reference.safetensors")


@pytest.fixture(scope="module")
def facts():
    return json.loads((FIXTURE / "reference.json").read_text())


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_state_dict_has_exactly_the_keys_and_shapes_of_the_release(network, facts):
    ours = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert ours == facts["model_keys"]
    assert sum(weight.numel() for weight in network.parameters()) == facts["model_params"]


def test_time_embedding(network, known):
    embed = network.transformer.time_embed
    close(embed.sinusoid(known["time_embed.in"]), known["time_embed.sinusoid"])
    close(embed(known["time_embed.in"]), known["time_embed.out"])


def test_rotary_angles_far_into_a_song(network, known):
    frequencies = known["rope.inv_freq"]
    angles = torch.cat([frequencies, frequencies]) * 4096  # exact: a power of two
    cos, sin = rotary_table(torch.tensor([0, 4096]), network.transformer.head_dim)
    close(cos[0, 0, 1], angles.cos())
    close(sin[0, 0, 1], angles.sin())


@pytest.fixture(scope="module")
def full(network, known):
    transformer = network.transformer
    tokens = torch.cat(
        [transformer.embed_text(known["full.text"]), transformer.embed_latents(known["full.latent"])], dim=1
    )
    return tokens, known["full.style"], known["full.time"], known["full.position_ids"]


def test_tokens(full, known):
    close(full[0], known["full.x_embedded"])


def test_one_pass(network, full, known):
    close(network.transformer(*full)[0], known["full.out"])


def test_hidden_states(network, full, known):
    transformer = network.transformer
    states = transformer.hidden_states(*full)
    blocks = len(transformer.transformer_blocks)
    assert len(states) == blocks + 1
    close(states[0], known["full.hidden.input_embed"])
    for index in range(blocks):
        close(states[index + 1], known[f"full.hidden.block{index}"])
    time = transformer.time_embed(known["full.time"])
    close(transformer.norm_out(states[-1], time), known["full.hidden.norm_out"])


def test_representation_heads(network, full, known):
    transformer = network.transformer
    read = transformer.hidden_states(*full)[transformer.repa_depth]
    assert len(transformer.projectors) == sum(key.startswith("full.repa") for key in known)
    for index, head in enumerate(transformer.projectors):
        close(head(read), known[f"full.repa{index}"])


def test_the_mask_of_the_training_layout(network, known):
    text = torch.ones(known["train.text"].shape, dtype=torch.bool)
    frames = torch.ones(known["train.clean"].shape[:2], dtype=torch.bool)
    assert torch.equal(block_mask(text, frames, network.block_frames)[0, 0], known["train.mask"])


def test_every_row_of_the_training_layout(network, known):
    transformer = network.transformer
    tokens = torch.cat(
        [
            transformer.embed_text(known["train.text"]),
            transformer.embed_latents(known["train.clean"]),
            transformer.embed_latents(known["train.noisy"]),
        ],
        dim=1,
    )
    out, _ = transformer(
        tokens, known["train.style"], known["train.time"], known["train.position_ids"], known["train.mask"]
    )
    close(out, known["train.out"])


def test_the_training_forward(network, known):
    frames = known["train.clean"].shape[1]
    velocity = training_forward(
        network.transformer,
        text_ids=known["train.text"],
        text_valid=torch.ones(known["train.text"].shape, dtype=torch.bool),
        clean=known["train.clean"],
        noisy=known["train.noisy"],
        times=known["train.block_time"].repeat_interleave(network.block_frames)[None],
        style=known["train.style"],
        frame_valid=torch.ones(1, frames, dtype=torch.bool),
        block_frames=network.block_frames,
    )
    close(velocity, known["train.out"][:, -frames:])


def draw(network, known, noise, settings, *, text=None, times=None, **how):
    ids = known["sample.text"] if text is None else text
    return sample_blocks(
        network.transformer,
        text_ids=ids,
        text_valid=torch.ones(ids.shape, dtype=torch.bool),
        style=known["sample.style"],
        frames=len(noise) * network.block_frames,
        block_frames=network.block_frames,
        settings=settings,
        noise=lambda block: noise[block],
        time_grid=torch.cat([known["sample.times"], torch.ones(1)]) if times is None else times,
        **how,
    )[0]


def euler_steps(facts):
    return facts["cases"]["sample"]["steps"] - 1  # the reference counts grid points


def test_the_sampler_step_by_step(network, known, facts):
    prompted, null = known["sample.pred_cond"], known["sample.pred_null"]
    met = []

    def on_velocity(block, step, velocity):
        ours = velocity.chunk(2)
        close(ours[0], prompted[block, step])
        close(ours[1], null[block, step])
        met.append((block, step))

    settings = SamplerSettings(
        steps=euler_steps(facts), guidance_strength=facts["cases"]["sample"]["cfg_strength"]
    )
    song = draw(network, known, known["sample.noise"], settings, on_velocity=on_velocity)
    assert met == [(block, step) for block in range(prompted.shape[0]) for step in range(prompted.shape[1])]
    close(song[None], known["sample.out"])


def test_our_own_time_grid_is_that_of_the_reference(network, known, facts):
    settings = SamplerSettings(
        steps=euler_steps(facts), guidance_strength=facts["cases"]["sample"]["cfg_strength"]
    )
    ids = known["sample.text"]
    song = sample_blocks(
        network.transformer,
        text_ids=ids,
        text_valid=torch.ones(ids.shape, dtype=torch.bool),
        style=known["sample.style"],
        frames=known["sample.out"].shape[1],
        block_frames=network.block_frames,
        settings=settings,
        noise=lambda block: known["sample.noise"][block],
    )[0]
    close(song[None], known["sample.out"])


def test_the_sampler_without_guidance(network, known, facts):
    settings = SamplerSettings(steps=euler_steps(facts), guidance_strength=0)
    close(draw(network, known, known["sample.noise"], settings)[None], known["sample.out_cfg0"])


def test_the_sampler_without_text(network, known, facts):
    settings = SamplerSettings(
        steps=euler_steps(facts), guidance_strength=facts["cases"]["sample"]["cfg_strength"]
    )
    song = draw(network, known, known["sample.noise"][:1], settings, text=known["sample.text"][:, :0])
    close(song[None], known["sample.out_notext_1block"])


@pytest.fixture(scope="module")
def still_network(network):
    """With no velocity anywhere a block equals its noise."""
    still = copy.deepcopy(network)
    torch.nn.init.zeros_(still.transformer.proj_out.weight)
    torch.nn.init.zeros_(still.transformer.proj_out.bias)
    return still


@pytest.mark.parametrize("case", ENDS)
def test_a_song_ends_where_the_reference_ends_it(still_network, known, facts, case):
    settings = SamplerSettings(
        steps=euler_steps(facts), guidance_strength=0, stop_at_end=True, keep_last_frame=False
    )
    song = draw(still_network, known, known[f"eos.{case}.noise"], settings)
    assert len(song) == facts["cases"][f"eos.{case}"]["frames_out"]
    close(song[None], known[f"eos.{case}.out"])


@pytest.mark.parametrize("case", ENDS)
def test_the_last_real_frame_is_kept_on_request(still_network, known, facts, case):
    settings = SamplerSettings(steps=1, guidance_strength=0, stop_at_end=True)
    noise = known[f"eos.{case}.noise"]
    song = draw(still_network, known, noise, settings, times=torch.tensor([0.0, 1.0]))
    theirs = facts["cases"][f"eos.{case}"]["frames_out"]
    nothing_dropped = theirs in (0, len(noise) * still_network.block_frames)
    assert len(song) == theirs + (not nothing_dropped)


def test_the_sampler_with_times_rounded_as_in_the_half_precision_run(network, known, facts):
    """The times make most of that run's difference; what is left is the rounding of its weights and sums."""
    rounded = copy.deepcopy(network)
    rounded.transformer.time_embed.rounds_as_half = True
    times = torch.cat([known["sample_fp16.times"].float(), torch.ones(1)])
    settings = SamplerSettings(
        steps=euler_steps(facts), guidance_strength=facts["cases"]["sample"]["cfg_strength"]
    )
    theirs = known["sample_fp16.out"].float()
    ours = draw(rounded, known, known["sample.noise"], settings, times=times)[None]
    assert float((ours - theirs).abs().mean()) < 5e-3
    plain = facts["cases"]["sample_fp16"]["mean_abs_vs_fp32"]
    assert float((ours - theirs).abs().mean()) < plain or plain < 5e-3


def test_rotary_frequencies_rounded_as_in_the_half_precision_run(network, known):
    frequencies = known["sample_fp16.inv_freq"].float()
    cos, _ = rotary_table(torch.tensor([1]), network.transformer.head_dim, rounds_as_half=True)
    close(cos[0, 0, 0], torch.cat([frequencies, frequencies]).cos())


@pytest.fixture(scope="module")
def decoder(facts):
    decoder = Decoder(DecoderConfig.of(json.loads((FIXTURE / "decoder.json").read_text()), "decoder.json"))
    decoder.load_state_dict(read_decoder_weights(FIXTURE / "decoder.bin"))
    return decoder.eval().requires_grad_(False)


def test_the_decoder_has_exactly_the_weights_of_the_release_folded(decoder, facts):
    stored = facts["decoder_keys"]
    theirs = {key.removesuffix("_v"): shape for key, shape in stored.items() if not key.endswith(".weight_g")}
    assert {key: list(value.shape) for key, value in decoder.state_dict().items()} == theirs


def test_the_filter_of_the_activations(decoder, known):
    for name in ("up", "down"):
        close(lowpass_filter().view(1, 1, -1), known[f"act.filter_{name}"])


def test_an_activation(decoder, known):
    close(decoder.resblocks[0].activations[0](known["decoder.act.in"]), known["decoder.act.out"])


def test_the_decoder_stage_by_stage(decoder, known):
    first = decoder.conv_pre(known["decoder.forward.in"])
    close(first, known["decoder.forward.conv_pre"])
    close(decoder.ups[0][0](first), known["decoder.forward.up0"])
    close(decoder(known["decoder.forward.in"]), known["decoder.forward.out"])


def test_decoding_in_the_windows_of_the_reference(decoder, known, facts):
    cases = [
        key.removesuffix(".in") for key in known if key.startswith("decode_audio.") and key.endswith(".in")
    ]
    assert cases
    for case in cases:
        sound = decode_as_reference(decoder, known[f"{case}.in"][0].T)
        close(sound[:: facts["cases"][case]["stride"]][None, None], known[f"{case}.out_strided"])


def test_two_channels_of_one(known):
    close(widened(known["fake_stereo.in"][0], 48_000), known["fake_stereo.out"])


def test_the_model_matches_the_reference_from_its_folder(known, facts):
    """All of it through the door: decoding in windows, two channels, as a sound."""
    model = DiffRhythm2(FIXTURE, as_reference=AsReference(windowed_decoding=True, stereo=True))
    cases = [key for key in known if key.startswith("decode_audio.") and key.endswith(".in")]
    case = min(
        cases, key=lambda key: known[key].shape[-1]
    )  # all are decoded above; one is enough for the door
    audio = model.decode(known[case][0].T)
    stride = facts["cases"][case.removesuffix(".in")]["stride"]
    close(torch.tensor(audio.samples[0, ::stride])[None, None], known[case.replace(".in", ".out_strided")])
    late = int(0.01 * audio.rate_hz)
    close(torch.tensor(audio.samples[1, late:]), 0.8 * torch.tensor(audio.samples[0, :-late]))


def test_structure_tags_and_their_ids(facts):
    assert {f"[{tag}]": number for tag, number in TAG_IDS.items()} == facts["struct_ids"]


def test_lyrics_to_ids_as_the_reference_does_it_defects_included(facts):
    for case in facts["parse_lyrics"]:
        ids = ids_as_reference(case["text"], lambda line: [ord(char) % 300 + 1 for char in line])
        assert ids == case["tokens_with_fake_encoder"], case["text"]


def test_the_languages_of_a_line(facts):
    for case in facts["language_segments"]:
        theirs = [tuple(part) for part in case["segments"] if part[1] != "other"]
        assert segments(case["text"]) == theirs, case["text"]
