"""Separation: what holds for any network, and Spleeter's own against numbers of the original in TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import save_file

from angen.audio import Audio
from angen.enhancement import StoppedError
from angen.enhancement.separation import separate_stems
from angen.enhancement.spleeter import CHANNELS, FRAME, HOP, SEGMENT_FRAMES, Spleeter, UNet, converted
from angen.errors import EnhancementError
from angen.progress import Progress, ProgressCallback

Float = NDArray[np.float32]
NARROW = (2, 3, 4, 5, 6, 7)


def _never() -> bool:
    return False


class Halves:
    """Says that a third of the mix is one stem and half of it the other; a sixth is nobody's."""

    model_id, rate_hz = "halves", 44_100

    def __init__(self, rest: str | None) -> None:
        self.rest = rest

    def separate(
        self, samples: Float, *, on_progress: ProgressCallback, should_stop: Callable[[], bool]
    ) -> Mapping[str, Float]:
        assert samples.shape[0] == 2
        return {"vocals": samples / np.float32(3), "accompaniment": samples / np.float32(2)}


@pytest.fixture(scope="module")
def narrow() -> Spleeter:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Spleeter(NARROW)


def _noise(seconds: float, channels: int = 2, rate_hz: int = 44_100) -> Audio:
    shape = (channels, round(seconds * rate_hz))
    return Audio((0.1 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32), rate_hz)


@settings(max_examples=15)
@given(
    st.sampled_from([1, 2, 6]),
    st.sampled_from([16_000, 44_100, 48_000]),
    st.sampled_from([None, "accompaniment"]),
)
def test_stems_keep_rate_channels_and_length(channels: int, rate_hz: int, rest: str | None) -> None:
    mix = _noise(0.5, channels, rate_hz)
    apart = separate_stems(mix, Halves(rest))
    for stem in apart.stems.values():
        assert (stem.rate_hz, stem.channels) == (rate_hz, min(channels, 2) if channels < 6 else 1)
        assert stem.duration_s == mix.duration_s
    if rate_hz == 44_100:  # from other rates a little is lost on the way
        assert apart.own_residual_db == pytest.approx(20 * np.log10(1 / 6), abs=0.01)
    if rest is None:
        assert apart.residual_db == apart.own_residual_db
    else:
        assert apart.residual_db is None or apart.residual_db < -130


def test_what_no_stem_has_goes_to_the_rest(narrow: Spleeter) -> None:
    mix = _noise(3.0)
    apart = separate_stems(mix, narrow)
    total = sum(stem.samples.astype(np.float64) for stem in apart.stems.values())
    assert np.abs(total - mix.samples).max() < 1e-6
    assert set(apart.stems) == {"vocals", "accompaniment"}
    spectrum = np.abs(np.fft.rfft(apart.stems["vocals"].samples[0]))
    hz = np.fft.rfftfreq(mix.samples.shape[1], 1 / 44_100)
    above, below = spectrum[hz > 11_500].mean(), spectrum[hz < 10_500].mean()
    assert above < 5e-3 * below  # the network hears nothing up there


def test_masks_add_up_to_the_whole_below_eleven_kilohertz(narrow: Spleeter) -> None:
    """Whatever the network says: in the middle of the sound the two stems are the mix, low-passed."""
    time_s = np.arange(2 * SEGMENT_FRAMES * HOP) / 44_100
    mix = np.stack([np.sin(2 * np.pi * hz * time_s) for hz in (440.0, 3000.0)]).astype(np.float32)
    stems = narrow.separate(mix)
    total = stems["vocals"] + stems["accompaniment"]
    assert np.abs(total - mix)[:, FRAME:-FRAME].max() < 2e-4


def test_a_stop_is_heard_and_progress_is_in_seconds(narrow: Spleeter) -> None:
    told: list[Progress] = []
    samples = _noise(26.0).samples
    narrow.separate(samples, on_progress=told.append)
    assert [step.done for step in told] == pytest.approx([0.0, 11.89, 23.78], abs=0.01)
    assert told[-1].total == pytest.approx(26.0)
    with pytest.raises(StoppedError):
        narrow.separate(samples, should_stop=lambda: True)


def _as_tensorflow(network: Spleeter) -> dict[str, Float]:
    """The weights under the names and in the layout of the original's checkpoint."""
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    found: dict[str, Float] = {}

    def number(name: str, count: int) -> str:
        return f"{name}_{count}" if count else name

    def put_norm(count: int, place: str) -> None:
        parts = {
            "gamma": "weight",
            "beta": "bias",
            "moving_mean": "running_mean",
            "moving_variance": "running_var",
        }
        for theirs, ours in parts.items():
            found[f"{number('batch_normalization', count)}/{theirs}"] = state[f"{place}.{ours}"]

    for i, stem in enumerate(("vocals", "accompaniment")):
        for k in range(7):
            place = f"{stem}.head" if k == 6 else f"{stem}.encoders.{k}"
            name = number("conv2d", 7 * i + k)
            found[f"{name}/kernel"] = state[f"{place}.weight"].transpose(2, 3, 1, 0)
            found[f"{name}/bias"] = state[f"{place}.bias"]
        for k in range(6):
            name = number("conv2d_transpose", 6 * i + k)
            found[f"{name}/kernel"] = state[f"{stem}.decoders.{k}.weight"].transpose(2, 3, 1, 0)
            found[f"{name}/bias"] = state[f"{stem}.decoders.{k}.bias"]
            put_norm(12 * i + 6 + k, f"{stem}.decoder_norms.{k}")
            if k < 5:
                put_norm(12 * i + k, f"{stem}.encoder_norms.{k}")
    return found


