"""Fit the codec's principal components and train its decoder.

    python -m recipes.angen_tiny.fit_codec components --corpus work/base --out work/codec
    python -m recipes.angen_tiny.fit_codec decoder --corpus work/base --real work/real_train --out work/codec \
        --minutes 115
    python -m recipes.angen_tiny.fit_codec evaluate --corpus work/val --out work/codec

`components` takes a minute. `decoder` resumes from `work/codec/decoder.pt`, whose schedule runs on the minutes
of training done. Loss: log-magnitude L1, spectral convergence and log-mel L1 at two of four random resolutions.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from angen.model.codec import FFT, FRAME_SAMPLES, HOP, MELS, PATCH, Codec, mel_filters
from angen.model.phase import coherent_phases
from recipes.angen_tiny.corpus import Corpus, load_corpus

CHANNELS = 96
COMPRESSION = 0.6  # latents are divided by this power of their deviation
RESOLUTIONS = ((4096, 200), (2048, 160), (1024, 96), (512, 64), (240, 24))
TEXTURE_SAMPLES = 7680  # 0.32 s over which grain is compared
FINE_SHARE = 0.4  # of the loss on the fine spectrum, from which the phases of held tones follow
BATCH = 10
CROP = 16 * FRAME_SAMPLES
RATE = 1.2e-3


def fit_components(corpus: Path, out: Path, clips: int = 900) -> None:
    """Principal components of log-mel patches of evenly chosen clips."""
    data = load_corpus(corpus)
    codec = Codec(channels=CHANNELS)
    patches = []
    for i in np.linspace(0, len(data.labels) - 1, clips).astype(int):
        log_mel = codec.encoder.log_mel(torch.from_numpy(data.audio(int(i)))[None])
        patches.append(log_mel[0].reshape(-1, PATCH * MELS)[::2].clone())
    stack = torch.cat(patches)
    mean = stack.mean(0)
    centred = stack - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(stack))
    components = vectors.flip(1)[:, :CHANNELS].contiguous()
    deviation = values.flip(0)[:CHANNELS].sqrt()
    scale = deviation**COMPRESSION
    scale = scale * ((centred @ components / scale).square().mean().sqrt())
    encoder = codec.encoder
    encoder.mean.copy_(mean)
    encoder.components.copy_(components)
    encoder.scale.copy_(scale)
    error = (centred - centred @ components @ components.T).abs().mean()
    print(f"{len(stack)} patches; mean log-mel error of the projection {error:.3f}")
    out.mkdir(parents=True, exist_ok=True)
    save_file(codec.state_dict(), str(out / "init.safetensors"))


def _magnitude(audio: Tensor, fft: int, hop: int = 0) -> Tensor:
    padded = torch.nn.functional.pad(audio, (fft // 2, fft // 2), mode="reflect")
    spectrum = torch.stft(
        padded, fft, hop or fft // 4, fft, torch.hann_window(fft), center=False, return_complex=True
    )
    return (spectrum.real.square() + spectrum.imag.square() + 1e-7).sqrt()


def spectral_loss(
    made: Tensor, real: Tensor, rng: np.random.Generator, filters: dict[int, Tensor], texture: float
) -> Tensor:
    """Spectral distance at one of the three longer and one of the two shorter windows."""
    total = made.new_zeros(())
    for fft, _ in (RESOLUTIONS[rng.integers(3)], RESOLUTIONS[3 + rng.integers(2)]):
        a, b = _magnitude(made, fft), _magnitude(real, fft)
        log = ((a + 1e-3).log() - (b + 1e-3).log()).abs().mean()
        convergence = ((a - b).square().sum((1, 2)).sqrt() / (b.square().sum((1, 2)).sqrt() + 1e-3)).mean()
        mel_a, mel_b = filters[fft] @ a, filters[fft] @ b
        log_mel_a, log_mel_b = (mel_a + 1e-4).log(), (mel_b + 1e-4).log()
        mel = (log_mel_a - log_mel_b).abs().mean()
        total = total + 0.5 * log + 0.3 * convergence + 1.5 * mel
        total = total + texture * texture_loss(log_mel_a, log_mel_b, 4 * TEXTURE_SAMPLES // fft)
    return total / 2


def texture_loss(made: Tensor, real: Tensor, frames: int) -> Tensor:
    """How much log-mel spectra (B, bands, T) move from frame to frame, compared over stretches of `frames`.

    What a codec has lost it cannot foretell, and the least distance is to draw nothing where something was: sound
    without grain. This asks for as much of it as there was, not for the same.
    """
    moved = (F.avg_pool1d(x.diff(dim=-1).abs(), frames, frames // 2) for x in (made, real))
    return torch.sub(*moved).abs().mean()


def train_decoder(
    corpora: Sequence[Path],
    out: Path,
    minutes: float,
    threads: int,
    start: Path | None = None,
    texture: float = 0.0,
    rate: float = RATE,
) -> None:
    """Train until the minutes are used, on each corpus alike; save every two of them."""
    torch.set_num_threads(threads)
    data = [load_corpus(corpus) for corpus in corpora]
    codec = Codec(channels=CHANNELS)
    codec.load_state_dict(load_file(out / "init.safetensors"), strict=False)
    optimiser = torch.optim.AdamW(codec.decoder.parameters(), lr=1e-3, betas=(0.8, 0.98), weight_decay=1e-3)
    filters = {fft: mel_filters(fft, mels) for fft, mels in RESOLUTIONS}
    if start:
        _begin_with(codec, torch.load(start, weights_only=True)["codec"])
    state_file, used_s, step = out / "decoder.pt", 0.0, 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        codec.load_state_dict(state["codec"])
        optimiser.load_state_dict(state["optimiser"])
        used_s, step = state["used_s"], state["step"]
    rng = np.random.default_rng([1, step])
    mark = saved = time.monotonic()
    running = 0.0
    while used_s < minutes * 60:
        share = used_s / (minutes * 60)
        warm = min(1.0, (step + 1) / 50)
        for group in optimiser.param_groups:
            group["lr"] = warm * (rate * (0.5 + 0.5 * math.cos(math.pi * share)) + 2e-5)
        real = _crops(data, rng)
        with torch.no_grad():
            latents = codec.encoder(real)
            latents = latents + 0.12 * torch.from_numpy(
                rng.random((BATCH, 1, 1), np.float32)
            ) * torch.randn_like(latents)
            log_mel = codec.encoder.unproject(latents)
        with torch.autocast("cpu", torch.bfloat16):
            hidden, fine = codec.decoder.fine_spectrum(latents, log_mel)
        with torch.no_grad():
            phases, _ = coherent_phases(fine, HOP, FFT)
            waves = codec.decoder.waves(fine, phases)
            wanted = (_magnitude(real, FFT, HOP)[..., :-1].transpose(1, 2) + 3e-3).log()
        with torch.autocast("cpu", torch.bfloat16):
            made = codec.decoder(hidden, log_mel, waves)
        loss = spectral_loss(made.float(), real, rng, filters, texture)
        loss = loss + FINE_SHARE * (fine - wanted).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.decoder.parameters(), 3.0)
        optimiser.step()
        running, step = running + float(loss.detach()), step + 1
        now = time.monotonic()
        used_s, mark = used_s + now - mark, now
        if step % 100 == 0:
            print(f"step {step}, {used_s / 60:.1f} min, loss {running / 100:.4f}", flush=True)
            running = 0.0
        if now - saved > 120 or used_s >= minutes * 60:
            saved = now
            torch.save(
                {
                    "codec": codec.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "used_s": used_s,
                    "step": step,
                },
                state_file.with_suffix(".part"),
            )
            state_file.with_suffix(".part").replace(state_file)


def _begin_with(codec: Codec, former: dict[str, Tensor]) -> None:
    """Fill in what a former decoder has in common with this one."""
    own = codec.state_dict()
    shared = {name: value for name, value in former.items() if name in own and own[name].shape == value.shape}
    codec.load_state_dict({**own, **shared})


def _crops(corpora: Sequence[Corpus], rng: np.random.Generator) -> Tensor:
    crops = []
    for i in range(BATCH):
        data = corpora[i % len(corpora)]
        audio = data.audio(int(rng.integers(len(data))))
        start = int(rng.integers(len(audio) - CROP))
        crops.append(audio[start : start + CROP] * np.float32(10 ** rng.uniform(-0.4, 0.1)))
    return torch.from_numpy(np.stack(crops))


def evaluate(corpus: Path, out: Path, clips: int = 60) -> None:
    """Log-mel L1 (80 mels) of reconstruction on clips not trained on."""
    data = load_corpus(corpus)
    codec = Codec(channels=CHANNELS)
    codec.load_state_dict(torch.load(out / "decoder.pt", weights_only=True)["codec"])
    filters = mel_filters(1024, 80)
    errors, wild, encode_s, decode_s = [], [], 0.0, 0.0
    for i in np.linspace(0, len(data.labels) - 1, min(clips, len(data.labels))).astype(int):
        audio = torch.from_numpy(data.audio(int(i)))[None]
        t0 = time.perf_counter()
        latents = codec.encode(audio)
        t1 = time.perf_counter()
        made = codec.decode(latents)
        encode_s, decode_s = encode_s + t1 - t0, decode_s + time.perf_counter() - t1
        a, b = ((filters @ _magnitude(x, 1024) + 1e-4).log() for x in (made, audio))
        (wild if data.labels[int(i)].get("wild") else errors).append(float((a - b).abs().mean()))
    seconds = 15.36 * (len(errors) + len(wild))
    print(
        f"log-mel80 L1 {np.mean(errors):.3f} over {len(errors)} clips"
        + (f", wild {np.mean(wild):.3f} over {len(wild)}" if wild else "")
        + f"; encode {seconds / encode_s:.0f}x, decode {seconds / decode_s:.0f}x real time"
        f" on {torch.get_num_threads()} threads"
    )


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["components", "decoder", "evaluate"])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--real", type=Path, help="recordings, half of every batch")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="state of a former decoder to begin with")
    parser.add_argument("--texture", type=float, default=0.0, help="weight of the grain in the loss")
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument(
        "--rate", type=float, default=RATE, help="the highest learning rate; half of it to go on"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.stage == "components":
        fit_components(options.corpus, options.out)
    elif options.stage == "decoder":
        corpora = [options.corpus, *([options.real] if options.real else [])]
        train_decoder(
            corpora,
            options.out,
            options.minutes,
            options.threads,
            options.start,
            options.texture,
            options.rate,
        )
    else:
        evaluate(options.corpus, options.out)


if __name__ == "__main__":
    main()
