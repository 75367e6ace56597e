"""What the packed model can do, by judges that are not its own loss, each with chance and ceiling beside it.

    python -m recipes.angen_tiny.evaluate --validation work/val --train work/base.pt --held work/val.pt

Style by a judge network, on captions of held-back clips and on free-form prompts nobody trained on; tempo and key by
librosa; Fréchet distance to held-back music with its floor; diversity; the nearest training window.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from angen.analysis import StyleSpace, frechet_distance, split_half_floor, style_features
from angen.audio import Audio
from angen.generation import GenerationRequest, sample_latents
from angen.model import AngenTiny
from recipes.angen_tiny.corpus import RATE_HZ, Corpus, load_corpus
from recipes.angen_tiny.judges import (
    WINDOW_S,
    heard_key,
    heard_tempo,
    key_is_near,
    labelled,
    load_judge,
    tempo_is_close,
    windows,
)  # fmt: skip
from recipes.angen_tiny.prompts import FREE_FORM
from recipes.angen_tiny.styles import BASE_STYLES
from recipes.angen_tiny.theory import PITCH_NAMES

BATCH = 24
FORM = "verse 8, chorus 8"  # of pieces of sixteen bars at 125 bpm
BARS_S = tuple(1.92 * n for n in range(1, 16))
CHORUS_S = BARS_S[7]
Float = NDArray[np.floating[Any]]


def draw(model: AngenTiny, requests: Sequence[GenerationRequest]) -> list[Tensor]:
    """Latents of requests of one kind, some at a time."""
    parts = [requests[i : i + BATCH] for i in range(0, len(requests), BATCH)]
    return [song for part in parts for song in sample_latents(model, part)]


def caption_requests(
    held: Corpus, count: int, guidance: float | None
) -> tuple[list[GenerationRequest], list[int]]:
    """Requests for captions of held-back clips, `count` a style, at the clips' own tempi; and those clips."""
    chosen: list[int] = []
    for style in BASE_STYLES:
        chosen += [i for i in labelled(held) if held.labels[i]["style"] == style][:count]
    requests = [
        GenerationRequest(
            held.labels[i]["captions"][n % 16],
            WINDOW_S,
            n,
            tempo_bpm=held.labels[i]["tempo_bpm"],
            guidance=guidance,
        )
        for n, i in enumerate(chosen)
    ]
    return requests, chosen


def style_scores(model: AngenTiny, held: Corpus, guidance: float | None, count: int) -> dict[str, Any]:
    """Captions and free-form prompts obeyed; tempo kept; distance to held-back music."""
    judge = load_judge()
    requests, chosen = caption_requests(held, count, guidance)
    music = [model.decode(x) for x in draw(model, requests)]
    wanted = [held.labels[i]["style"] for i in chosen]
    said = judge.styles(music)
    free = [(style, text) for style in BASE_STYLES for text in FREE_FORM[style]]
    drawn = draw(
        model, [GenerationRequest(text, WINDOW_S, n, guidance=guidance) for n, (_, text) in enumerate(free)]
    )
    said_free = judge.styles([model.decode(x) for x in drawn])
    beats = [
        tempo_is_close(heard_tempo(x), float(request.tempo_bpm or 0))
        for x, request in zip(music, requests, strict=True)
    ]
    real = list(windows(held, labelled(held), np.random.default_rng(9)))
    own = [style_features(model.decode(model.encode(x))) for x in real]
    space = StyleSpace.fit(np.concatenate(own), dims=8)
    made = space.project(np.concatenate([style_features(x) for x in music]))
    floor = split_half_floor(own, space, len(made))
    distance = frechet_distance(made, space.project(np.concatenate(own)))
    missed = [f"{a}→{b}: {t}" for (a, t), b in zip(free, said_free, strict=True) if a != b]
    return {
        "style_of_captions": _share(a == b for a, b in zip(said, wanted, strict=True)),
        "style_of_free_prompts": _share(a == b for (a, _), b in zip(free, said_free, strict=True)),
        "style_chance": round(1 / len(BASE_STYLES), 3),
        "tempo": _share(beats),
        "frechet": round(distance, 1), "frechet_floor": round(floor, 1),
        "missed": missed,
    }  # fmt: skip


def key_score(model: AngenTiny, guidance: float | None, count: int = 4) -> dict[str, float]:
    """Stated keys heard: exact, and exact or relative."""
    rng = np.random.default_rng(21)
    keys = [f"{tonic} {mode}" for tonic in PITCH_NAMES for mode in ("major", "minor")]
    asked = [(style, keys[int(rng.integers(24))]) for style in BASE_STYLES for _ in range(count)]
    requests = [
        GenerationRequest(f"{style} in {key}", 2 * WINDOW_S, n, guidance=guidance)
        for n, (style, key) in enumerate(asked)
    ]
    heard = [heard_key(model.decode(x)) for x in draw(model, requests)]
    return {
        "key_exact": _share(h == key for h, (_, key) in zip(heard, asked, strict=True)),
        "key_near": _share(key_is_near(h, key) for h, (_, key) in zip(heard, asked, strict=True)),
        "key_near_chance": round(2 / 24, 3),
    }


def diversity(model: AngenTiny, held: Corpus, guidance: float | None) -> float:
    """Mean distance between pieces for one prompt, as a share of that between held-back clips of the style."""
    shares = []
    for style in ("house", "jazz", "folk", "rock"):
        prompt = GenerationRequest(f"{style} music", WINDOW_S, 0, guidance=guidance)
        made = draw(model, [replace(prompt, seed=seed) for seed in range(10)])
        numbers = [i for i in labelled(held) if held.labels[i]["style"] == style][:10]
        real = [model.encode(x)[:96] for x in windows(held, numbers, np.random.default_rng(2))]
        shares.append(_mean_distance(made) / _mean_distance(real))
    return round(float(np.mean(shares)), 3)


