"""What enhancement and upscaling do to recordings, and how fast: `python -m bench.enhancement [FOLDER] [COUNT]`.

The measured recordings are the examples, or COUNT (40) of those below FOLDER, taken evenly: ten seconds of each,
from a third of its length on. Noise is added to them, or their top is taken away, so the truth is known.
"""

from __future__ import annotations

import io
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile
from numpy.typing import NDArray

from angen.audio import Audio, find_audio
from angen.enhancement import (
    STEMS,
    DeNoise,
    DeReverb,
    apply_chain,
    chain_for,
    log_spectral_distance_db,
    measure_bandwidth,
    sdr_db,
    si_sdr_db,
    upscale,
)

CALYPSO = Path("examples/calypso")
SECONDS, BIG_BYTES = 10.0, 300_000


def enhancement() -> None:
    """Speed of each chain and of upscaling, on this many cores."""
    piece = next(_recordings(CALYPSO, 1))[1]
    audio = Audio(np.tile(piece.samples, (1, 6)), piece.rate_hz)
    for stem in STEMS:
        hissing = _with_noise(audio, "white", 30, 0)
        print(f"enhance {stem}: {_speed(hissing, stem):.0f}x real time")
    low = audio.resampled(22_050)
    start = time.perf_counter()
    made = upscale(low, 48_000)
    print(
        f"upscale 22050 to 48000 Hz ({made.method}): {low.duration_s / (time.perf_counter() - start):.0f}x real time"
    )


def _speed(audio: Audio, stem: str) -> float:
    start = time.perf_counter()
    apply_chain(audio, chain_for(stem, 1.0))  # type: ignore[arg-type]
    return audio.duration_s / (time.perf_counter() - start)


def clean_table(pieces: list[tuple[str, Audio]]) -> None:
    """What repairing does to recordings nothing was done to, strength 0.5 and 1; a mix is no voice."""
    for stem in STEMS[1:]:
        for strength in (0.5, 1.0):
            found = [
                sdr_db(audio, apply_chain(audio, chain_for(stem, strength, shape=False)))
                for _, audio in pieces
            ]
            same = sum(np.isinf(found))
            finite = sorted(value for value in found if np.isfinite(value))
            low = ", ".join(f"{value:.0f}" for value in finite[:4])
            print(
                f"| {stem} {strength:g} | {same} of {len(found)} | {sum(value > 30 for value in found)} | {low} |"
            )


def noise_table(pieces: list[tuple[str, Audio]]) -> None:
    """DeNoise on known noise: change of SI-SDR and of log-spectral distance to the clean recording."""
    for kind in ("white", "pink", "hiss", "room"):
        for snr_db in (30, 20, 10, 5):
            gained, nearer = [], []
            for index, (_, clean) in enumerate(pieces):
                noisy = _with_noise(clean, kind, snr_db, index)
                made = DeNoise().apply(noisy)
                gained.append(si_sdr_db(clean, made) - si_sdr_db(clean, noisy))
                nearer.append(_lsd(clean, noisy) - _lsd(clean, made))
            better = f"{sum(np.array(gained) > -0.05)} / {sum(np.array(nearer) > -0.05)} of {len(pieces)}"
            print(
                f"| {kind} | {snr_db} | {np.median(gained):+.1f} / {np.mean(gained):+.1f} ({np.min(gained):+.1f}) "
                f"| {np.median(nearer):+.1f} / {np.mean(nearer):+.1f} ({np.min(nearer):+.1f}) | {better} |",
                flush=True,
            )


def limit_table(pieces: list[tuple[str, Audio]]) -> None:
    """Band limits found where they are known."""
    cases: list[tuple[str, float]] = [(f"low-passed at {hz} Hz", hz) for hz in (4000, 8000, 11_000, 16_000)]
    for name, hz in [*cases, ("MP3, 64 kbit/s", 11_000), ("MP3, 128 kbit/s", 16_500), ("as it is", 0)]:
        found = []
        for _, audio in pieces:
            limited = _mp3(audio, int(name[5:-7])) if name.startswith("MP3") else _low_passed(audio, hz)
            found.append(measure_bandwidth(limited))
        sure = [one.hz for one in found if one.confidence >= 0.5]
        near = sum(abs(one - hz) < 300 for one in sure)
        if sure:
            print(f"| {name} | {len(sure)} of {len(found)} | {near} | {np.median(sure):.0f} |", flush=True)


def high_band_table(pieces: list[tuple[str, Audio]]) -> None:
    """The high band against the true one: plain resampling, and extension."""
    for hz in (4000, 8000, 11_000):
        rows = []
        for _, audio in pieces:
            low = _low_passed(audio, hz)
            made = upscale(low, audio.rate_hz)
            if made.extended_above_hz is None:
                continue
            band = {"low_hz": hz + 300.0, "high_hz": 16_000.0}
            rows.append([_lsd(audio, one, **band) for one in (low, made.audio)])
        if not rows:
            continue
        plain, extended = np.array(rows).T
        better = int(sum(extended < plain))
        print(f"| {hz} | {plain.mean():.1f} | {extended.mean():.1f} | {better} of {len(rows)} |", flush=True)


