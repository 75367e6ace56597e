"""What a run tells while it goes: one record for each thing that happens, in `log.jsonl` and to whoever listens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOG = "log.jsonl"
Event = dict[str, Any]
EventCallback = Callable[[Event], None]


def no_event(event: Event) -> None:
    """Tell nobody."""


def append_event(folder: Path, event: Event) -> None:
    """Append a record to the `log.jsonl` of a run's folder, whole or not at all as far as readers can see.

    Args:
        folder: Of the adapter.
        event: `kind`, `seconds` since the run began, and what belongs to the kind; all of it JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(event) + "\n")


class EventLog:
    """Writes events down and passes each on, exactly as written.

    Args:
        folder: Of the adapter.
        on_event: Told of each after it is written.
        is_writer: False in all but the first of several processes: they write and tell nothing.
    """

    def __init__(self, folder: Path, on_event: EventCallback = no_event, *, is_writer: bool = True) -> None:
        self.folder, self.on_event, self.is_writer = folder, on_event, is_writer
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent in the run, earlier attempts included."""
        return time.monotonic() - self.began

    def note(self, kind: str, **values: Any) -> None:
        """Write an event and pass it on."""
        if not self.is_writer:
            return
        event = {"kind": kind, "seconds": round(self.seconds, 2), **values}
        append_event(self.folder, event)
        self.on_event(event)
