"""What adapters on `angen-tiny` reach: composed styles and real albums that no training of the base ever saw.

    python -m recipes.angen_tiny.adapt --songs work/albums/flare --validation work/val.pt --out work/adapt
    python -m recipes.angen_tiny.adapt --clips work/tango --style "tango music" ...

Runs the studio's own workflows (prepare, train, calibrate, compare) with their defaults, or with the knobs given as
`--set name=value`, and prints one line of figures: held-out loss, style distance with its floors, variety, the
nearest training window, and the loss on the base's own styles before and after.
"""

from __future__ import annotations

import argparse
import ast
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from angen.adapters.lora import AppliedAdapter, applied
from angen.analysis import style_features
from angen.audio import Audio, write_audio
from angen.dataset import Dataset, load_dataset
from angen.model import AngenTiny
from angen.settings import load_settings
from angen.training import ClipVersion, TrainingClip
from angen.training.validation import validate
from angen.workflows.compare import compare_adapter, load_style_space
from angen.workflows.latents import levelled_clip
from angen.workflows.launched import chosen_config
from angen.workflows.prepare import prepare_dataset
from angen.workflows.train import train_adapter
from recipes.angen_tiny.corpus import load_corpus

Float = NDArray[np.floating[Any]]


def own_style_clips(model: AngenTiny, file: Path, count: int = 48) -> list[TrainingClip]:
    """Composed clips nobody trained on, as the forgetting gauge sees them."""
    stored = torch.load(file, weights_only=True)
    clips = []
    for i in np.linspace(0, len(stored["latents"]) - 1, count).astype(int):
        labels = stored["labels"][i]
        latents = stored["latents"][i].float()[:96]
        beats = model.beats(labels["beats_s"], labels["downbeats_s"], 96, key=labels["key"])
        words = model.conditions(labels["captions"][0], tempo_bpm=labels["tempo_bpm"])
        clips.append(TrainingClip(str(i), str(i), ClipVersion(latents, beats, (words,))))
    return clips


def write_clips(corpus: Path, out: Path, count: int) -> None:
    """Clips of a corpus as songs of their own."""
    data = load_corpus(corpus)
    for i in range(min(count, len(data))):
        write_audio(out / f"{i:03d}.flac", Audio(data.audio(i)[None], 24_000))


def nearest(rows: Float, others: Float) -> float:
    """Median distance of rows to the nearest of the others."""
    return float(np.median(np.sqrt(((rows[:, None] - others[None]) ** 2).sum(-1)).min(1)))


def features_of(model: AngenTiny, dataset: Dataset, side: str) -> Float:
    """Style features of one side of a dataset."""
    clips = dataset.side(side)  # type: ignore[arg-type]
    return np.concatenate([style_features(levelled_clip(dataset, x, model.facts)) for x in clips])


def study(
    model: AngenTiny, songs: Path, style: str, knobs: dict[str, Any], validation: Path
) -> dict[str, Any]:
    """Prepare, train with the defaults for a dataset of that size, compare; the figures."""
    settings, name = load_settings(), songs.name
    own = own_style_clips(model, validation)
    prepared = prepare_dataset(settings, name, [songs], style=style, replace=True)
    config = chosen_config(settings, name, None, knobs)
    began = time.monotonic()
    trained = train_adapter(settings, name, name, config, model, replace_existing=True)
    seconds = time.monotonic() - began
    dataset, info = load_dataset(prepared.folder), trained.info
    best = AppliedAdapter(trained.folder / "best")
    made = compare_adapter(
        model, dataset, best, noise_scale=info.noise_scale, guidance=info.guidance, pieces=16, seconds=7.68
    )
    before = validate(model, own, 96).loss
    with applied(model.network, [best]):
        after = validate(model, own, 96).loss
    space = load_style_space()
    train, held = (space.project(features_of(model, dataset, side)) for side in ("train", "validation"))
    drawn = space.project(np.concatenate([style_features(x) for x in made.adapter]))
    spread = np.trace(np.cov(drawn.T)) / np.trace(np.cov(np.concatenate([train, held]).T))
    floor = max(made.distance_floor, 1e-6)
    return {
        "songs": prepared.info.songs, "minutes": round(prepared.info.seconds / 60, 1), "seconds": round(seconds),
        "steps": info.steps, "best_step": info.best_step, "loss_base": round(info.validation_loss_base, 4),
        "loss_best": round(info.validation_loss_best, 4), "loss_final": round(info.validation_loss_final, 4),
        "gain": round(1 - info.validation_loss_best / info.validation_loss_base, 4),
        "train_loss": info.train_loss_final and round(info.train_loss_final, 3),
        "distance": [round(x, 1) for x in (made.distance_base, made.distance_adapter)],
        "latent_distance": [round(x, 2) for x in (made.latent_base, made.latent_adapter, made.latent_floor)],
        "floor": round(made.distance_floor, 1), "codec": round(made.distance_codec, 1),
        "way": round((made.distance_base - made.distance_adapter) / (made.distance_base - floor), 3),
        "of_floor": round(made.distance_adapter / floor, 2), "variety": round(float(spread), 2),
        "nearest_made": round(nearest(drawn, train), 2), "nearest_held": round(nearest(held, train), 2),
        "own_loss": round(before, 4), "own_loss_rise": round(after / before - 1, 3),
        "noise": info.noise_scale, "guidance": info.guidance,
        "curve": [round(score.loss, 4) for _, score in trained.result.validations],
    }  # fmt: skip


def main() -> None:
    """Run one study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--songs", type=Path, help="folder of songs")
    parser.add_argument("--clips", type=Path, help="corpus folder; its clips become songs below --out")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--style", default="")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--validation", type=Path, required=True, help="encoded composed clips")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", nargs="*", default=[], metavar="KNOB=VALUE")
    options = parser.parse_args()
    songs = options.songs
    if options.clips:
        songs = options.out / "songs" / options.clips.name
        write_clips(options.clips, songs, options.count)
    knobs = {name: ast.literal_eval(value) for name, value in (text.split("=", 1) for text in options.set)}
    figures = study(AngenTiny(options.weights), songs, options.style, knobs, options.validation)
    print(json.dumps({"songs_of": songs.name, **knobs, **figures}), flush=True)


if __name__ == "__main__":
    main()