def reverb_table(pieces: list[tuple[str, Audio]]) -> None:
    """DeReverb, given the reverberation time, on recordings put into a room of noise."""
    for reverb_s in (0.4, 0.8, 1.5):
        gained, nearer = [], []
        for index, (_, audio) in enumerate(pieces):
            wet, early = _in_a_room(audio, reverb_s, index)
            made = DeReverb(reverb_s=reverb_s).apply(wet)
            gained.append(si_sdr_db(early, made) - si_sdr_db(early, wet))
            nearer.append(_lsd(early, wet) - _lsd(early, made))
        better = f"{sum(np.array(gained) > 0)} / {sum(np.array(nearer) > 0)} of {len(pieces)}"
        print(f"| {reverb_s} | {np.mean(gained):+.2f} | {np.mean(nearer):+.2f} | {better} |", flush=True)


def _lsd(reference: Audio, estimate: Audio, **band: float) -> float:
    return log_spectral_distance_db(reference, estimate, **band)


def _recordings(folder: Path, count: int) -> Iterator[tuple[str, Audio]]:
    files = [file for file in find_audio([folder]) if file.stat().st_size > BIG_BYTES]
    for file in files[:: max(1, len(files) // count)][:count]:
        with soundfile.SoundFile(file) as sound:
            sound.seek(sound.frames // 3)
            samples = sound.read(round(SECONDS * sound.samplerate), dtype="float32", always_2d=True).T
            if samples.shape[1] > 5 * sound.samplerate and np.abs(samples).max() > 0.05:
                yield file.name, Audio(np.ascontiguousarray(samples), sound.samplerate)


def _with_noise(audio: Audio, kind: str, snr_db: float, seed: int) -> Audio:
    """Noise of a kind: white, pink, hiss (rising to 3 kHz), room (falling, with a hump at 600 Hz)."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(audio.samples.shape), axis=1)
    hz = np.maximum(np.fft.rfftfreq(audio.samples.shape[1], 1 / audio.rate_hz), 20)
    shape = {
        "white": np.ones_like(hz),
        "pink": hz**-0.5,
        "hiss": hz / np.hypot(hz, 3000),
        "room": hz**-0.8 * (1 + 3 * np.exp(-(((hz - 600) / 200) ** 2))),
    }[kind]
    noise = np.fft.irfft(spectrum * shape, audio.samples.shape[1], axis=1)
    power = np.mean(audio.samples.astype(float) ** 2) / np.mean(noise**2)
    return Audio(
        (audio.samples + noise * np.sqrt(power) * 10 ** (-snr_db / 20)).astype(np.float32), audio.rate_hz
    )


def _low_passed(audio: Audio, hz: float) -> Audio:
    if not hz:
        return audio
    taps, beta = scipy.signal.kaiserord(100, 600 / audio.rate_hz)
    taps |= 1
    low_pass = scipy.signal.firwin(taps, hz, window=("kaiser", beta), fs=audio.rate_hz)
    return _convolved(audio, low_pass[None], taps // 2)


def _in_a_room(audio: Audio, reverb_s: float, seed: int) -> tuple[Audio, Audio]:
    """The recording in a room of decaying noise as loud as the sound itself, and with its first 50 ms only."""
    time_s = np.arange(round(1.2 * reverb_s * audio.rate_hz)) / audio.rate_hz
    noise = np.random.default_rng(seed).standard_normal((audio.channels, len(time_s)))
    room = noise * 10 ** (-3 * time_s / reverb_s) * (time_s > 0.003)
    room /= np.sqrt((room**2).sum(axis=1, keepdims=True))
    room[:, 0] = 1
    return _convolved(audio, room, 0), _convolved(audio, room * (time_s < 0.05), 0)


def _convolved(audio: Audio, response: NDArray[np.float64], delay: int) -> Audio:
    whole = scipy.signal.oaconvolve(audio.samples.astype(np.float64), response, axes=1)
    return Audio(whole[:, delay : delay + audio.samples.shape[1]].astype(np.float32), audio.rate_hz)


def _mp3(audio: Audio, kilobits: int) -> Audio:
    packed = io.BytesIO()
    level = (320 - kilobits) / 288
    soundfile.write(
        packed, audio.samples.T, audio.rate_hz, format="MP3", bitrate_mode="CONSTANT", compression_level=level
    )
    packed.seek(0)
    return Audio(
        np.ascontiguousarray(soundfile.read(packed, dtype="float32", always_2d=True)[0].T), audio.rate_hz
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    folder, count = [*sys.argv[1:], str(CALYPSO), "40"][:2] if len(sys.argv) != 2 else [sys.argv[1], "40"]
    chosen = list(_recordings(Path(folder), int(count)))
    if not chosen:
        sys.exit(f"no recording above {BIG_BYTES // 1000} kB and 5 s in {folder}")
    print(f"{len(chosen)} recordings")
    enhancement()
    print("\nrepair of clean recordings: chain and strength | the very same | SDR above 30 dB | lowest SDRs")
    clean_table(chosen)
    wide = [piece for piece in chosen if piece[1].rate_hz >= 44_100]
    print("\nband limit: case | found | within 300 Hz | median Hz")
    limit_table(wide)
    print("\nhigh band: limit Hz | LSD plain, dB | LSD extended, dB | better")
    high_band_table(wide)
    print("\nnoise: kind | SNR dB | gain in SI-SDR, median / mean (worst), dB | gain in LSD | not worse")
    noise_table(chosen)
    print("\nreverberation: s | gain in SI-SDR, dB | gain in LSD, dB | better")
    reverb_table(chosen)
