"""Going on exactly: what a resumed run must share with the one before, and a log in which no step is told twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from angen.errors import TrainingError
from angen.files import write_text
from angen.model import ModelFacts
from angen.training.clips import ClipVersion, TrainingClip
from angen.training.config import TrainConfig
from angen.training.events import LOG, Event
from angen.training.result import TrainResult
from angen.training.validation import Validation


def fingerprint(
    facts: ModelFacts,
    config: TrainConfig,
    clips: Sequence[TrainingClip],
    held_out: Sequence[TrainingClip],
    replay: Sequence[TrainingClip],
) -> dict[str, Any]:
    """What a resumed run must share with the one it goes on with: knobs, base, and every number of every clip."""
    sides = {"clips": clips, "held_out": held_out, "replay": replay}
    return {
        "config": json.loads(json.dumps(config.as_dict())),
        "base_hash": facts.base_hash,
        **{side: {clip.clip_id: _content(clip) for clip in found} for side, found in sides.items()},
    }


def refuse_other(folder: Path, before: Any, now: dict[str, Any]) -> None:
    """Make sure that a checkpoint is of this run.

    Args:
        folder: Of the checkpoint.
        before: The fingerprint stored in it.
        now: That of the run that is to go on.

    Raises:
        TrainingError: Naming what differs.
    """
    if before == now:
        return
    stored = before if isinstance(before, dict) else {}
    parts = {key: _differing(stored.get(key), value) for key, value in now.items()}
    told = [f"{key} ({names})" if names else key for key, names in parts.items() if names is not None]
    raise TrainingError(
        f"{folder} was made with other settings or clips: {', '.join(told) or 'of another version'} differ.",
        remedy="Resume with the same settings, or start under a new name.",
    )


def read_events(folder: Path) -> list[Event]:
    """The lines of a run's `log.jsonl`; a last line that was cut off by a kill or a full disk is left out."""
    try:
        text = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    events = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def result_so_far(folder: Path) -> TrainResult:
    """What a run has come to by its log: for whoever describes it while it runs, or after it was killed."""
    result = TrainResult()
    for event in read_events(folder):
        kind, step = event.get("kind"), event.get("step")
        result.seconds = max(result.seconds, float(event.get("seconds", 0.0)))
        if not isinstance(step, int):
            continue
        if kind == "validation":
            result.validations.append(
                (step, Validation(event["loss"], tuple(event["loss_by_time"].values())))
            )
        elif kind == "step":
            result.train_losses.append((step, event["loss"]))
        elif kind == "best":
            result.best_step = step
        result.steps = max(result.steps, step)
    return result


def cut_events(folder: Path, step: int) -> int:
    """Take out of `log.jsonl` what a resumed run will tell again: all after `step`, and torn lines.

    Args:
        folder: Of the adapter.
        step: Where the run goes on; -1 if it starts anew.

    Returns:
        Steps done by the killed run that are lost and will be repeated, as far as the log knows.
    """
    if not (folder / LOG).is_file():
        return 0
    events = read_events(folder)
    reached = [event["step"] for event in events if isinstance(event.get("step"), int)]
    kept = [event for event in events if _stays(event, step)]
    write_text(folder / LOG, "".join(json.dumps(event) + "\n" for event in kept))
    return max(0, max(reached, default=0) - max(step, 0))


def _stays(event: Event, step: int) -> bool:
    """A new best at the very step is written again when a run goes on there, so it does not stay."""
    at = event.get("step")
    return not isinstance(at, int) or at < step or (at == step and event.get("kind") != "best")


def _content(clip: TrainingClip) -> str:
    """One hash of all a clip can teach: its numbers and its words, at every speed."""
    digest = hashlib.sha256()
    for version in (clip.original, *clip.shifted):
        for part in _parts(version):
            digest.update(part)
    return digest.hexdigest()[:32]


def _parts(version: ClipVersion) -> list[bytes]:
    tensors: list[Tensor | None] = [version.latents, version.beats]
    for words in version.conditions:
        tensors += [words.text_ids, words.style]
    texts = json.dumps([[words.text, words.tempo_bpm] for words in version.conditions])
    shapes = str([None if tensor is None else (*tensor.shape, tensor.dtype) for tensor in tensors])
    numbers = [tensor.detach().contiguous().numpy().tobytes() for tensor in tensors if tensor is not None]
    return [shapes.encode(), texts.encode(), *numbers]


def _differing(before: Any, now: Any) -> str | None:
    """Names under which two records differ, at most three; None if they are equal."""
    if before == now:
        return None
    if not isinstance(before, dict) or not isinstance(now, dict):
        return ""
    names = sorted(str(key) for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return ", ".join(names[:3]) + ("…" if len(names) > 3 else "")
