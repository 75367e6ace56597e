import numpy as np
import pytest

from angen.analysis.musicnn import (
    EMBEDDING,
    GENRE_TAGS,
    PATCH_FRAMES,
    TAGS,
    Network,
    patches_of,
    tagged_genre,
    tagged_mood,
    vocals_of,
)
from angen.analysis.tagger import GENRES
from angen.audio import Audio
from angen.errors import ModelError

SHAPES = {
    "conv2d": (7, 38, 1, 204), "conv2d_1": (7, 67, 1, 204), "conv2d_2": (128, 1, 1, 51), "conv2d_3": (64, 1, 1, 51),
    "conv2d_4": (32, 1, 1, 51), "conv2d_5": (7, 561, 1, 64), "conv2d_6": (7, 64, 1, 64), "conv2d_7": (7, 64, 1, 64),
    "dense": (1506, 200), "dense_1": (200, 50),
}  # fmt: skip
NORMS = (1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200)


@pytest.fixture(scope="module")
def drawn_weights():
    random = np.random.default_rng(0)
    found = {}
    for name, shape in SHAPES.items():
        fan_in = int(np.prod(shape[:-1]))
        found[f"{name}/kernel"] = (random.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)
        found[f"{name}/bias"] = 0.1 * random.standard_normal(shape[-1]).astype(np.float32)
    for number, size in enumerate(NORMS):
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        for part in ("gamma", "beta", "moving_mean"):
            found[f"{name}/{part}"] = 0.3 * random.standard_normal(size).astype(np.float32)
        found[f"{name}/moving_variance"] = random.uniform(0.5, 2, size).astype(np.float32)
    return found


def by_hand(weights, patch):
    """The network in plain numpy, layer by layer as its authors describe it; one patch (187, 96)."""

    def norm(x, number):
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        part = {key: weights[f"{name}/{key}"] for key in ("gamma", "beta", "moving_mean", "moving_variance")}
        return (
            part["gamma"] * (x - part["moving_mean"]) / np.sqrt(part["moving_variance"] + 1e-3) + part["beta"]
        )

    def conv(x, name, before, after):  # x: (frames, rows); result: (frames, rows left, channels)
        kernel = weights[f"{name}/kernel"][:, :, 0]
        padded = np.pad(x, ((before, after), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2])
        return np.maximum(np.einsum("tfij,ijc->tfc", windows, kernel) + weights[f"{name}/bias"], 0)

    x = norm(patch[..., None], 0)[..., 0]
    front = [norm(conv(x, name, 3, 3), n).max(axis=1) for n, name in ((1, "conv2d"), (2, "conv2d_1"))]
    for n, length in ((2, 128), (3, 64), (4, 32)):
        before = (length - 1) // 2
        front.append(norm(conv(x, f"conv2d_{n}", before, length - 1 - before), n + 1).max(axis=1))
    layers = [np.concatenate(front, axis=1)]
    for n in (5, 6, 7):
        y = norm(conv(layers[-1], f"conv2d_{n}", 3, 3)[:, 0], n + 1)
        layers.append(y + layers[-1] if n > 5 else y)
    whole = np.concatenate(layers, axis=1)
    pooled = norm(np.stack([whole.max(axis=0), whole.mean(axis=0)], axis=1).ravel(), 9)
    embedding = norm(np.maximum(pooled @ weights["dense/kernel"] + weights["dense/bias"], 0), 10)
    scores = embedding @ weights["dense_1/kernel"] + weights["dense_1/bias"]
    return 1 / (1 + np.exp(-scores)), embedding


def test_the_network_is_the_one_described(drawn_weights):
    patches = np.random.default_rng(1).uniform(0, 4, (2, PATCH_FRAMES, 96)).astype(np.float32)
    found = Network(drawn_weights)(patches)
    expected = [by_hand(drawn_weights, patch.astype(np.float64)) for patch in patches]
    assert found.tags.shape == (TAGS,)
    assert found.embedding.shape == (EMBEDDING,)
    assert np.allclose(found.tags, np.mean([tags for tags, _ in expected], axis=0), atol=1e-4)
    assert np.allclose(found.embedding, np.mean([deep for _, deep in expected], axis=0), atol=1e-3)


def test_a_missing_tensor_is_named(drawn_weights):
    with pytest.raises(ModelError, match="dense_1/bias"):
        Network({name: value for name, value in drawn_weights.items() if name != "dense_1/bias"})


@pytest.mark.parametrize(("seconds", "count"), [(0.5, 1), (3.0, 1), (9.5, 3), (300, 12)])
def test_patches_are_spread_over_a_recording_and_never_too_many(make_noise, seconds, count):
    patches = patches_of(make_noise(seconds))
    assert patches.shape == (count, PATCH_FRAMES, 96)
    assert np.isfinite(patches).all()


def test_patches_are_librosas_mel_spectra(make_chords):
    librosa = pytest.importorskip("librosa")
    audio = make_chords(0, "major").resampled(16_000)
    patch = patches_of(audio, 1)[0]
    mel = librosa.feature.melspectrogram(
        y=audio.samples[0][: 186 * 256 + 512], sr=16_000, n_fft=512, hop_length=256, n_mels=96, center=False
    )
    assert np.allclose(patch, np.log10(10_000 * mel.T.astype(np.float16).astype(np.float32) + 1), atol=2e-3)


def test_words_come_from_clear_tags_only():
    none = np.full(50, 0.01, np.float32)
    jazz, voice = none.copy(), none.copy()
    jazz[9], voice[13] = 0.6, 0.7
    assert tagged_genre(none, jazz)[0] == "jazz"
    assert tagged_genre(none, none)[0] is None
    assert vocals_of(voice)[0] == "vocal"
    assert vocals_of(none)[0] == "instrumental"
    assert tagged_mood(none)[0] is None
    assert set(GENRE_TAGS) <= set(GENRES)


def test_stereo_is_heard_as_its_mean(make_noise):
    mono = make_noise(5)
    both = Audio(np.repeat(mono.samples, 2, axis=0), mono.rate_hz)
    assert np.allclose(patches_of(mono), patches_of(both), atol=1e-3)
