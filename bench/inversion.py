"""Latents without the encoder, measured where the true encoder is known: on `angen-tiny`, whose own is hidden.

    python -m bench.inversion [songs] [seconds] [held] [distil steps] [lora steps] [out.json]
    python -m bench.inversion table out.json        # what a run has found so far, for docs/inversion.md

For each way (inversion, distilled encoder, both) it prints how near the sound of the latents is to the recording, how
near the latents are to the true ones, what the base says of them, and what an adapter trained on them reaches: the
loss on the true latents of held-out songs, and the style distance of its music to all songs. Fixed seeds.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from angen.adapters.lora import AppliedAdapter
from angen.analysis import frechet_distance
from angen.audio import Audio, read_audio
from angen.generation import GenerationRequest
from angen.model import AngenTiny
from angen.model.distilling import DistilSettings
from angen.model.sound_loss import SoundLoss, signal_to_noise_db
from angen.training import ClipVersion, TrainConfig, TrainingClip, train
from angen.workflows.compare import draw, load_style_space, project
from angen.workflows.distil import distil_encoder
from angen.workflows.inversion import Inverter, LatentRecipe, encoder_file
from angen.workflows.world_check import check_world

SONGS = Path(__file__).parents[1] / "examples" / "calypso"
LEVEL = 0.12
MINUTES = 4.0  # of its own music that the encoder learns from
PROMPT = "calypso music with steel drums"
PIECES, PIECE_S = 4, 7.68
LORAS = ("true", "optimised", "encoded", "refined")  # ways whose latents an adapter is trained on


class Deaf(AngenTiny):
    """The embedded model without its encoder."""

    @property
    def facts(self):  # type: ignore[no-untyped-def,override]
        """As it is, but for the encoder."""
        return dataclasses.replace(super().facts, has_encoder=False)

    def encode(self, audio: Audio) -> Tensor:
        """Nothing may ask for it."""
        raise AssertionError("the true encoder is hidden")


def recordings(count: int, seconds: float) -> list[Audio]:
    """The starts of the first songs after four seconds, mono at 24 kHz, at the model's level."""
    found = []
    for path in sorted(SONGS.glob("*.ogg"))[:count]:
        audio = read_audio(path).mono().resampled(24_000).span(4.0, 4.0 + seconds)
        gain = LEVEL / float(np.sqrt(np.square(audio.samples).mean()))
        found.append(Audio((audio.samples * np.float32(gain)), audio.rate_hz))
    return found


def fidelity(
    model: AngenTiny, latents: list[Tensor], true: list[Tensor], songs: list[Audio]
) -> dict[str, float]:
    """Sound against the recordings, latents against the true ones, means over songs."""
    loss, scale = SoundLoss(24_000), torch.cat(true).std(0)
    rows = []
    for found, right, song in zip(latents, true, songs, strict=True):
        sound = torch.tensor(song.samples)
        made = torch.from_numpy(model.decode(found).samples[:, : sound.shape[1]].copy())
        heard = loss.distances(made, loss.hear(sound))
        rows.append([
            float(heard.spectra), float(heard.mel), signal_to_noise_db(made, sound),
            float(((found - right) / scale).square().mean()),
        ])  # fmt: skip
    mean = np.mean(rows, axis=0)
    names = ("spectra", "mel", "snr_db", "latent_error")
    return {name: round(float(value), 4) for name, value in zip(names, mean, strict=True)}


