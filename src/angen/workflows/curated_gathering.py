"""What the ways of preparing a collection share: the options, what is gathered, names, and work for processes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from angen.catalogue.ccmixter_corpus import Part
from angen.catalogue.licences import Licence
from angen.catalogue.workers import run_each
from angen.dataset import SkippedFile
from angen.errors import DatasetError
from angen.files import safe_name
from angen.workflows.curated_songs import MadeClip

__all__ = ["Gathered", "PrepareOptions", "check_options", "reasons", "run_tasks", "safe_names", "shuffled"]

_T = TypeVar("_T")

_LONGEST_NAME = 60


@dataclass(frozen=True)
class PrepareOptions:
    """How a collection becomes a dataset.

    Attributes:
        style: Words for all of it, which lead every prompt.
        min_s: Shortest clip, where a song is that long.
        max_s: Longest clip.
        hours: Of clips, at most about; scores could fill any disk.
        clips_a_piece: Of one score at most, so that long pieces do not crowd out the others.
        part: Of the ccMixter corpus.
        soundfonts: Files to play scores with; those that were fetched or found without.
        workers: Processes; one a core without, 0 for none but this one.
        timeout_s: For one song or piece.
        seed: Of the split and of every choice.
        replace: Whether to take the place of a dataset of that name.
    """

    style: str = ""
    min_s: float = 10.0
    max_s: float = 30.0
    hours: float | None = None
    clips_a_piece: int = 4
    part: Part = "voice"
    soundfonts: tuple[Path, ...] = ()
    workers: int | None = None
    timeout_s: float = 180.0
    seed: int = 0
    replace: bool = False


@dataclass
class Gathered:
    """What is gathered while songs are made into clips.

    Attributes:
        clips: Each with the name of its song.
        groups: What must stay on one side, by song.
        licences: Of what is in it.
        credits: Of each song.
        skipped: What is not in it.
        notes: What the owner should know.
    """

    clips: list[tuple[str, MadeClip]] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    licences: set[Licence] = field(default_factory=set)
    credits: dict[str, str] = field(default_factory=dict)
    skipped: list[SkippedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def skip(self, path: str, error: dict[str, str]) -> None:
        """Leave a file out."""
        self.skipped.append(SkippedFile(path=path, error=error))


def check_options(options: PrepareOptions) -> None:
    """Refuse options that make no dataset.

    Raises:
        DatasetError: Naming the first that cannot be met.
    """
    if not (1 <= options.min_s <= options.max_s < float("inf")):
        raise DatasetError(
            f"Clips of {options.min_s:g} to {options.max_s:g} s are not possible.",
            remedy="Give a shortest length of at least 1 s and a longest that is not below it.",
        )
    if options.clips_a_piece < 1 or (options.hours is not None and options.hours <= 0):
        raise DatasetError(
            "That would be a dataset of nothing.", remedy="Give at least one clip and some time."
        )


def safe_names(keys: Iterable[str]) -> dict[str, str]:
    """A safe, unique name for each key."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for key in keys:
        base = safe_name(key)[:_LONGEST_NAME].rstrip("-._")
        candidates = chain([base], (f"{base}-{number}" for number in count(2)))
        name = next(each for each in candidates if each.casefold() not in taken)
        taken.add(name.casefold())
        names[key] = name
    return names


def shuffled(values: Sequence[_T], seed: int) -> list[_T]:
    """The same values in another order, the same for the same seed."""
    order = np.random.default_rng([seed, 7]).permutation(len(values))
    return [values[index] for index in order]


def run_tasks(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    options: PrepareOptions,
    should_stop: Callable[[], bool],
) -> Any:
    """`run_each`, with the processes and the time that the options give."""
    workers = len(os.sched_getaffinity(0)) if options.workers is None else options.workers
    return run_each(function, tasks, workers=workers, timeout_s=options.timeout_s, should_stop=should_stop)


def reasons(made: Gathered) -> str:
    """How many were left out and why, for a reader."""
    counts = Counter(skipped.error["type"] for skipped in made.skipped)
    return "Left out: " + ", ".join(f"{number} {kind}" for kind, number in counts.most_common()) + "."
