"""Hear a folder of recordings into its table, a file at a time, while its owner may already be correcting it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from angen.progress import ProgressCallback, no_progress
from angen.settings import Settings
from angen.workflows.analyze import Listening, analyze_files
from angen.workflows.metadata import open_hearable, store_estimates

STORE_EVERY_S = 1.0


@dataclass(frozen=True)
class Annotated:
    """What came of it.

    Attributes:
        place: The folder.
        heard: How many recordings were heard.
        failed: Records with `path` and `error` of those that could not be.
    """

    place: Path
    heard: int
    failed: list[dict[str, Any]] = field(default_factory=list)


def annotate_folder(
    settings: Settings,
    place: Path,
    how: Listening | None = None,
    *,
    on_heard: Callable[[Mapping[str, Any]], None] = lambda record: None,
    on_progress: ProgressCallback = no_progress,
) -> Annotated:
    """Replace the estimates of a folder's table by what is heard; corrections stay, those made meanwhile too.

    What was heard is stored about once a second, so little is lost when it is stopped.

    Args:
        settings: The workspace.
        place: The folder.
        how: The engine and whether the AI pass follows; results are kept in the workspace's cache by default.
        on_heard: Told of each record, with "path" and what was heard or "error".
        on_progress: Told of each recording that is done.

    Raises:
        MetadataError: If the folder holds no recordings, or its table is damaged.
    """
    how = how or Listening(settings=settings)
    metadata = open_hearable(settings, place)
    paths = [place / record.file for record in metadata.draft.records]
    pending: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    due_s = time.monotonic() + STORE_EVERY_S
    try:
        for record in analyze_files(paths, on_progress=on_progress, how=how):
            (failed if "error" in record else pending).append(record)
            on_heard(record)
            if time.monotonic() > due_s:
                started_s = time.monotonic()
                store_estimates(settings, place, pending)
                pending = []
                due_s = time.monotonic() + max(STORE_EVERY_S, 10 * (time.monotonic() - started_s))
    finally:
        store_estimates(settings, place, pending)
    return Annotated(place, len(paths) - len(failed), failed)
