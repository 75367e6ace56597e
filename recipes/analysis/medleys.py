"""How well proposed clips find the seams of medleys: excerpts of recordings, joined at random.

    python -m recipes.analysis.medleys FOLDER... [--count 36] [--seed 0]

Each medley is five to eight excerpts of 10 to 25 s, in mono at 22,050 Hz. Printed: the share of seams with a cut within
half a second and within three, and how many cuts there are for each seam.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from angen.analysis import analyze_audio
from angen.audio import Audio, find_audio, read_audio

RATE_HZ = 22_050
SHORTEST_S, LONGEST_S = 10.0, 25.0
FEWEST, MOST = 5, 8
NEAR_S, FAR_S = 0.5, 3.0
Wave = NDArray[np.float32]


def waves_in(folders: Sequence[Path]) -> list[Wave]:
    """Every recording below the folders that is long enough for an excerpt, in mono."""
    waves = [read_audio(path).mono().resampled(RATE_HZ).samples[0] for path in find_audio(folders)]
    return [wave for wave in waves if len(wave) > (SHORTEST_S + 1) * RATE_HZ]


def medley(waves: Sequence[Wave], rng: np.random.Generator) -> tuple[Audio, list[float]]:
    """Excerpts joined, and the times of the seams in seconds."""
    parts: list[Wave] = []
    for _ in range(int(rng.integers(FEWEST, MOST + 1))):
        wave = waves[int(rng.integers(len(waves)))]
        length = round(RATE_HZ * rng.uniform(SHORTEST_S, min(LONGEST_S, len(wave) / RATE_HZ - 1)))
        start = int(rng.integers(len(wave) - length))
        parts.append(wave[start : start + length])
    seams = np.cumsum([len(part) for part in parts])[:-1] / RATE_HZ
    return Audio(np.concatenate(parts)[None], RATE_HZ), [float(seam) for seam in seams]


def recall(waves: Sequence[Wave], count: int, seed: int) -> dict[str, Any]:
    """Shares of seams found, and cuts a seam, over `count` medleys."""
    rng = np.random.default_rng(seed)
    away, cuts = [], 0
    for _ in range(count):
        audio, seams = medley(waves, rng)
        found = np.array([start_s for start_s, _ in analyze_audio(audio).segments[1:]])
        away += [float(np.abs(found - seam).min()) if len(found) else np.inf for seam in seams]
        cuts += len(found)
    return {
        "seams": len(away),
        "within_0.5_s": round(float(np.mean(np.array(away) < NEAR_S)), 3),
        "within_3_s": round(float(np.mean(np.array(away) < FAR_S)), 3),
        "cuts_a_seam": round(cuts / len(away), 2),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=36)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(recall(waves_in(options.folders), options.count, options.seed))


if __name__ == "__main__":
    main()
