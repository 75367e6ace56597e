"""Listen to many recordings: one record for each, whatever happens to the others.

Results are kept by the content of the file, the version of the analysis and what was asked for, so that a second
look costs no more than reading the file's hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from angen.errors import AngenError
from angen.files import content_hash, write_json
from angen.progress import Progress, ProgressCallback, no_progress
from angen.settings import Settings
from angen.workflows.listener import Listener
from angen.workflows.machine import usable_cores

Engine = Literal["angen", "librosa"]

_WORTH_PROCESSES_BYTES = 100_000_000
"""A process needs about a second to start, in which this much of plain WAV is analysed."""
_PACKED = 8
_PACKED_SUFFIXES = (".mp3", ".ogg", ".oga", ".opus")


@dataclass(frozen=True)
class Listening:
    """How recordings are listened to.

    Args:
        engine: "angen", or "librosa" to cross-check.
        taggers: Whether the AI pass follows, with the backends that are configured.
        settings: The workspace whose cache holds earlier results and weights; None keeps nothing.
        is_fresh: Whether to hear again what is kept of earlier looks.
    """

    engine: Engine = "angen"
    taggers: bool = False
    settings: Settings | None = None
    is_fresh: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether this is what a listener process does."""
        return self.engine == "angen" and not self.taggers


PLAIN = Listening()


def analyze_files(
    paths: Iterable[str | Path],
    *,
    on_progress: ProgressCallback = no_progress,
    processes: int | None = None,
    how: Listening = PLAIN,
) -> Iterator[dict[str, Any]]:
    """Analyse recordings, in several processes where that pays. Few records are in memory at a time.

    Args:
        paths: The recordings. A folder is not searched: it is a file that cannot be read.
        on_progress: Told of each file that is done.
        processes: How many processes to use, 1 for this one alone; None chooses by the size of the files.
        how: The engine, whether the AI pass follows, and where results are kept.

    Yields:
        For each path, in the order given, a record ready for JSON: `path` as it was given and the fields of
        `angen.analysis.Analysis`, or `path` and `error` (`type`, `message`, `remedy`).
    """
    given = [str(path) for path in paths]
    records = _records(given, processes, how)
    on_progress(Progress("analysing", 0, len(given)))
    for done, (path, record) in enumerate(zip(given, records, strict=True), start=1):
        on_progress(Progress("analysing", done, len(given), Path(path).name))
        yield record


def analyze_file(path: str | Path, how: Listening = PLAIN) -> dict[str, Any]:
    """Analyse one recording, whatever is kept of it; a record as `analyze_files` yields it."""
    try:
        record = {"path": str(path), **_heard(Path(path), how)}
        json.dumps(record, allow_nan=False)
    except Exception as error:  # noqa: BLE001 - a fault with one file must not stop the others
        return {"path": str(path), "error": error_record(error)}
    return record


def _heard(path: Path, how: Listening) -> dict[str, Any]:
    if how.is_plain:
        from angen.analysis import analyze  # not needed where listeners do the work

        return analyze(path).as_dict()
    if how.engine == "librosa":
        from angen.analysis.reference import hear_with_librosa

        return hear_with_librosa(path).as_dict()
    from angen.analysis.parts import hear_file
    from angen.workflows.tagging import configured_taggers, tagged

    audio, heard = hear_file(path)
    return tagged(audio, heard, configured_taggers(how.settings) if how.settings else []).as_dict()


def _records(given: Sequence[str], processes: int | None, how: Listening) -> Iterator[dict[str, Any]]:
    """The records in order: those that are kept, and between them those that are made now and kept."""
    places = [_place(path, how) for path in given]
    kept = [None if how.is_fresh else _kept(place) for place in places]
    missing = [path for path, record in zip(given, kept, strict=True) if record is None]
    count = process_count(missing) if processes is None else min(processes, len(missing))
    made = iter(_made(missing, count, how))
    for path, place, record in zip(given, places, kept, strict=True):
        if record is not None:
            yield {"path": path, **record}
            continue
        fresh = next(made)
        if place is not None and "error" not in fresh:
            with suppress(OSError):  # a full disk must not lose what was heard
                write_json(place, {name: value for name, value in fresh.items() if name != "path"})
        yield fresh


def _made(paths: Sequence[str], count: int, how: Listening) -> Iterator[dict[str, Any]]:
    """Records made now: by listeners, which survive a file that kills them, or through joblib, one thread each."""
    if count <= 1 or not paths:
        return (analyze_file(path, how) for path in paths)
    if how.is_plain:
        return _by_listeners(paths, count)
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=count, return_as="generator", inner_max_num_threads=1, backend="loky")
    return iter(parallel(delayed(analyze_file)(path, how) for path in paths))


def _place(path: str, how: Listening) -> Path | None:
    """The file of the cache for a recording as it is now; None where nothing is kept, or it cannot be read."""
    if how.settings is None:
        return None
    try:
        digest = content_hash(Path(path))
    except (OSError, ValueError):
        return None
    asked = f"{how.engine}{'-ai' if how.taggers else ''}-{listening_version(how)}"
    return how.settings.cache / "analysis" / asked / digest[:2] / f"{digest}.json"


def listening_version(how: Listening) -> str:
    """Changes whenever a recording may be heard differently: with the code's version, the weights, the backends."""
    from angen.analysis import ANALYSIS_VERSION

    names = [_weights_digest()]
    if how.taggers and how.settings is not None:
        from angen.workflows.tagging import configured_taggers

        names += [repr(tagger) for tagger in configured_taggers(how.settings)]
    return f"{ANALYSIS_VERSION}-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:12]}"


@cache
def _weights_digest() -> str:
    import angen.analysis

    folder = Path(angen.analysis.__file__).parent
    return " ".join(content_hash(folder / name) for name in ("rhythm.npz", "tagger.npz"))


def _kept(place: Path | None) -> dict[str, Any] | None:
    if place is None:
        return None
    try:
        record = json.loads(place.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "duration_s" in record else None


def error_record(error: Exception) -> dict[str, str]:
    """An error as `type`, `message` and `remedy`; one that nobody foresaw has the type "internal"."""
    if isinstance(error, AngenError):
        return error.as_dict()
    return {
        "type": "internal",
        "message": f"{type(error).__name__}: {error}",
        "remedy": "This is a fault of Angen, or too little memory. Please report it with the file.",
    }


def process_count(paths: Sequence[str]) -> int:
    """How many processes pay for recordings of these sizes: one, or one a core."""
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