def lora(
    model: AngenTiny, latents: list[Tensor], held: list[Tensor], songs: list[Audio], steps: int, folder: Path
) -> dict[str, Any]:
    """Train on latents, validate on true ones of other songs, compare its music with the songs."""

    def clips(pieces: list[Tensor], name: str) -> list[TrainingClip]:
        words = (model.conditions(PROMPT),)
        return [
            TrainingClip(f"{name}{number}", f"{name}{number}", ClipVersion(piece, None, words))
            for number, piece in enumerate(pieces)
        ]

    config = TrainConfig(
        max_steps=steps, batch_size=4, validate_steps=max(1, steps // 3), checkpoint_every=10_000,
        speed_shifts=(), speed_share=0.0, sample_every=0, patience=0,
    )  # fmt: skip
    result = train(model, clips(latents, "a"), clips(held, "b"), config, folder)
    requests = [GenerationRequest(PROMPT, PIECE_S, 1000 + i) for i in range(PIECES)]
    space = load_style_space()
    style = project(space, songs)
    base = frechet_distance(project(space, [x.audio for x in draw(model, requests)]), style)
    made = draw(model, requests, [AppliedAdapter(folder / "final")])
    return {
        "loss_base": round(result.base.loss, 4),
        "loss_lora": round(result.validations[-1][1].loss, 4),
        "style_base": round(base, 1),
        "style_lora": round(frechet_distance(project(space, [x.audio for x in made]), style), 1),
    }


def main() -> None:
    """Measure, print a line a way, keep all in a JSON file."""
    count, seconds, held, distil_steps, lora_steps = (
        int(value) for value in (sys.argv[1:6] + ["5", "8", "1", "300", "30"][len(sys.argv) - 1 :])
    )
    model, deaf = AngenTiny(), Deaf()
    songs = recordings(count, float(seconds))
    true = [model.encode(song) for song in songs]
    table: dict[str, Any] = {"songs": count, "seconds": seconds, "held": held, "lora_steps": lora_steps}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        settings = DistilSettings(
            steps=distil_steps, batch_size=6, window_s=4.0, dim=256, depth=3, fine_depth=1, cycle_every=8,
            cycle_windows=1,
        )  # fmt: skip
        made = distil_encoder(
            deaf, folder / "encoders", settings, recordings=songs[:-held], minutes=MINUTES, piece_s=15.36
        )
        table["distil"] = {
            "steps": distil_steps, "error": round(made.result.error, 4), "seconds": round(time.monotonic() - began),
            "losses": made.result.losses[-1:],
        }  # fmt: skip
        print("distilled", table["distil"], flush=True)
        encoder = encoder_file(folder / "encoders", deaf.facts.codec_hash)
        own = None
        for way in ("true", "optimised", "encoded", "refined", "optimised, no prior", "noise"):
            began, steps = time.monotonic(), 0
            if way == "true":
                latents = true
            elif way == "noise":
                source = torch.Generator().manual_seed(4711)  # not the noise of the check
                latents = [torch.randn(piece.shape, generator=source) for piece in true]
            else:
                method = way.split(",")[0]
                how = {"prior": 0.0} if "no prior" in way else {}
                recipe = LatentRecipe(
                    method=method, settings={**how, "window_s": 5.0} if method != "encoded" else {}
                )
                inverter = Inverter(deaf, recipe, folder / "own", encoder)
                own = own or inverter.own
                inverter.__dict__["own"] = own
                began = time.monotonic()
                found = [inverter.find(song) for song in songs]
                latents = [x.latents for x in found if x is not None]
                steps = sum(x.scores.steps for x in found if x is not None)
            spent = time.monotonic() - began
            row: dict[str, Any] = {"seconds": round(spent, 1), "steps": steps}
            row |= fidelity(model, latents, true, songs)
            if way != "true" or own:
                pieces = (own or (None, []))[1]
                if pieces:
                    checked = check_world(deaf, latents, pieces)
                    row |= {
                        "base_loss": checked.loss,
                        "range": [checked.lowest, checked.highest],
                        "off": checked.is_off,
                    }
            if way in LORAS:
                row |= lora(model, latents[:-held], true[-held:], songs, lora_steps, folder / f"lora-{way}")
            table[way] = row
            keep(table)
            print(way, json.dumps(row), flush=True)
        if own:
            checked = check_world(deaf, true, own[1])
            table["true"] |= {"base_loss": checked.loss, "off": checked.is_off}
            print("true:", checked.words, flush=True)
    keep(table)


COLUMNS = {
    "seconds": "seconds", "steps": "steps", "spectra": "spectra", "mel": "mel", "snr_db": "SNR dB",
    "latent_error": "latent error", "base_loss": "the base's loss", "loss_lora": "LoRA: held-out loss",
    "style_lora": "LoRA: style distance",
}  # fmt: skip


def print_table(path: Path) -> None:
    """A kept run as a table of the guide."""
    kept = json.loads(path.read_text())
    print(f"| latents | {' | '.join(COLUMNS.values())} |")
    print("|---" * (1 + len(COLUMNS)) + "|")
    for way, row in kept.items():
        if isinstance(row, dict) and "spectra" in row:
            print(f"| {way} | {' | '.join(str(row.get(key, '–')) for key in COLUMNS)} |")
    print({key: value for key, value in kept.items() if key not in COLUMNS and not isinstance(value, dict)})
    print(kept.get("distil"), {key: kept.get("true", {}).get(key) for key in ("loss_base", "style_base")})


def keep(table: dict[str, Any]) -> None:
    """Write what is known so far, where a file was named."""
    if len(sys.argv) > 6:
        Path(sys.argv[6]).write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["table"]:
        print_table(Path(sys.argv[2]))
    else:
        main()
