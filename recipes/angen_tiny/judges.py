"""Judges of generated music that are not the model's own loss: a style judge, librosa's tempo and key, distances.

    python -m recipes.angen_tiny.judges fit --corpus work/base --validation work/val     # writes judge.safetensors

The style judge is a small convolutional network on log-mel spectrograms, trained on composed clips, as they are
and after a round trip through the codec. It never sees generated music. Its accuracy on clips it was not trained on
is the ceiling that every score is read against.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from angen.analysis.spectrum import magnitude_blocks
from angen.analysis.style import slaney_filters
from angen.audio import Audio
from angen.model import AngenTiny
from recipes.angen_tiny.corpus import Corpus, load_corpus
from recipes.angen_tiny.styles import BASE_STYLES
from recipes.angen_tiny.theory import PITCH_NAMES

WINDOW_S = 7.68
JUDGE = Path(__file__).with_name("judge.safetensors")
CODED = 1500  # clips whose round trip through the codec is learnt from too
_SIZE, _HOP, _RMS = 1024, 256, 0.12
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)  # Krumhansl & Kessler 1982
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def log_mel(audio: Audio) -> NDArray[np.float32]:
    """64 bands at 93.75 frames a second of the first 7.68 s, brought to a common level; (frames, 64)."""
    signal = audio.mono().resampled(24_000).span(0.0, WINDOW_S).samples[0]
    signal = signal * np.float32(_RMS / max(float(np.sqrt(np.mean(signal**2))), 1e-4))
    filters = slaney_filters().T
    mel = np.concatenate([block @ filters for _, block in magnitude_blocks(signal, _SIZE, _HOP)])
    return np.log(mel + np.float32(1e-4))[: int(WINDOW_S * 24_000 / _HOP)]


class StyleJudge(nn.Module):
    """Says which of the base styles a piece is."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (64, 96, 128, 128)
        self.layers = nn.ModuleList(nn.Conv1d(a, b, 5, stride=2, padding=2) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.GroupNorm(8, size) for size in sizes[1:])
        self.out = nn.Linear(2 * sizes[-1], len(BASE_STYLES))

    def forward(self, mel: Tensor) -> Tensor:
        """Logits (B, styles) of log-mel (B, frames, 64)."""
        hidden = ((mel + 4.0) / 2.5).transpose(1, 2)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            hidden = F.gelu(norm(layer(hidden)))
        hidden = F.dropout(torch.cat([hidden.mean(-1), hidden.amax(-1)], dim=1), 0.3, self.training)
        logits: Tensor = self.out(hidden)
        return logits

    @torch.inference_mode()
    def styles(self, music: Sequence[Audio]) -> list[str]:
        """The style of each piece, by its first 7.68 s."""
        mel = torch.from_numpy(np.stack([log_mel(piece) for piece in music]))
        return [BASE_STYLES[i] for i in self(mel).argmax(1).tolist()]


def load_judge() -> StyleJudge:
    """The judge beside this file."""
    judge = StyleJudge()
    judge.load_state_dict({name: value.float() for name, value in load_file(JUDGE).items()})
    return judge.eval()


# -- librosa ---------------------------------------------------------------


def heard_tempo(audio: Audio) -> float:
    """Librosa's beat tracker, BPM."""
    import librosa

    mono = audio.mono().resampled(22_050).samples[0]
    tempo, _ = librosa.beat.beat_track(y=mono, sr=22_050)
    return float(np.atleast_1d(tempo)[0])


def tempo_is_close(heard_bpm: float, stated_bpm: float, tolerance: float = 0.04) -> bool:
    """Within 4 %, up to an octave or a factor of three halves either way of metre (3 and 1/3)."""
    return any(abs(heard_bpm / (stated_bpm * ratio) - 1) <= tolerance for ratio in (1 / 3, 0.5, 1, 2, 3))


