"""What the packed model can do: styles told apart, tempo kept, held-out loss, distance to the corpus.

    python -m recipes.angen_tiny.evaluate --corpus work/val --text work/text

A judge (nearest class mean on standardised mel statistics, shrunk covariance) is fitted to codec
reconstructions of corpus clips and says which style a generated piece is; its own accuracy on held-out clips is
printed beside. Tempo is measured by `angen.analysis`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from angen.analysis import StyleSpace, analyze_audio, frechet_distance, style_features
from angen.audio import Audio
from angen.generation import GenerationRequest, generate
from angen.model import AngenTiny
from recipes.angen_tiny.corpus import load_corpus
from recipes.angen_tiny.styles import BASE_STYLES

Float = NDArray[np.float64]


class Judge:
    """Linear discriminant with a shrunk covariance.

    Args:
        features: (clips, features).
        names: Style of each.
    """

    def __init__(self, features: Float, names: list[str]) -> None:
        self.mean, self.scale = features.mean(0), features.std(0) + 1e-6
        whitened = (features - self.mean) / self.scale
        self.names = sorted(set(names))
        labels = np.array([self.names.index(name) for name in names])
        self.centres = np.stack([whitened[labels == i].mean(0) for i in range(len(self.names))])
        within = whitened - self.centres[labels]
        covariance = within.T @ within / len(within)
        self.inverse = np.linalg.inv(0.5 * covariance + 0.5 * np.eye(len(covariance)))

    def __call__(self, features: Float) -> list[str]:
        """The style of each row."""
        whitened = (features - self.mean) / self.scale
        apart = whitened[:, None, :] - self.centres[None]
        return [self.names[i] for i in np.einsum("nkf,fg,nkg->nk", apart, self.inverse, apart).argmin(1)]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True, help="held-out clips")
    parser.add_argument("--fit", type=Path, help="clips to fit the judge on; the training corpus")
    parser.add_argument("--text", type=Path)
    parser.add_argument("--count", type=int, default=4, help="pieces a style")
    options = parser.parse_args()
    model = AngenTiny()

    def features_of(corpus: Path, most: int) -> tuple[Float, list[str]]:
        data = load_corpus(corpus)
        lines = [i for i, line in enumerate(data.labels) if not line.get("wild")][:most]
        made = [model.decode(model.encode(Audio(data.audio(i)[None], 24_000))).span(0, 7.68) for i in lines]
        return np.concatenate([style_features(x) for x in made]), [data.labels[i]["style"] for i in lines]

    fit, fit_names = features_of(options.fit or options.corpus, 720)
    judge = Judge(fit, fit_names)
    held, held_names = features_of(options.corpus, 180)
    said = judge(held)
    print(
        f"judge on held-out real clips {np.mean([a == b for a, b in zip(said, held_names, strict=True)]):.2f}"
    )
    tempi = _tempi(load_corpus(options.corpus).labels)
    for guidance in (1.0, 2.0):
        _score(model, judge, held, tempi, options.count, guidance)


def _tempi(labels: list[dict[str, object]]) -> dict[str, list[float]]:
    tempi: dict[str, list[float]] = {}
    for line in labels:
        tempi.setdefault(str(line["style"]), []).append(float(str(line["tempo_bpm"])))
    return tempi


def _score(
    model: AngenTiny, judge: Judge, held: Float, tempi: dict[str, list[float]], count: int, guidance: float
) -> None:
    names = [style for style in BASE_STYLES for _ in range(count)]
    bpm = [tempi[style][i % len(tempi[style])] for style in BASE_STYLES for i in range(count)]
    requests = [
        GenerationRequest(f"{style} music", 7.68, seed, tempo_bpm=tempo, guidance=guidance)
        for seed, (style, tempo) in enumerate(zip(names, bpm, strict=True))
    ]
    music = generate(model, requests)
    features = np.concatenate([style_features(x) for x in music])
    said = judge(features)
    right = [a == b for a, b in zip(said, names, strict=True)]
    heard = [analyze_audio(x).tempo_bpm for x in music]
    close = [
        h is not None and any(abs(h / (t * r) - 1) < 0.04 for r in (0.5, 1, 2))
        for h, t in zip(heard, bpm, strict=True)
    ]
    space = StyleSpace.fit(held, dims=8)
    distance = frechet_distance(space.project(features), space.project(held))
    print(f"guidance {guidance:g}: style right {np.mean(right):.2f} (chance {1 / len(BASE_STYLES):.2f}), "
          f"tempo within 4 % up to an octave {np.mean(close):.2f}, Fréchet {distance:.1f}, "
          f"peak {max(float(abs(x.samples).max()) for x in music):.2f}")  # fmt: skip
    missed = [f"{a}→{b}" for a, b, ok in zip(names, said, right, strict=True) if not ok]
    print("  missed:", ", ".join(missed))


if __name__ == "__main__":
    main()
