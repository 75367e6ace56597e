"""Listen to many recordings: one record for each, whatever happens to the others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from angen.errors import AngenError
from angen.progress import Progress, ProgressCallback, no_progress
from angen.workflows.listener import Listener
from angen.workflows.machine import usable_cores

_WORTH_PROCESSES_BYTES = 100_000_000
"""A process needs about a second to start, in which this much of plain WAV is analysed."""
_PACKED = 8
_PACKED_SUFFIXES = (".mp3", ".ogg", ".oga", ".opus")


def analyze_files(
    paths: Iterable[str | Path],
    *,
    on_progress: ProgressCallback = no_progress,
    processes: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Analyse recordings, in several processes where that pays.

    Args:
        paths: The recordings. A folder is not searched: it is a file that cannot be read.
        on_progress: Told of each file that is done.
        processes: How many processes to use, 1 for this one alone; None chooses by the size of the files.

    Yields:
        For each path, in the order given, a record ready for JSON: `path` as it was given and the fields of
        `angen.analysis.Analysis`, or `path` and `error` (`type`, `message`, `remedy`).
    """
    given = [str(path) for path in paths]
    count = _process_count(given) if processes is None else min(processes, len(given))
    records = _by_listeners(given, count) if count > 1 else map(analyze_file, given)
    on_progress(Progress("analysing", 0, len(given)))
    for done, (path, record) in enumerate(zip(given, records, strict=True), start=1):
        on_progress(Progress("analysing", done, len(given), Path(path).name))
        yield record


def analyze_file(path: str | Path) -> dict[str, Any]:
    """Analyse one recording; a record as `analyze_files` yields it."""
    from angen.analysis import analyze  # not needed where listeners do the work

    try:
        record = {"path": str(path), **analyze(Path(path)).as_dict()}
        json.dumps(record, allow_nan=False)
    except Exception as error:  # noqa: BLE001 - a fault with one file must not stop the others
        return {"path": str(path), "error": error_record(error)}
    return record


def error_record(error: Exception) -> dict[str, str]:
    """An error as `type`, `message` and `remedy`; one that nobody foresaw has the type "internal"."""
    if isinstance(error, AngenError):
        return error.as_dict()
    return {
        "type": "internal",
        "message": f"{type(error).__name__}: {error}",
        "remedy": "This is a fault of Angen, or too little memory. Please report it with the file.",
    }


def _process_count(paths: Sequence[str]) -> int:
    size = 0
    for path in paths:
        try:
            packed = _PACKED if path.lower().endswith(_PACKED_SUFFIXES) else 1
            size += packed * Path(path).stat().st_size
        except (OSError, ValueError):
            continue
    if len(paths) < 2 or size < _WORTH_PROCESSES_BYTES:
        return 1
    return min(usable_cores(), len(paths))


def _by_listeners(paths: Sequence[str], count: int) -> Iterator[dict[str, Any]]:
    """Records from `count` processes, each asked by a thread of its own, in the order of `paths`."""
    idle: SimpleQueue[Listener] = SimpleQueue()

    def ask(path: str) -> dict[str, Any]:
        listener = idle.get()
        try:
            return listener.record(path)
        finally:
            idle.put(listener)

    with ThreadPoolExecutor(count) as threads, ExitStack() as listeners:
        for _ in range(count):
            idle.put(listeners.enter_context(closing(Listener())))
        listeners.callback(threads.shutdown, wait=False, cancel_futures=True)
        for future in [threads.submit(ask, path) for path in paths]:
            yield future.result()
