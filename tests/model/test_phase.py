"""Phases that go on: held tones stay one tone, whatever the frames."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from angen.model.phase import coherent_phases, peak_frequencies

RATE, FFT, HOP = 24_000, 2048, 240
WINDOW = torch.hann_window(FFT)


def _spectrum(sound: torch.Tensor) -> torch.Tensor:
    return torch.stft(sound, FFT, HOP, FFT, WINDOW, center=True, return_complex=True).T[None]


def _sound(magnitude: torch.Tensor, phases: torch.Tensor, samples: int) -> torch.Tensor:
    spectrum = torch.polar(magnitude, phases)[0].T.contiguous()
    return torch.istft(spectrum, FFT, HOP, FFT, WINDOW, length=samples)


def _tones(*pairs: tuple[float, float]) -> torch.Tensor:
    time = torch.arange(RATE) / RATE
    return sum((level * torch.sin(2 * math.pi * hz * time) for hz, level in pairs), torch.zeros(RATE))


@pytest.mark.parametrize("hz", [110.0, 261.6, 440.0, 1046.5, 5000.0])
def test_a_tone_is_found_between_bins(hz: float) -> None:
    log = (_spectrum(_tones((hz, 0.3))).abs() + 1e-4).log()
    nearest, place = peak_frequencies(log[:, 20])
    loudest = int(log[0, 20].argmax())
    assert int(nearest[0, loudest]) == loudest
    assert float(place[0, loudest]) * RATE / FFT == pytest.approx(hz, abs=0.6)


@pytest.mark.parametrize(
    "tones",
    [[(440.0, 0.3)], [(261.6, 0.3), (329.6, 0.2), (392.0, 0.2)], [(220.0, 0.3), (3520.0, 0.05)]],
    ids=str,
)
def test_held_tones_sound_as_they_were(tones: list[tuple[float, float]]) -> None:
    sound = _tones(*tones)
    magnitude = _spectrum(sound).abs()
    phases, _ = coherent_phases((magnitude + 1e-4).log(), HOP, FFT)
    again = _spectrum(_sound(magnitude, phases, len(sound))).abs()
    inner = slice(12, -12)
    error = (again[:, inner] - magnitude[:, inner]).norm() / magnitude[:, inner].norm()
    assert error < 0.12
    repeated = coherent_phases((magnitude + 1e-4).log()[:, :1].expand_as(magnitude), 10**9 * FFT, FFT)[0]
    stuck = _spectrum(_sound(magnitude, repeated, len(sound))).abs()
    assert (stuck[:, inner] - magnitude[:, inner]).norm() / magnitude[
        :, inner
    ].norm() > 3 * error  # it can fail


@settings(max_examples=20)
@given(st.integers(1, 29))
def test_frames_may_come_in_any_pieces(cut: int) -> None:
    log = torch.randn(2, 30, 65, generator=torch.Generator().manual_seed(cut))
    whole, last = coherent_phases(log, 16, 128)
    first, state = coherent_phases(log[:, :cut], 16, 128)
    second, end = coherent_phases(log[:, cut:], 16, 128, state)
    assert torch.equal(torch.cat([first, second], dim=1), whole)
    assert torch.equal(end, last)


@given(st.lists(st.floats(-10, 10), min_size=3, max_size=40))
def test_every_bin_belongs_to_the_nearest_peak(values: list[float]) -> None:
    nearest, place = peak_frequencies(torch.tensor([values]))
    padded = [-math.inf, *values, -math.inf]
    as_float = torch.tensor(padded).tolist()
    peaks = [i for i in range(len(values)) if as_float[i] < as_float[i + 1] >= as_float[i + 2]]
    for index, found in enumerate(nearest[0].tolist()):
        assert abs(found - index) == min(abs(peak - index) for peak in peaks)
        assert abs(float(place[0, index]) - found) <= 0.5
