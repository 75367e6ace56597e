"""Samples while a run goes on: the same prompts and seeds at step 0 and after validations, to hear it learn.

<adapter>/samples/step_000123/01.wav, ..., samples.json (written last)

A preview takes nothing from the run: the network is lent to it, its randomness is its own, and the adapter is bit
for bit what it is without. It is bounded in time: previews together take at most `SHARE` of the run's time after
the first one; one that would take more is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from angen.audio import write_audio
from angen.dataset import Dataset
from angen.files import write_text
from angen.generation import GenerationRequest
from angen.model import MusicModel
from angen.training import TrainConfig
from angen.training.checkpoint import whole_folder
from angen.training.events import Event, EventCallback, append_event, no_event
from angen.workflows.compare import draw, wanted_prompts
from angen.workflows.generate import peak_limited

SAMPLES, RECORD = "samples", "samples.json"
FIRST_SEED = 500
PIECES = 2
SHARE = 0.10


class PreviewSample(BaseModel):
    """A piece of a preview."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    file: str
    prompt: str
    seed: int
    tempo_bpm: float | None
    seconds: float


class PreviewRecord(BaseModel):
    """`samples.json`: the pieces of one step."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    step: int
    samples: list[PreviewSample]


@dataclass(frozen=True)
class Preview:
    """The pieces of one step and where they are."""

    step: int
    samples: Sequence[PreviewSample]
    folder: Path


def preview_requests(
    model: MusicModel, dataset: Dataset, prompts: Sequence[str] = ()
) -> list[GenerationRequest]:
    """What a run is heard by: the user's prompts, or two of the dataset's own; as long as a training crop.

    The seeds go up from 500, so that they are the same in every run.
    """
    facts = model.facts
    seconds = max(1.0, facts.crop_blocks * facts.block_frames / facts.latent_rate_hz)
    wanted: list[tuple[str, float | None]] = [(prompt, None) for prompt in prompts]
    wanted = wanted or list(islice(cycle(wanted_prompts(dataset)), PIECES))
    return [
        GenerationRequest(prompt, seconds, FIRST_SEED + number, tempo_bpm=tempo)
        for number, (prompt, tempo) in enumerate(wanted)
    ]


class Previewer:
    """Called after each validation of a run, with the adapter acting: writes the pieces of this step.

    Args:
        model: The base, on which the adapter acts.
        dataset: What is learnt.
        config: `sample_prompts`, and `sample_every` validations; 0 for never.
        folder: Of the adapter.
        on_event: Told of each preview: kind `sample`, step, folder, files; `log.jsonl` holds the same line.
        clock: Seconds that only grow; a test brings its own.
    """

    def __init__(
        self,
        model: MusicModel,
        dataset: Dataset,
        config: TrainConfig,
        folder: Path,
        *,
        on_event: EventCallback = no_event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model, self.folder, self.on_event, self.clock = model, folder, on_event, clock
        self.every = config.sample_every
        self.requests = preview_requests(model, dataset, config.sample_prompts) if self.every else []
        self.validations = 0
        self.spent_s = self.longest_s = 0.0
        self.began_s = clock()

    def __call__(self, step: int) -> None:
        """Draw and write the pieces of a step, if it is time and there is time."""
        due = self.every > 0 and self.validations % self.every == 0
        self.validations += 1
        if not due or (step and not self._affordable()):
            return
        began = self.clock()
        target = self.folder / SAMPLES / f"step_{step:06d}"
        pieces = draw(self.model, self.requests)
        known = [
            PreviewSample(
                file=f"{number:02d}.wav",
                prompt=piece.request.prompt,
                seed=piece.request.seed,
                tempo_bpm=piece.request.tempo_bpm,
                seconds=piece.request.seconds,
            )
            for number, piece in enumerate(pieces, start=1)
        ]
        with whole_folder(target) as written:
            for sample, piece in zip(known, pieces, strict=True):
                write_audio(written / sample.file, peak_limited(piece.audio))
            record = PreviewRecord(step=step, samples=known)
            write_text(written / RECORD, record.model_dump_json(indent=2) + "\n")
        took = self.clock() - began
        self.spent_s, self.longest_s = self.spent_s + took, max(self.longest_s, took)
        event: Event = {
            "kind": "sample",
            "seconds": round(self.clock() - self.began_s, 2),
            "step": step,
            "took_s": round(took, 2),
            "folder": f"{SAMPLES}/{target.name}",
            "files": [sample.file for sample in known],
        }
        append_event(self.folder, event)
        self.on_event(event)

    def _affordable(self) -> bool:
        """Whether one more preview keeps all but the first within their share of the run's time."""
        elapsed_s = self.clock() - self.began_s
        first_s = self.longest_s if self.spent_s else 0.0
        return self.spent_s - first_s + self.longest_s <= SHARE * elapsed_s


def previewing(
    model: MusicModel,
    dataset: Dataset,
    config: TrainConfig,
    folder: Path,
    *,
    on_event: EventCallback = no_event,
    then: Callable[[int], None] = lambda step: None,
) -> Callable[[int], None]:
    """What a run calls after each validation: a `Previewer`, then `then`."""
    preview = Previewer(model, dataset, config, folder, on_event=on_event)

    def validated(step: int) -> None:
        preview(step)
        then(step)

    return validated


def read_previews(folder: Path) -> list[Preview]:
    """The whole previews of an adapter, by step."""
    found = []
    for path in (folder / SAMPLES).glob(f"step_*/{RECORD}"):
        try:
            record = PreviewRecord.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found.append(Preview(record.step, record.samples, path.parent))
    return sorted(found, key=lambda preview: preview.step)
