import numpy as np
import pytest
import torch
from recipes.angen_tiny.judges import (
    JUDGE,
    StyleJudge,
    key_is_near,
    labelled,
    load_judge,
    log_mel,
    tempo_is_close,
    windows,
)
from recipes.angen_tiny.styles import BASE_STYLES

from angen.audio import Audio

FRAMES = 720


def _music(seconds: float = 8.0, rate_hz: int = 24_000, channels: int = 1, seed: int = 0) -> Audio:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(seed).standard_normal(len(time_s))
    sound = 0.2 * np.sin(2 * np.pi * 440 * time_s) * (1 + np.sin(4 * np.pi * time_s)) + 0.01 * noise
    return Audio(np.stack([sound] * channels).astype(np.float32), rate_hz)


class TestKey:
    @pytest.mark.parametrize(
        ("heard", "stated", "is_near"),
        [
            ("C major", "C major", True),
            ("C major", "A minor", True),
            ("A minor", "C major", True),
            ("D# major", "C minor", True),
            ("F# minor", "A major", True),
            ("B minor", "D major", True),
            ("C major", "C minor", False),
            ("C major", "G major", False),
            ("C major", "D# minor", False),
            ("A minor", "F# major", False),
        ],
    )
    def test_the_same_and_the_relative_are_near_and_no_other(
        self, heard: str, stated: str, is_near: bool
    ) -> None:
        assert key_is_near(heard, stated) == is_near

    def test_it_is_symmetric_and_every_key_has_one_relative(self) -> None:
        names = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
        keys = [f"{name} {mode}" for name in names for mode in ("major", "minor")]
        near = {key: {other for other in keys if key_is_near(key, other)} for key in keys}
        assert {len(found) for found in near.values()} == {2}
        assert all(key in near[other] for key in keys for other in near[key])


class TestTempo:
    @pytest.mark.parametrize("ratio", [1 / 3, 0.5, 1.0, 2.0, 3.0])
    def test_metre_and_four_percent_are_forgiven(self, ratio: float) -> None:
        for share in (0.961, 1.0, 1.039):
            assert tempo_is_close(120 * ratio * share, 120)
        for share in (0.95, 1.05):
            assert not tempo_is_close(120 * ratio * share, 120)

    @pytest.mark.parametrize("heard", [0.0, 80.0, 90.0, 160.0, 180.0, 480.0])
    def test_others_are_not(self, heard: float) -> None:
        assert not tempo_is_close(heard, 120)


class TestLogMel:
    @pytest.mark.parametrize("seconds", [7.68, 8.0, 30.0])
    def test_it_is_of_the_first_seconds(self, seconds: float) -> None:
        mel = log_mel(_music(seconds))
        assert mel.shape == (FRAMES, 64)
        assert mel.dtype == np.float32
        assert np.array_equal(mel, log_mel(_music(seconds).span(0.0, 7.68)))

    @pytest.mark.parametrize("gain", [0.05, 0.5, 4.0])
    def test_level_is_of_no_matter(self, gain: float) -> None:
        music = _music()
        louder = Audio(music.samples * np.float32(gain), music.rate_hz)
        np.testing.assert_allclose(log_mel(louder), log_mel(music), atol=1e-3)

    def test_rate_and_channels_are_of_little(self) -> None:
        plain = log_mel(_music())
        np.testing.assert_allclose(log_mel(_music(channels=2)), plain, atol=1e-5)
        tone = [int(log_mel(_music(rate_hz=rate)).mean(0).argmax()) for rate in (24_000, 48_000)]
        assert tone[0] == tone[1]

    def test_silence_is_finite(self) -> None:
        assert np.isfinite(log_mel(Audio(np.zeros((1, 24_000 * 8), np.float32), 24_000))).all()

    def test_a_higher_tone_lies_in_a_higher_band(self) -> None:
        bands = []
        for hz in (200, 1000, 5000):
            tone = np.sin(2 * np.pi * hz * np.arange(24_000 * 8) / 24_000)
            bands.append(int(log_mel(Audio(tone[None].astype(np.float32), 24_000)).mean(0).argmax()))
        assert bands == sorted(set(bands))


class TestStyleJudge:
    def test_it_says_one_of_the_base_styles_for_each_piece(self) -> None:
        torch.manual_seed(0)
        judge = StyleJudge().eval()
        assert judge(torch.zeros(2, FRAMES, 64)).shape == (2, len(BASE_STYLES))
        music = [_music(seed=1), _music(10.0, seed=2), _music(rate_hz=44_100, channels=2)]
        said = judge.styles(music)
        assert len(said) == 3
        assert set(said) <= set(BASE_STYLES)
        assert said == [judge.styles([piece])[0] for piece in music]

    def test_what_is_decided_depends_on_the_music(self) -> None:
        torch.manual_seed(0)
        judge = StyleJudge().eval()
        hiss = np.random.default_rng(1).standard_normal((1, 24_000 * 8))
        noise = Audio(hiss.astype(np.float32), 24_000)
        with torch.no_grad():
            one, other = judge(torch.from_numpy(np.stack([log_mel(_music()), log_mel(noise)])))
        assert not torch.allclose(one, other, atol=1e-3)

    def test_every_weight_learns(self) -> None:
        torch.manual_seed(0)
        judge = StyleJudge()
        judge(torch.randn(3, FRAMES, 64)).square().sum().backward()
        assert all(bool(weight.grad is not None and weight.grad.any()) for weight in judge.parameters())

    @pytest.mark.skipif(not JUDGE.is_file(), reason="the judge is not fitted yet")
    def test_the_one_beside_the_recipe_opens(self) -> None:
        assert set(load_judge().styles([_music()])) <= set(BASE_STYLES)


class _Clips:
    """Three clips that say in their samples where they were cut."""

    labels = (
        {"style": "jazz"},
        {"style": "rock", "wild": True},
        {"style": "rock", "ends_s": 9.0},
        {"wild": False, "ends_s": None},
    )

    def audio(self, number: int) -> np.ndarray:
        return np.arange(368_640, dtype=np.float32) + 1e6 * number


def test_clips_that_are_wild_or_ended_are_not_judged_by() -> None:
    assert labelled(_Clips()) == [0, 3]  # type: ignore[arg-type]


def test_windows_are_stretches_of_the_clips() -> None:
    found = list(windows(_Clips(), [2, 0], np.random.default_rng(0)))  # type: ignore[arg-type]
    assert [audio.samples.shape for audio in found] == [(1, 184_320)] * 2
    assert [int(audio.samples[0, 0] >= 1e6) for audio in found] == [1, 0]
    starts = [int(audio.samples[0, 0]) for audio in windows(_Clips(), [0] * 20, np.random.default_rng(0))]  # type: ignore[arg-type]
    assert len(set(starts)) == 20
    assert max(starts) < 184_320
