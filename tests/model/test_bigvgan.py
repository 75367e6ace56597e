"""The decoder against a plain computation, sample by sample, and the laws of its windows."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch

from angen.errors import ModelError
from angen.model.bigvgan import (
    Decoder,
    DecoderConfig,
    decode_as_reference,
    decode_whole,
    folded,
    lowpass_filter,
    read_decoder_weights,
    widened,
)

SMALL = {
    "resblock": "1", "upsample_rates": [3, 2], "upsample_kernel_sizes": [7, 4], "upsample_initial_channel": 8,
    "resblock_kernel_sizes": [3, 5], "resblock_dilation_sizes": [[1, 3], [1, 2]], "in_channels": 3,
    "sampling_rate": 600, "use_tanh_at_final": False, "use_bias_at_final": False, "fps": 100,
}  # fmt: skip
VARIANTS = {
    "as released": {},
    "one convolution a step": {"resblock": "2"},
    "snake, plain, tanh, bias": {
        "activation": "snake", "snake_logscale": False, "use_tanh_at_final": True, "use_bias_at_final": True,
    },
    "three stages": {
        "upsample_rates": [2, 4, 2], "upsample_kernel_sizes": [4, 8, 6], "upsample_initial_channel": 16,
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3, 5]],
    },
}  # fmt: skip


def make(seed=0, **changes):
    torch.manual_seed(seed)
    decoder = Decoder(DecoderConfig.of(SMALL | changes, "decoder.json")).double().eval()
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            weight.copy_(0.3 * torch.randn(weight.shape) + (1.5 if "act." in name else 0))
    return decoder.requires_grad_(False)


def conv(x, weight, bias, *, dilation=1, padding):
    """Correlation, written out."""
    out_channels, in_channels, taps = weight.shape
    x = np.pad(x, ((0, 0), (padding, padding)))
    count = x.shape[1] - dilation * (taps - 1)
    out = np.zeros((out_channels, count))
    for o in range(out_channels):
        for i in range(in_channels):
            for k in range(taps):
                out[o] += weight[o, i, k] * x[i, k * dilation : k * dilation + count]
    return out + (0 if bias is None else bias[:, None])


def spread(x, weight, bias, stride, padding):
    """Transposed convolution, written out."""
    in_channels, out_channels, taps = weight.shape
    out = np.zeros((out_channels, (x.shape[1] - 1) * stride + taps))
    for i in range(in_channels):
        for o in range(out_channels):
            for t in range(x.shape[1]):
                out[o, t * stride : t * stride + taps] += x[i, t] * weight[i, o]
    return out[:, padding : out.shape[1] - padding] + bias[:, None]


def activation(x, w, name, config):
    taps = w[f"{name}.upsample.filter"].reshape(-1)
    wide = np.pad(x, ((0, 0), (5, 5)), mode="edge")
    up = np.zeros((x.shape[0], 2 * wide.shape[1] + 10))
    for t in range(wide.shape[1]):
        up[:, 2 * t : 2 * t + 12] += 2 * wide[:, t : t + 1] * taps
    up = up[:, 15:-15]
    a = w[f"{name}.act.alpha"]
    b = w[f"{name}.act.beta"] if config.activation == "snakebeta" else a
    if config.snake_logscale:
        a, b = np.exp(a), np.exp(b)
    up = up + np.sin(a[:, None] * up) ** 2 / (b[:, None] + 1e-9)
    wide = np.pad(up, ((0, 0), (5, 6)), mode="edge")
    return np.stack([wide[:, 2 * t : 2 * t + 12] @ taps for t in range(x.shape[1])], axis=1)


def plain(decoder, latents):
    """The whole decoder from its description, without its modules."""
    c = decoder.config
    w = {key: value.double().numpy() for key, value in decoder.state_dict().items()}
    x = conv(latents, w["conv_pre.weight"], w["conv_pre.bias"], padding=3)
    number = 0
    for stage, (rate, taps) in enumerate(zip(c.upsample_rates, c.upsample_kernel_sizes, strict=True)):
        x = spread(x, w[f"ups.{stage}.0.weight"], w[f"ups.{stage}.0.bias"], rate, (taps - rate) // 2)
        parts = []
        for size, dilations in zip(c.resblock_kernel_sizes, c.resblock_dilation_sizes, strict=True):
            y, name = x, f"resblocks.{number}"
            for m, d in enumerate(dilations):
                if c.resblock == "1":
                    z = activation(y, w, f"{name}.activations.{2 * m}", c)
                    z = conv(z, w[f"{name}.convs1.{m}.weight"], w[f"{name}.convs1.{m}.bias"],
                             dilation=d, padding=(size - 1) * d // 2)  # fmt: skip
                    z = activation(z, w, f"{name}.activations.{2 * m + 1}", c)
                    z = conv(
                        z, w[f"{name}.convs2.{m}.weight"], w[f"{name}.convs2.{m}.bias"], padding=size // 2
                    )
                else:
                    z = activation(y, w, f"{name}.activations.{m}", c)
                    z = conv(z, w[f"{name}.convs.{m}.weight"], w[f"{name}.convs.{m}.bias"],
                             dilation=d, padding=(size - 1) * d // 2)  # fmt: skip
                y = y + z
            parts.append(y)
            number += 1
        x = np.mean(parts, axis=0)
    x = activation(x, w, "activation_post", c)
    x = conv(x, w["conv_post.weight"], w.get("conv_post.bias"), padding=3)
    return np.tanh(x) if c.use_tanh_at_final else np.clip(x, -1, 1)


@pytest.mark.parametrize("name", VARIANTS)
def test_it_is_the_computation_described(name):
    decoder = make(seed=1, **VARIANTS[name])
    latents = torch.randn(decoder.config.in_channels, 6, dtype=torch.float64)
    ours = decoder(latents[None])[0].numpy()
    theirs = plain(decoder, latents.numpy())
    assert ours.shape == (1, 6 * decoder.config.hop_samples)
    assert float(np.std(theirs)) > 0.01
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_the_filter_passes_a_constant_and_stops_the_highest_tone():
    taps = lowpass_filter().double()
    assert float(taps.sum()) == pytest.approx(1, abs=1e-6)
    assert torch.equal(taps, taps.flip(0))
    assert abs(float((taps * (-1.0) ** torch.arange(12)).sum())) < 1e-6


@pytest.mark.parametrize("name", VARIANTS)
def test_a_frame_acts_no_further_than_the_reach(name):
    decoder = make(seed=2, **VARIANTS[name])
    reach, hop = decoder.reach_frames, decoder.config.hop_samples
    frames = 2 * reach + 9
    latents = torch.randn(decoder.config.in_channels, frames, dtype=torch.float64)
    changed = latents.clone()
    changed[:, reach + 4] += 1
    moved = (decoder(changed[None]) - decoder(latents[None]))[0, 0].reshape(frames, hop).abs().amax(1) > 0
    assert moved[reach + 4]
    assert not moved[:4].any()
    assert not moved[-4:].any()


@pytest.mark.parametrize("window", [1, 7, 40])
def test_windows_change_nothing(window):
    decoder = make(seed=3)
    latents = torch.randn(25 if window == 1 else 61, decoder.config.in_channels, dtype=torch.float64)
    whole = decoder(latents.T[None])[0, 0]
    torch.testing.assert_close(decode_whole(decoder, latents, window_frames=window), whole)


def test_progress_ends_at_the_last_frame():
    seen = []
    decode_whole(make().float(), torch.randn(25, 3), window_frames=10, on_window=lambda *at: seen.append(at))
    assert seen == [(10, 25), (20, 25), (25, 25)]


@pytest.mark.parametrize("frames", [20, 21, 26, 35, 50])
def test_the_windows_of_the_reference_cover_the_song_without_gaps(frames):
    decoder = make(seed=4).float()
    latents = torch.randn(frames, 3)
    sound = decode_as_reference(decoder, latents)
    hop = decoder.config.hop_samples
    first = decoder(latents[:20].T[None])[0, 0]
    last = decoder(latents[-20:].T[None])[0, 0]
    assert sound.shape == (frames * hop,)
    alone = (min(frames - 20, 15) + 2) * hop or 20 * hop  # before the second window
    torch.testing.assert_close(sound[:alone], first[:alone])
    torch.testing.assert_close(sound[-2 * hop :], last[-2 * hop :])
    assert bool((sound.reshape(frames, hop).abs().amax(1) > 0).all())


def test_what_the_reference_cannot_decode_is_one_window():
    decoder, latents = make(seed=5).float(), torch.randn(19, 3)
    torch.testing.assert_close(decode_as_reference(decoder, latents), decoder(latents.T[None])[0, 0])


def test_folding_gives_every_slice_its_gain():
    stored = {
        "a.weight_g": torch.tensor([[[2.0]], [[3.0]]]),
        "a.weight_v": torch.randn(2, 4, 5),
        "a.bias": torch.ones(2),
    }
    plain_weights = folded(stored)
    assert set(plain_weights) == {"a.weight", "a.bias"}
    norms = plain_weights["a.weight"].flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.tensor([2.0, 3.0]))
    cosine = torch.cosine_similarity(plain_weights["a.weight"].flatten(1), stored["a.weight_v"].flatten(1))
    torch.testing.assert_close(cosine, torch.ones(2))


def test_the_right_channel_is_later_and_softer():
    sound = torch.randn(1000)
    left, right = widened(sound, 48_000)
    assert torch.equal(left, sound)
    assert not right[:480].any()
    torch.testing.assert_close(right[480:], 0.8 * sound[:520])
    assert widened(sound[:100], 48_000).shape == (2, 100)


class _Payload:
    ran = False

    def __reduce__(self):
        return (exec, ("import tests_never",))


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "decoder.bin"
    torch.save({"generator": _Payload()}, path)
    with pytest.raises(ModelError, match="cannot be read as weights"):
        read_decoder_weights(path)


@pytest.mark.parametrize("content", [b"", b"not a zip", pickle.dumps({"generator": 1})])
def test_a_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "decoder.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"decoder\.bin"):
        read_decoder_weights(path)


def test_a_file_without_a_generator_is_refused(tmp_path):
    path = tmp_path / "decoder.bin"
    torch.save({"discriminator": {}}, path)
    with pytest.raises(ModelError, match="generator"):
        read_decoder_weights(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"upsample_rates": [3]}, "decoder"),
        ({"resblock": "3"}, "decoder"),
        ({"activation": "relu"}, "decoder"),
        ({"in_channels": 0}, "in_channels"),
        ({"in_channels": None}, "in_channels"),
    ],
)
def test_a_configuration_that_makes_no_decoder_is_refused(change, named):
    with pytest.raises(ModelError, match=named):
        DecoderConfig.of(SMALL | change, "decoder.json")


def test_keys_that_are_not_its_own_are_ignored():
    config = DecoderConfig.of(SMALL | {"anything": 1}, "decoder.json")
    assert config.hop_samples == math.prod(SMALL["upsample_rates"])
