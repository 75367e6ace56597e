"""A distilled encoder: its sizes, its file, that it learns, and that a run stopped goes on as if it had not."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from angen.errors import ModelError
from angen.model.distilled import (
    EncoderShape,
    augmented,
    encoder_for,
    encoder_hash,
    read_encoder,
    write_encoder,
)
from angen.model.distilling import Distilling, DistilSettings, Pair
from angen.model.latent_statistics import LatentStatistics
from angen.model.open_decoder import OpenDecoder

RATE_HZ, HOP, CHANNELS, FRAMES = 8000, 400, 3, 30
SETTINGS = DistilSettings(
    steps=60, batch_size=4, window_s=1.0, learning_rate=3e-3, dim=32, depth=1, fine_depth=1, checkpoint_every=20,
    cycle_every=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def toy():
    """Each channel is the strength of a tone; latents move slowly."""
    time_s = torch.arange(HOP) / RATE_HZ
    tones = torch.stack([torch.sin(2 * torch.pi * hz * time_s) for hz in (400, 1000, 2600)])

    def decode(latents):
        return (0.1 * torch.exp(0.5 * latents) @ tones).flatten(1)

    decoder = OpenDecoder(decode, RATE_HZ, HOP, CHANNELS, "a" * 64)
    generator = torch.Generator().manual_seed(0)
    pieces = []
    for _ in range(12):
        rows = [torch.randn(CHANNELS, generator=generator)]
        for _ in range(FRAMES - 1):
            rows.append(0.7 * rows[-1] + 0.7 * torch.randn(CHANNELS, generator=generator))
        pieces.append(torch.stack(rows))
    pairs = [Pair(piece, (decode(piece[None])[0] * 32767).round().to(torch.int16)) for piece in pieces]
    return decoder, pairs, LatentStatistics.of(pieces)


def training(toy, settings=SETTINGS, sounds=()):
    decoder, pairs, statistics = toy
    encoder = encoder_for(decoder, statistics, dim=settings.dim, depth=1, fine_depth=1, seed=settings.seed)
    return Distilling(decoder, encoder, statistics, pairs[2:], list(sounds), settings)


@pytest.mark.parametrize(
    ("rate_hz", "hop", "patch"), [(48_000, 9600, 20), (24_000, 1920, 8), (24_000, 4800, 20), (8000, 7, 1)]
)
def test_a_latent_frame_is_a_whole_number_of_hundredths_nearly(rate_hz, hop, patch):
    assert EncoderShape(8, rate_hz, hop).patch == patch
    assert hop % patch == 0


def test_pieces_are_as_whole(toy):
    decoder, _, statistics = toy
    encoder = encoder_for(decoder, statistics, dim=32, depth=2, fine_depth=1, seed=0).eval()
    sound = 0.1 * torch.randn(41 * HOP - 3, generator=torch.Generator().manual_seed(1))
    whole, pieces = encoder.encode(sound, chunk_frames=1000), encoder.encode(sound, chunk_frames=7)
    assert whole.shape == (41, CHANNELS)
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=1e-5)


def test_it_learns_the_way_back(toy, tmp_path):
    work = training(toy, dataclasses.replace(SETTINGS, steps=150))
    before = work.error(toy[1][:2])
    assert work.run(tmp_path / "training.safetensors")
    assert work.error(toy[1][:2]) < 0.3 < 0.8 < before


def test_a_run_that_stopped_goes_on_as_if_it_had_not(toy, tmp_path):
    sounds = [0.1 * torch.randn(3 * RATE_HZ, generator=torch.Generator().manual_seed(2))]
    how = dataclasses.replace(SETTINGS, steps=12, cycle_every=3, checkpoint_every=5)
    whole = training(toy, how, sounds)
    assert whole.run(tmp_path / "whole.safetensors")
    file, stops = tmp_path / "parts.safetensors", iter([False] * 6 + [True] * 3)
    first = training(toy, how, sounds)
    assert not first.run(file, should_stop=lambda: next(stops))
    assert first.step == 7
    second = training(toy, how, sounds)
    assert second.load(file)
    assert second.step == 7
    assert second.run(file)
    for key, value in whole.encoder.state_dict().items():
        assert torch.equal(second.encoder.state_dict()[key], value), key
    assert not training(toy, dataclasses.replace(how, seed=1), sounds).load(file)
    assert not training(toy, how).load(file)  # without the recordings it is another training
    file.write_bytes(file.read_bytes()[:500])
    assert not training(toy, how, sounds).load(file)


def test_recordings_are_heard_where_there_are_some(toy, tmp_path):
    how = dataclasses.replace(SETTINGS, steps=2, cycle_every=1)
    sounds = [0.1 * torch.randn(2 * RATE_HZ, generator=torch.Generator().manual_seed(2))]
    works = [training(toy, how), training(toy, how, sounds)]
    for number, work in enumerate(works):
        work.run(tmp_path / f"{number}.safetensors")
    assert encoder_hash(works[0].encoder) != encoder_hash(works[1].encoder)


def test_an_encoder_is_read_as_it_was_written_and_by_its_decoder_only(toy, tmp_path):
    decoder, _, statistics = toy
    encoder, file = (
        encoder_for(decoder, statistics, dim=32, depth=1, fine_depth=0, seed=3),
        tmp_path / "e.safetensors",
    )
    write_encoder(file, encoder, decoder.decoder_hash)
    again = read_encoder(file, decoder)
    assert again.shape == encoder.shape
    assert encoder_hash(again) == encoder_hash(encoder)
    with pytest.raises(ModelError, match="another decoder"):
        read_encoder(file, dataclasses.replace(decoder, decoder_hash="b" * 64))
    file.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be read") as refused:
        read_encoder(file, decoder)
    assert "distil-encoder" in refused.value.remedy


def test_samples_shorter_than_a_window_are_refused(toy):
    with pytest.raises(ModelError, match="as long as a window of 9 s"):
        training(toy, dataclasses.replace(SETTINGS, window_s=9.0))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"learning_rate": 0.0}, {"cycle": float("nan")}, {"dim": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ModelError, match=next(iter(wrong))):
        DistilSettings(**wrong)


def test_what_is_added_is_small_and_drawn(toy):
    sound = 0.1 * torch.sin(torch.arange(8000) / 5)[None]
    one, again, other = (augmented(sound, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert float((one - sound).abs().max()) < 0.05
