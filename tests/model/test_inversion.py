"""Latents found again: the loss, the prior, the windows, and the search on decoders small enough to wait for."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.errors import ModelError
from angen.model import bigvgan
from angen.model.diffrhythm2 import DiffRhythm2
from angen.model.inversion import CHECK_EVERY, InversionSettings, invert, window_spans
from angen.model.latent_statistics import LatentStatistics
from angen.model.open_decoder import OpenDecoder, open_decoder
from angen.model.sound_loss import SoundLoss, magnitudes, mel_filters, signal_to_noise_db

RATE_HZ, HOP, CHANNELS = 8000, 160, 6
QUICK = InversionSettings(steps=200, restarts=1, window_s=1.0, context_s=0.04, prior=0.0, learning_rate=0.2)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def toy():
    """A decoder of one layer: every frame adds its own waves, three hops long."""
    filters = 0.1 * noise(CHANNELS, 1, 3 * HOP, seed=1)
    asked = []

    def decode(latents):
        asked.append(latents.detach())
        sound = torch.nn.functional.conv_transpose1d(
            latents.transpose(1, 2), filters, stride=HOP, padding=HOP
        )
        return torch.tanh(sound[:, 0])

    decoder = OpenDecoder(decode, RATE_HZ, HOP, CHANNELS, "0" * 64)
    return decoder, asked


@pytest.fixture(scope="module")
def statistics():
    step = 0.8
    rows = [noise(CHANNELS)]
    for row in noise(4000, CHANNELS, seed=2):
        rows.append(step * rows[-1] + math.sqrt(1 - step**2) * row)
    return LatentStatistics.of([2 * torch.stack(rows) + 1])


class TestSoundLoss:
    def test_a_sound_is_no_way_from_itself_and_further_the_more_noise_is_added(self):
        loss, sound = SoundLoss(RATE_HZ), 0.1 * noise(1, RATE_HZ)
        levels = [0.0, 0.01, 0.1]
        told = [loss.distances(sound + k * noise(1, RATE_HZ, seed=1), loss.hear(sound)) for k in levels]
        assert float(told[0].wave) == float(told[0].spectra) == float(told[0].mel) == 0
        for name in ("wave", "spectra", "mel"):
            values = [float(getattr(each, name)) for each in told]
            assert values[0] < values[1] < values[2]

    def test_twice_as_loud_is_ln_2_in_mel(self):
        loss, sound = SoundLoss(RATE_HZ), 0.1 * noise(1, RATE_HZ)
        told = loss.distances(2 * sound, loss.hear(sound))
        assert float(told.mel) == pytest.approx(math.log(2), rel=0.02)
        assert float(told.wave) == pytest.approx(1.0)

    def test_a_full_sine_has_magnitude_one(self):
        time_s = torch.arange(RATE_HZ) / RATE_HZ
        found = magnitudes(torch.sin(2 * math.pi * 1000 * time_s)[None], 512)
        assert float(found[..., 5:-5].max()) == pytest.approx(1.0, abs=0.01)

    def test_filters_are_means_over_their_bins(self):
        filters = mel_filters(48_000, 2048)
        reaching = filters.sum(1) > 0
        torch.testing.assert_close(filters.sum(1)[reaching], torch.ones(int(reaching.sum())))
        assert int(reaching.sum()) > 70

    def test_sounds_of_a_batch_do_not_meet(self):
        loss, sounds = SoundLoss(RATE_HZ), 0.1 * noise(3, RATE_HZ)
        made = 0.1 * noise(3, RATE_HZ, seed=1)
        whole = loss.distances(made, loss.hear(sounds))
        alone = loss.distances(made[1:2], loss.hear(sounds).rows([1]))
        torch.testing.assert_close(whole.spectra[1:2], alone.spectra)

    def test_signal_to_noise_is_what_was_mixed(self):
        target = noise(10_000)
        assert signal_to_noise_db(1.1 * target, target) == pytest.approx(20.0, abs=1e-3)


class TestStatistics:
    def test_a_process_is_known_again(self, statistics):
        torch.testing.assert_close(statistics.mean, torch.ones(CHANNELS), atol=0.5, rtol=0)
        torch.testing.assert_close(statistics.step, 0.8 * torch.eye(CHANNELS), atol=0.06, rtol=0)
        torch.testing.assert_close(statistics.deviation, 2 * torch.ones(CHANNELS), atol=0.4, rtol=0)

    def test_own_draws_depart_by_one_the_mean_by_nothing_and_noise_in_its_movement(self, statistics):
        drawn = statistics.draw(3000, torch.Generator().manual_seed(1))[None]
        place, news = statistics.departures(drawn)
        assert float(place) == pytest.approx(1, abs=0.15)
        assert float(news) == pytest.approx(1, abs=0.15)
        place, news = statistics.departures(statistics.mean.expand(1, 20, -1))
        assert float(place) == float(news) == 0
        white = statistics.mean + statistics.deviation * noise(1, 3000, CHANNELS)
        assert float(statistics.departures(white)[1]) > 3

    def test_too_little_to_learn_from_is_said(self):
        with pytest.raises(ModelError, match="say too little of 6 channels"):
            LatentStatistics.of([noise(5, CHANNELS)])


@settings(max_examples=60)
@given(st.integers(1, 400), st.floats(1.0, 20.0), st.floats(0.0, 0.45))
def test_windows_keep_every_frame_once_with_its_context(frames, window_s, share):
    how = InversionSettings(window_s=window_s, context_s=share * window_s)
    spans = window_spans(frames, 5.0, how)
    kept = [frame for span in spans for frame in range(span.start, span.stop)]
    assert kept == list(range(frames))
    context = max(1, round(how.context_s * 5)) if how.context_s else 0
    for span in spans:
        assert span.first == max(0, span.start - context)
        assert span.last == min(frames, span.stop + context)


class TestSearch:
    def test_a_sound_the_decoder_made_is_found_again(self, toy, statistics):
        decoder, _ = toy
        true = statistics.draw(40, torch.Generator().manual_seed(3))
        sound = decoder.decode(true[None])[0]
        how = dataclasses.replace(QUICK, steps=200, min_gain=0.0, context_s=0.1, window_s=0.7)
        found = invert(decoder, sound, statistics, how)
        assert found is not None
        assert found.latents.shape == true.shape
        assert signal_to_noise_db(decoder.decode(found.latents[None])[0], sound) > 20
        assert float((found.latents - true).square().mean() / true.var()) < 0.02
        assert found.loss < 0.1 * found.start_loss

    def test_nearer_starts_end_nearer_and_a_tether_holds(self, toy, statistics):
        decoder, _ = toy
        true = statistics.draw(20, torch.Generator().manual_seed(3))
        start = true + 0.3 * noise(*true.shape)
        sound = decoder.decode(true[None])[0]
        few = dataclasses.replace(QUICK, steps=30)
        free, held = (
            invert(decoder, sound, statistics, dataclasses.replace(few, tether=tether), start=start)
            for tether in (0.0, 100.0)
        )
        moved = [float((found.latents - start).square().mean()) for found in (free, held)]
        assert moved[1] < 0.2 * moved[0]
        assert free.start_loss < 1.0 < invert(decoder, sound, statistics, few).start_loss

    def test_the_prior_draws_latents_to_the_usual(self, toy, statistics):
        decoder, _ = toy
        sound = 0.3 * noise(30 * HOP, seed=5)  # nothing this decoder makes
        news = []
        for prior in (0.0, 0.3):
            how = dataclasses.replace(QUICK, steps=60, prior=prior)
            found = invert(decoder, sound, statistics, how)
            news.append(float(statistics.departures(found.latents[None])[1]))
        assert news[1] < 0.5 * news[0]

    def test_it_ends_when_nothing_more_is_gained(self, toy, statistics):
        decoder, _ = toy
        sound = decoder.decode(statistics.mean.expand(1, 20, -1))[0]
        found = invert(decoder, sound, statistics, dataclasses.replace(QUICK, steps=400, min_gain=0.5))
        assert found.steps == 2 * CHECK_EVERY

    def test_the_best_start_goes_on(self, toy, statistics):
        decoder, _ = toy
        true = statistics.draw(20, torch.Generator().manual_seed(4))
        sound = decoder.decode(true[None])[0]
        how = dataclasses.replace(QUICK, steps=50, min_gain=0.0, restarts=3)
        found = invert(decoder, sound, statistics, how)
        one = invert(decoder, sound, statistics, dataclasses.replace(how, restarts=1))
        assert (found.steps, one.steps) == (3 * 10 + 40, 50)
        assert found.loss <= one.loss * 1.01

    def test_the_same_seed_finds_the_same(self, toy, statistics):
        decoder, _ = toy
        sound = 0.1 * noise(20 * HOP)
        how = dataclasses.replace(QUICK, steps=15, restarts=2)
        one, again = (invert(decoder, sound, statistics, how) for _ in range(2))
        other = invert(decoder, sound, statistics, dataclasses.replace(how, seed=1, restarts=3))
        assert torch.equal(one.latents, again.latents)
        assert other.steps > one.steps

    def test_an_end_within_a_frame_is_filled_with_silence(self, toy, statistics):
        found = invert(toy[0], 0.1 * noise(3 * HOP + 1), statistics, dataclasses.replace(QUICK, steps=2))
        assert len(found.latents) == 4

    def test_it_stops_when_asked(self, toy, statistics):
        asked = iter([False, False, True])
        found = invert(toy[0], noise(900), statistics, QUICK, should_stop=lambda: next(asked))
        assert found is None

    @pytest.mark.parametrize("sound", [torch.zeros(0), torch.zeros(2, 50), torch.tensor([0.0, float("nan")])])
    def test_what_is_no_sound_is_refused(self, toy, statistics, sound):
        with pytest.raises(ModelError, match="samples"):
            invert(toy[0], sound, statistics, QUICK)

    def test_a_start_of_another_length_is_refused(self, toy, statistics):
        with pytest.raises(ModelError, match=r"\(7, 6\).*\(5, 6\)"):
            invert(toy[0], noise(5 * HOP), statistics, QUICK, start=noise(7, CHANNELS))

    @pytest.mark.parametrize(
        "wrong", [{"steps": 0}, {"prior": -1.0}, {"context_s": 3.0}, {"learning_rate": 0.0}]
    )
    def test_settings_out_of_range_are_refused(self, wrong):
        with pytest.raises(ModelError, match=next(iter(wrong)) + "|window_s"):
            InversionSettings(**wrong)


@pytest.fixture(scope="module")
def released():
    return DiffRhythm2(Path(__file__).parent / "fixture", dtype=torch.float32)


class TestOpenDecoders:
    @pytest.mark.parametrize("name", ["small", "released"])
    def test_they_give_the_sound_of_decode_and_gradients(self, small_model, released, name):
        model = small_model if name == "small" else released
        decoder, latents = open_decoder(model), noise(1, 4, model.facts.latent_channels).requires_grad_()
        sound = decoder.decode(latents)
        sound.square().mean().backward()
        whole = torch.from_numpy(model.decode(latents.detach()[0]).samples.copy())
        within = sound.detach() / sound.detach().abs().max().clamp(min=1)
        torch.testing.assert_close(within, whole, atol=1e-5, rtol=1e-5)
        assert sound.shape[1] == 4 * decoder.hop_samples
        assert bool((latents.grad.abs().sum(2) > 0).all())
        assert decoder.latent_rate_hz == pytest.approx(model.facts.latent_rate_hz)

    def test_blocks_computed_again_give_the_same_gradient(self, released, monkeypatch):
        latents = noise(1, 2, 8).requires_grad_()
        grads = []
        for plain in (False, True):
            if plain:
                monkeypatch.setattr(bigvgan, "_kept_small", lambda part, x: part(x))
            latents.grad = None
            open_decoder(released).decode(latents).square().mean().backward()
            grads.append(latents.grad.clone())
        torch.testing.assert_close(grads[0], grads[1])

    def test_a_model_without_one_is_refused(self, small_model):
        class Closed:
            facts = small_model.facts

        with pytest.raises(ModelError, match="no decoder that gradients flow through"):
            open_decoder(Closed())