def plain_requests(guidance: float | None = None) -> list[GenerationRequest]:
    """A piece of sixteen bars in each style, without a form."""
    return [
        GenerationRequest(f"{style} music", 30.72, n, tempo_bpm=125.0, guidance=guidance)
        for n, style in enumerate(BASE_STYLES)
    ]


def form_scores(model: AngenTiny, held: Corpus, guidance: float | None) -> dict[str, float]:
    """Whether sections change the music where they should, and whether it ends when asked.

    `section_novelty` is the change of the latents' mean over four seconds at the border of verse and chorus, as a
    multiple of that at the other bar lines of the piece, beside the same pieces drawn without a form and held-back
    clips at their own borders. `ending_db` is the level of the last half second against the whole.
    """
    plain = plain_requests(guidance)
    formed = draw(model, [replace(request, form=FORM) for request in plain])
    ended = draw(model, [replace(request, ending=True) for request in plain])
    loose = draw(model, plain)
    return {
        "section_novelty": _mean(novelty_at(x, BARS_S, CHORUS_S) for x in formed),
        "section_novelty_without_form": _mean(novelty_at(x, BARS_S, CHORUS_S) for x in loose),
        "section_novelty_held": _mean(_held_novelty(model, held)),
        "ending_db": _mean(_last_db(model.decode(x).samples) for x in ended),
        "no_ending_db": _mean(_last_db(model.decode(x).samples) for x in loose),
    }


def novelty_at(latents: Tensor, bars_s: Sequence[float], border_s: float) -> float:
    """Change at a border as a multiple of the mean change at the other bar lines that have room around them."""
    rate, reach = 12.5, 50
    changes = {}
    for bar in bars_s:
        at = round(bar * rate)
        if reach <= at <= len(latents) - reach:
            before, after = latents[at - reach : at].mean(0), latents[at : at + reach].mean(0)
            changes[bar] = float((after - before).norm())
    others = [change for bar, change in changes.items() if abs(bar - border_s) > 1.0]
    nearest_bar = min(changes, key=lambda bar: abs(bar - border_s))
    return changes[nearest_bar] / float(np.mean(others))


def _held_novelty(model: AngenTiny, held: Corpus) -> list[float]:
    """The same of composed clips with a border near their middle."""
    found = []
    for i in labelled(held):
        labels = held.labels[i]
        borders = [span["start_s"] for span in labels["sections"] if 4.5 < span["start_s"] < 10.5]
        if borders and len([bar for bar in labels["downbeats_s"] if 4 <= bar <= 11.3]) >= 3:
            latents = model.encode(Audio(held.audio(i)[None], 24_000))
            found.append(novelty_at(latents, labels["downbeats_s"], borders[0]))
    return found


def _last_db(samples: Float) -> float:
    last = samples[..., -RATE_HZ // 2 :]
    return float(10 * np.log10((np.mean(last**2) + 1e-9) / (np.mean(samples**2) + 1e-9)))


def _mean(values: Iterable[float]) -> float:
    return round(float(np.mean(list(values))), 2)


def _mean_distance(pieces: Sequence[Tensor]) -> float:
    flat = torch.stack([piece[:96].float().flatten() for piece in pieces])
    return float(torch.nn.functional.pdist(flat).mean())


def nearest(model: AngenTiny, held_file: Path, train_file: Path, guidance: float | None) -> dict[str, float]:
    """Median latent distance to the nearest training window, of generated and of held-back windows."""
    train, held = (torch.load(file, weights_only=True) for file in (train_file, held_file))
    rows = train["latents"].float()
    known = torch.cat([rows[:, :96].flatten(1), rows[:, 96:].flatten(1)])
    captions = [line["captions"][0] for line in held["labels"]][:72]
    made = torch.stack(
        draw(
            model,
            [GenerationRequest(text, WINDOW_S, n, guidance=guidance) for n, text in enumerate(captions)],
        )
    )
    real = held["latents"][:72, :96].float()
    return {
        name: round(float(torch.cdist(pieces.flatten(1), known).amin(1).median()), 1)
        for name, pieces in (("nearest_made", made), ("nearest_held", real))
    }


def _share(answers: Any) -> float:
    return round(float(np.mean([bool(answer) for answer in answers])), 3)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--validation", type=Path, required=True, help="corpus of held-back clips")
    parser.add_argument("--train", type=Path, help="encoded training clips")
    parser.add_argument("--held", type=Path, help="encoded held-back clips")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--guidance", type=float, nargs="+", default=[None])
    parser.add_argument("--count", type=int, default=6, help="captions a style")
    parser.add_argument("--only-style", action="store_true")
    options = parser.parse_args()
    model, held = AngenTiny(options.weights), load_corpus(options.validation)
    for guidance in options.guidance:
        figures: dict[str, Any] = {"guidance": guidance, **style_scores(model, held, guidance, options.count)}
        if not options.only_style:
            figures |= key_score(model, guidance) | form_scores(model, held, guidance)
            figures["diversity"] = diversity(model, held, guidance)
            if options.train and options.held:
                figures |= nearest(model, options.held, options.train, guidance)
        print(json.dumps(figures, ensure_ascii=False, indent=1), flush=True)


if __name__ == "__main__":
    main()
