"""What is seen of a training run: its losses as they come, its samples, and what it would take before it begins."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from angen.adapters import adapter_folder
from angen.errors import AngenError, DatasetError, TrainingError
from angen.settings import Settings
from angen.training import TrainConfig
from angen.ui.watch import clock_text
from angen.workflows.previews import Preview, read_previews

if TYPE_CHECKING:
    from angen.model import MusicModel

__all__ = [
    "Curve", "estimate_html", "losses_html", "plot_rows", "run_folder", "samples_of", "thinned", "train_params",
]  # fmt: skip

POINTS = 240
_LOG = "log.jsonl"
Point = tuple[int, float]


@dataclass
class Curve:
    """The losses of a run, read from its log as it grows.

    Attributes:
        folder: Of the adapter; "" for none.
        offset: Bytes of the log that were read.
        train: Step and mean loss.
        held_out: Step and held-out loss.
    """

    folder: str = ""
    offset: int = 0
    train: list[Point] = field(default_factory=list)
    held_out: list[Point] = field(default_factory=list)

    def read_on(self) -> bool:
        """Read what was written since; whether there was anything. A log that begins anew is read anew."""
        log = Path(self.folder) / _LOG
        if not self.folder or not log.is_file():
            return False
        if log.stat().st_size < self.offset:
            self.offset, self.train, self.held_out = 0, [], []
        with log.open("rb") as handle:
            handle.seek(self.offset)
            text = handle.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.splitlines():
            self._take(line)
        return bool(whole)

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind, step = event["kind"], int(event.get("step", 0))
            if kind == "step":
                self.train.append((step, float(event["mean_loss"])))
            elif kind == "validation":
                self.held_out.append((step, float(event["loss"])))
            elif kind == "resumed":  # what came after its checkpoint is done again
                self.train = [point for point in self.train if point[0] <= step]
                self.held_out = [point for point in self.held_out if point[0] <= step]
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # a damaged line is no reason to show nothing


def thinned(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """At most so many of some points, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(index * step)] for index in range(most)]


def plot_rows(curve: Curve) -> list[dict[str, Any]]:
    """Both curves as records for a plot."""
    series = (("training", curve.train), ("held-out songs", curve.held_out))
    return [
        {"step": step, "loss": loss, "of": name} for name, points in series for step, loss in thinned(points)
    ]


def losses_html(curve: Curve, last: int = 6) -> str:
    """The last losses as a table: the plot for those who cannot see it."""
    if not curve.train and not curve.held_out:
        return ""
    held_out = dict(curve.held_out)
    steps = sorted({step for step, _ in curve.train} | set(held_out))[-last:]
    train = dict(curve.train)
    rows = "".join(
        f"<tr><td>{step}</td><td>{_loss(train.get(step))}</td><td>{_loss(held_out.get(step))}</td></tr>"
        for step in steps
    )
    best = min(curve.held_out, key=lambda point: point[1]) if curve.held_out else None
    words = f"Best on held-out songs: {best[1]:.4f} at step {best[0]}." if best else ""
    return (
        '<table class="losses"><caption>The last losses. '
        f"{words}</caption><thead><tr><th>Step</th><th>Training</th><th>Held-out songs</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def run_folder(settings: Settings, name: str) -> Path | None:
    """The folder of the adapter that a run makes; None for a name that cannot be one."""
    try:
        return adapter_folder(settings.loras, name)
    except AngenError:
        return None


def samples_of(folder: Path | None) -> list[Preview]:
    """The samples of a run so far, by step."""
    return read_previews(folder) if folder is not None and folder.is_dir() else []


def train_params(
    name: str | None,
    dataset: str | None,
    model: str | None,
    config: TrainConfig,
    *,
    replace: bool,
    report: bool,
) -> dict[str, Any]:
    """The parameters of a training job.

    Raises:
        TrainingError: If a name is missing.
    """
    if not str(name or "").strip():
        raise TrainingError("The LoRA has no name.", remedy="Write one into 'LoRA name'.")
    if not dataset:
        raise DatasetError(
            "No dataset is chosen.", remedy="Prepare one under 'User audio training' or 'Dataset training'."
        )
    params = {"name": str(name).strip(), "dataset": dataset, "config": config.as_dict(), "replace": replace}
    return {**params, "model": model or "angen-tiny", "report": report}


def estimate_html(settings: Settings, dataset: str | None, config: TrainConfig, model: str) -> str:
    """What a run will take: steps, time, memory, disk.

    Raises:
        AngenError: If it could not begin.
    """
    from angen.workflows.estimate import estimate_training

    if not dataset:
        raise DatasetError("No dataset is chosen.", remedy="Choose one, or prepare one first.")
    if model != "angen-tiny":
        raise TrainingError(
            f"{model} is too large to be opened for an estimate beside the page.",
            remedy="Start the run; its log begins with the estimate, and it can be stopped.",
        )
    made = estimate_training(settings, dataset, config, _tiny())
    source = "as measured in a former run here" if made.is_measured else "reckoned; the first run corrects it"
    facts = {
        "Steps": f"{made.steps:,}", "Time": f"{clock_text(made.seconds)} ({source})",
        "Audio heard": clock_text(made.audio_seconds), "Memory": _size(made.memory_bytes),
        "Disk": _size(made.disk_bytes), "Trainable weights": f"{made.trainable:,}",
    }  # fmt: skip
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts.items()
    )
    return f'<dl class="facts">{cells}</dl>'


@lru_cache(maxsize=1)
def _tiny() -> MusicModel:
    from angen.model import load_model

    return load_model()


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{-(-count // 2**20)} MB"
