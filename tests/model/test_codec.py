import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from angen.errors import ModelError
from angen.model.codec import (
    FFT,
    FRAME_SAMPLES,
    HOP,
    MELS,
    PATCH,
    RATE_HZ,
    SYNTHESIS_FFT,
    Codec,
    PatchEncoder,
    _overlap_add,
    mel_edges_hz,
    mel_filters,
)
from angen.model.network import load_weights
from angen.model.tiny import packaged_weights

from ..peak import TELL_PEAK


def sine(hertz, seconds=1.0, level=0.3):
    return level * torch.sin(2 * math.pi * hertz * torch.arange(int(seconds * RATE_HZ)) / RATE_HZ)[None]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def with_components(module, channels, seed=0):
    """Random orthonormal components, a mean and a scale, as real ones have."""
    module.components.copy_(torch.linalg.qr(noise(PATCH * MELS, channels, seed=seed))[0])
    module.mean.copy_(noise(PATCH * MELS, seed=seed + 1) - 2)
    module.scale.copy_(1 + noise(channels, seed=seed + 2).abs())


@pytest.fixture(scope="module")
def codec():
    """As deep as the packaged one, narrow and random, its blocks strong."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec = Codec(channels=6, dim=12, latent_dim=16).eval().requires_grad_(False)
    with_components(codec.encoder, 6)
    for block in [codec.decoder.latent_block, *codec.decoder.blocks]:
        block.gain.fill_(3.0)
        block.depthwise.weight.mul_(3.0)
    codec.decoder.head.weight.mul_(5.0)
    return codec


@pytest.fixture(scope="module")
def packaged():
    codec = Codec(channels=96)
    load_weights(codec, packaged_weights() / "codec.safetensors")
    return codec.eval().requires_grad_(False)


# Mel filters


def test_mel_edges_are_linear_to_1_khz_and_then_27_steps_a_factor_of_6_4():
    edges = mel_edges_hz(MELS)
    assert edges.shape == (MELS + 2,)
    assert edges[0] == 0
    assert edges[-1] == pytest.approx(RATE_HZ / 2)
    low, high = edges[edges < 1000], edges[edges > 1000]
    step = np.diff(low).mean()
    assert np.allclose(np.diff(low), step)
    assert np.allclose(high[1:] / high[:-1], 6.4 ** (step / (200 / 3) / 27))


def test_every_mel_triangle_has_unit_area_and_peaks_at_its_centre():
    filters, edges = mel_filters(FFT * 16, MELS).double().numpy(), mel_edges_hz(MELS)
    bins = np.linspace(0, RATE_HZ / 2, filters.shape[1])
    assert filters.min() == 0
    assert np.allclose(filters.sum(1) * bins[1], 1, atol=1e-3)
    assert np.allclose(bins[filters.argmax(1)], edges[1:-1], atol=bins[1])
    outside = (bins < edges[:-2, None]) | (bins > edges[2:, None])
    assert (filters[outside] == 0).all()


def test_every_mel_band_sees_some_bin_of_the_analysis():
    assert bool((mel_filters(FFT, MELS).sum(1) > 0).all())


@pytest.mark.parametrize("hertz", [220, 1000, 3000, 9000])
def test_a_sine_is_loudest_in_the_band_around_its_frequency(hertz):
    frames = PatchEncoder(4).log_mel(sine(hertz))
    centres = mel_edges_hz(MELS)[1:-1]
    loudest = frames[0, 10:-10].mean(0).argmax().item()
    assert abs(loudest - int(np.abs(centres - hertz).argmin())) <= 1


def test_twice_the_amplitude_is_log_2_more_in_a_loud_band():
    encoder = PatchEncoder(4)
    loud, quiet = (encoder.log_mel(sine(1000, level=level))[0, 50].max() for level in (0.8, 0.4))
    assert float(loud - quiet) == pytest.approx(math.log(2), abs=0.01)


def test_frames_of_the_spectrogram_stand_where_their_sound_is():
    click = torch.zeros(1, 24000)
    click[0, 12000] = 1.0
    loudness = PatchEncoder(4).log_mel(click)[0].mean(-1)
    assert loudness.argmax().item() == 50


# Lengths


@pytest.mark.parametrize("samples", [1, 239, 1025, 1919, 1920, 1921, 5000, 24000])
def test_encoding_makes_a_frame_of_each_begun_80_ms(codec, samples):
    latents = codec.encode(noise(2, samples) * 0.1)
    assert latents.shape == (2, -(-samples // FRAME_SAMPLES), 6)
    assert codec.decode(latents).shape == (2, latents.shape[1] * FRAME_SAMPLES)


def test_a_last_frame_is_filled_with_silence(codec):
    sound = noise(1, 5000) * 0.1
    padded = torch.nn.functional.pad(sound, (0, 760))
    assert torch.equal(codec.encode(sound), codec.encode(padded))


def test_no_latents_are_no_sound(codec):
    assert codec.decode(torch.zeros(2, 0, 6)).shape == (2, 0)


@pytest.mark.parametrize("shape", [(4,), (1, 0), (1, 1, 10)])
def test_audio_of_another_shape_is_refused(codec, shape):
    with pytest.raises(ModelError, match="audio"):
        codec.encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(4, 6), (1, 4, 5)])
def test_latents_of_another_shape_are_refused(codec, shape):
    with pytest.raises(ModelError, match="latents"):
        codec.decode(torch.zeros(shape))


@pytest.mark.parametrize("size", [SYNTHESIS_FFT, FFT])
def test_overlapping_windows_add_up_to_the_sound_they_were_cut_from(size):
    frames = 20
    sound, window = noise(1, frames * HOP), torch.hann_window(size)
    padded = torch.nn.functional.pad(sound, (size // 2, size // 2))
    windows = padded.unfold(1, size, HOP)[:, :frames] * window  # frame t lies around sample t * HOP
    again = _overlap_add(windows, window)
    assert again.shape == sound.shape
    inside = slice(2 * HOP, -5 * HOP)
    torch.testing.assert_close(again[:, inside], sound[:, inside], rtol=0, atol=1e-5)


# Chunks


@pytest.mark.parametrize(
    ("frames", "chunk_frames"), [(1, 128), (7, 1), (9, 8), (16, 8), (17, 8), (40, 13), (33, 32), (64, 9)]
)
def test_decoding_in_chunks_equals_decoding_whole(codec, frames, chunk_frames):
    latents = noise(2, frames, 6)
    whole = codec.decode(latents, chunk_frames=frames)
    assert float(whole.std()) > 0.03
    torch.testing.assert_close(codec.decode(latents, chunk_frames=chunk_frames), whole, rtol=0, atol=1e-5)


def test_a_long_song_decodes_by_default_as_if_whole(codec):
    latents = noise(1, 150, 6)
    whole = codec.decode(latents, chunk_frames=150)
    torch.testing.assert_close(codec.decode(latents), whole, rtol=0, atol=1e-5)


def test_a_song_of_three_minutes_takes_hardly_more_memory_than_one_of_half_a_minute():
    half, three = (_decoding_peak(seconds) for seconds in (30, 180))
    more = 150 * RATE_HZ * 4  # bytes of sound
    assert three - half < 6 * more  # some copies of it; with the spectra of all chunks it was 23 times


def _decoding_peak(seconds: int) -> int:
    """Bytes at the most of a process that decodes so much with the packaged codec."""
    code = (
        "import torch; from angen.model import AngenTiny; model = AngenTiny(); "
        f"model.decode(torch.zeros({seconds} * 25 // 2, model.codec.channels))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + TELL_PEAK], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_items_of_a_batch_do_not_meet(codec):
    latents = noise(3, 11, 6)
    together = codec.decode(latents)
    for item in range(3):
        torch.testing.assert_close(
            codec.decode(latents[item : item + 1])[0], together[item], rtol=0, atol=5e-5
        )


# Projection


def test_projecting_what_was_unprojected_gives_the_latents_back(codec):
    latents = noise(2, 5, 6)
    again = codec.encoder.project(codec.encoder.unproject(latents))
    torch.testing.assert_close(again, latents, rtol=0, atol=1e-4)


def test_no_latent_of_as_many_numbers_lies_nearer_to_a_spectrogram(codec):
    frames = codec.encoder.log_mel(noise(1, 19200) * 0.1)
    latents = codec.encoder.project(frames)

    def distance(candidate):
        return float((codec.encoder.unproject(candidate) - frames).square().sum())

    nearest = distance(latents)
    assert all(distance(latents + 0.1 * noise(*latents.shape, seed=seed)) > nearest for seed in range(5))


def test_the_packaged_components_project_and_unproject_as_a_pair(packaged):
    latents = noise(1, 4, 96)
    again = packaged.encoder.project(packaged.encoder.unproject(latents))
    torch.testing.assert_close(again, latents, rtol=0, atol=1e-3)


# Sound


@pytest.mark.parametrize("kind", ["silence", "noise", "square", "constant", "one sample"])
def test_extreme_sounds_stay_finite(packaged, kind):
    sound = {
        "silence": torch.zeros(1, 9600),
        "noise": noise(1, 9600).sign(),
        "square": sine(100, 0.4).sign(),
        "constant": torch.ones(1, 9600),
        "one sample": torch.ones(1, 1),
    }[kind]
    latents = packaged.encode(sound)
    assert bool(torch.isfinite(latents).all())
    assert bool(torch.isfinite(packaged.decode(latents)).all())


def test_wild_latents_decode_to_finite_sound(packaged):
    for size in (10.0, 1000.0):
        assert bool(torch.isfinite(packaged.decode(size * noise(1, 6, 96))).all())


def pitch_hz(sound, near):
    """Where the spectrum of a tone peaks within a third of an octave around `near`."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound)))
    bins = np.fft.rfftfreq(8 * len(sound), 1 / RATE_HZ)
    spectrum[(bins < near / 2 ** (1 / 6)) | (bins > near * 2 ** (1 / 6))] = 0
    return float(bins[spectrum.argmax()])


@pytest.mark.parametrize("hertz", [220.0, 440.0, 880.0])
def test_a_note_keeps_its_pitch_and_level_through_the_codec(packaged, hertz):
    note = sum(sine(hertz * k, 1.2, 0.25 / k) for k in range(1, 6))
    heard = packaged.decode(packaged.encode(note))[0].numpy()[6000:-6000]
    before = note[0].numpy()[6000:-6000]
    assert 1200 * abs(math.log2(pitch_hz(heard, hertz) / hertz)) < 50  # cents: still the nearest note
    assert 20 * abs(math.log10(heard.std() / before.std())) < 4  # dB


def test_silence_stays_quiet_through_the_codec(packaged):
    heard = packaged.decode(packaged.encode(torch.zeros(1, 24000)))
    assert float(heard.square().mean().sqrt()) < 10 ** (-40 / 20)