def heard_key(audio: Audio) -> str:
    """Krumhansl's profiles against librosa's mean constant-Q chroma, as "A minor"."""
    import librosa

    mono = audio.mono().resampled(22_050).samples[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chroma = librosa.feature.chroma_cqt(y=mono, sr=22_050).mean(axis=1)
    scores = {
        f"{PITCH_NAMES[tonic]} {mode}": float(np.corrcoef(np.roll(profile, tonic), chroma)[0, 1])
        for tonic in range(12)
        for mode, profile in (("major", _MAJOR), ("minor", _MINOR))
    }
    return max(scores, key=lambda name: scores[name] if math.isfinite(scores[name]) else -2.0)


def key_is_near(heard: str, stated: str) -> bool:
    """The same key, or its relative."""
    if heard == stated:
        return True
    tonic, mode = heard.split()
    shift, other = (9, "minor") if mode == "major" else (3, "major")
    return f"{PITCH_NAMES[(PITCH_NAMES.index(tonic) + shift) % 12]} {other}" == stated


# -- fitting ---------------------------------------------------------------


def windows(data: Corpus, numbers: Sequence[int], rng: np.random.Generator) -> Iterator[Audio]:
    """A random stretch of 7.68 s of each clip."""
    for number in numbers:
        audio = data.audio(number)
        start = int(rng.integers(len(audio) - round(WINDOW_S * 24_000)))
        yield Audio(audio[None, start : start + round(WINDOW_S * 24_000)].copy(), 24_000)


def labelled(data: Corpus) -> list[int]:
    """Clips whose style is to be trusted: not wild, and not ended within."""
    return [i for i, line in enumerate(data.labels) if not line.get("wild") and not line.get("ends_s")]


def fit(corpus: Path, validation: Path, model: AngenTiny, epochs: int = 12) -> None:
    """Train the judge and write it."""
    rng = np.random.default_rng(3)
    data, held = load_corpus(corpus), load_corpus(validation)
    numbers = labelled(data)
    plain = [log_mel(audio) for audio in windows(data, numbers, rng)]
    some = numbers[:: max(1, len(numbers) // CODED)]
    coded = [log_mel(model.decode(model.encode(audio))) for audio in windows(data, some, rng)]
    mel = torch.from_numpy(np.stack([*plain, *coded]))
    wanted = torch.tensor([BASE_STYLES.index(data.labels[i]["style"]) for i in [*numbers, *some]])
    torch.manual_seed(0)
    judge, batch = StyleJudge(), 32
    steps = epochs * len(mel) // batch
    optimiser = torch.optim.AdamW(judge.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for step in range(steps):
        rows = torch.randint(len(mel), (batch,))
        tilt = torch.randn(batch, 1, 1) * torch.linspace(-0.5, 0.5, 64) + 0.3 * torch.randn(batch, 1, 1)
        loss = F.cross_entropy(judge(mel[rows] + tilt), wanted[rows], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}/{steps}, loss {float(loss.detach()):.3f}", flush=True)
    save_file({name: value.half().contiguous() for name, value in judge.state_dict().items()}, str(JUDGE))
    ceiling(held, model)


def ceiling(held: Corpus, model: AngenTiny, count: int = 216) -> None:
    """Print what the judges say of composed clips nobody trained on, after a round trip through the codec."""
    judge, numbers = load_judge(), labelled(held)[:count]
    music = [model.decode(model.encode(x)) for x in windows(held, numbers, np.random.default_rng(4))]
    said = judge.styles(music)
    names = [held.labels[i]["style"] for i in numbers]
    tempi = [
        tempo_is_close(heard_tempo(x), held.labels[i]["tempo_bpm"])
        for x, i in zip(music, numbers, strict=True)
    ]
    whole = [model.decode(model.encode(Audio(held.audio(i)[None], 24_000))) for i in numbers[: count // 2]]
    keys = [key_is_near(heard_key(x), held.labels[i]["key"]) for x, i in zip(whole, numbers, strict=False)]
    right = np.mean([a == b for a, b in zip(said, names, strict=True)])
    print(
        f"ceilings on {len(names)} held-back clips: style {right:.3f}, tempo {np.mean(tempi):.3f}, "
        f"key or its relative {np.mean(keys):.3f}"
    )


def main() -> None:
    """Fit the judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["fit", "ceiling"])
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="another folder of weights than the packed one")
    options = parser.parse_args()
    model = AngenTiny(options.weights)
    if options.stage == "fit":
        fit(options.corpus, options.validation, model)
    else:
        ceiling(load_corpus(options.validation), model)


if __name__ == "__main__":
    main()