def test_weights_of_a_checkpoint_come_back(narrow: Spleeter, tmp_path: Path) -> None:
    from safetensors.numpy import save_file as save_arrays

    save_arrays(converted(_as_tensorflow(narrow)), tmp_path / "w.safetensors")
    read = Spleeter.from_file(tmp_path / "w.safetensors")
    mix = _noise(1.0).samples
    for name, stem in narrow.separate(mix).items():
        assert np.array_equal(read.separate(mix)[name], stem)


def test_foreign_or_damaged_weights_are_refused(narrow: Spleeter, tmp_path: Path) -> None:
    lacking = _as_tensorflow(narrow)
    del lacking["conv2d_7/bias"]
    with pytest.raises(EnhancementError, match="conv2d_7/bias"):
        converted(lacking)
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(EnhancementError, match="does not hold"):
        Spleeter.from_file(path)
    state = {name: value for name, value in narrow.state_dict().items() if "tracked" not in name}
    save_file({**state, "surprise": torch.zeros(1)}, path)
    with pytest.raises(EnhancementError, match="surprise"):
        Spleeter.from_file(path)
    del state["accompaniment.head.bias"]
    save_file(state, path)
    with pytest.raises(EnhancementError, match=r"head\.bias"):
        Spleeter.from_file(path)


def test_the_network_has_the_size_of_the_original() -> None:
    """Its checkpoint has 78,614,080 bytes: both networks, a norm each that is not used, and a step number."""
    kept = sum(
        weight.numel() for name, weight in UNet(CHANNELS).state_dict().items() if "tracked" not in name
    )
    assert 4 * 2 * (kept + 4 * CHANNELS[-1]) + 8 == 78_614_080


class TestDemucs:
    """The loading code on a small network of the very same layout; the published weights are not needed."""

    @pytest.fixture
    def weights(self, tmp_path: Path) -> Path:
        pytest.importorskip("demucs_infer", reason="htdemucs is optional: pip install 'angen[stems]'")
        from demucs_infer.htdemucs import HTDemucs

        how = {
            "sources": ["drums", "bass", "other", "vocals"], "channels": 8, "t_layers": 1, "t_heads": 2,
            "bottom_channels": 32, "segment": Fraction(2), "nfft": 4096, "depth": 4,
        }  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = HTDemucs(**how)
        state = {name: weight.half() for name, weight in network.state_dict().items()}
        package = {"klass": HTDemucs, "args": (), "kwargs": how, "state": state, "training_args": {"seed": 1}}
        torch.save(package, tmp_path / "small.th")
        return tmp_path / "small.th"

    def test_a_file_of_its_makers_layout_separates(self, weights: Path) -> None:
        from angen.enhancement.demucs import Demucs

        demucs, mix = Demucs(weights), _noise(5.0)
        told: list[Progress] = []
        apart = separate_stems(mix, demucs, on_progress=told.append)
        assert list(apart.stems) == ["drums", "bass", "other", "vocals"]
        assert all(stem.samples.shape == mix.samples.shape for stem in apart.stems.values())
        assert apart.residual_db == apart.own_residual_db
        assert apart.residual_db is not None
        assert [step.done for step in told] == [0.0, 1.5, 3.0, 4.5]
        again = separate_stems(mix, demucs)
        assert all(
            np.array_equal(again.stems[name].samples, stem.samples) for name, stem in apart.stems.items()
        )
        with pytest.raises(StoppedError):
            separate_stems(mix, demucs, should_stop=lambda: True)

    def test_a_file_that_would_run_code_is_refused(self, weights: Path, tmp_path: Path) -> None:
        from angen.enhancement.demucs import Demucs

        class Trap:
            def __reduce__(self) -> tuple[object, ...]:
                return (Path.touch, (tmp_path / "ran",))

        package = {"klass": None, "args": (), "kwargs": {}, "state": Trap()}
        torch.save(package, weights)
        with pytest.raises(EnhancementError, match="other things"):
            Demucs(weights)
        assert not (tmp_path / "ran").exists()
        weights.write_bytes(b"")
        with pytest.raises(EnhancementError, match="does not hold"):
            Demucs(weights)


@pytest.mark.slow
def test_the_published_network_says_what_the_original_says_in_tensorflow() -> None:
    """Values of the original graph under TensorFlow 2.12 for the same magnitudes."""
    from angen.errors import DownloadError
    from angen.workflows.stems import fetch_weights

    try:
        network = Spleeter.from_file(fetch_weights("spleeter"))
    except DownloadError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
    n = np.arange(2 * 64 * 64).reshape(1, 2, 64, 64)
    magnitude = torch.from_numpy((2 + 2 * np.sin(0.37 * n) * np.cos(0.011 * n)).astype(np.float32))
    places = [100, 1500, 3000, 5000, 7000, 8000]
    original = {
        "vocals": (
            0.042356186,
            [0.0026403959, 0.0052136388, 2.5519229e-08, 0.09445221, 0.00044699118, 1.0703008],
        ),
        "accompaniment": (1.9903417, [1.4036597, 0.7729936, 2.0220094, 2.0161517, 1.9393014, 3.0775242]),
    }
    for stem, (mean, values) in original.items():
        said = getattr(network, stem)(magnitude).flatten().numpy()
        assert said.mean() == pytest.approx(mean, rel=1e-4)
        assert said[places] == pytest.approx(values, rel=1e-3, abs=1e-6)
