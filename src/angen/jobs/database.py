"""The file that jobs live in: SQLite with a write-ahead log, a connection for each thread, faults as `JobStoreError`.

SQLite's own locks need a disk of this machine; a network file system may not keep them.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from angen.errors import JobStoreError

__all__ = ["BUSY_S", "SCHEMA_VERSION", "Database"]

SCHEMA_VERSION = 1
BUSY_S = 10.0
_PART = "jobs"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS schema_versions (part TEXT PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL, params TEXT NOT NULL, title TEXT NOT NULL, priority INTEGER NOT NULL, slot TEXT NOT NULL,
    target TEXT, resumable INTEGER NOT NULL, stuck_s REAL NOT NULL, max_crashes INTEGER NOT NULL,
    idempotency_key TEXT UNIQUE,
    state TEXT NOT NULL DEFAULT 'queued', attempt INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0,
    pid INTEGER, pid_mark TEXT, heartbeat REAL,
    stage TEXT NOT NULL DEFAULT '', done REAL NOT NULL DEFAULT 0, total REAL NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '', eta_s REAL,
    result TEXT, error TEXT, exit_code INTEGER, ended_by TEXT, checkpoint TEXT, log TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL, started REAL, ended REAL, not_before REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, slot, priority, number);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, kind TEXT NOT NULL, time REAL NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_job ON events (job, seq);
"""


class Database:
    """A connection for each thread that asks.

    Args:
        path: The file; made with its folder if it is not there.

    Raises:
        JobStoreError: If it cannot be opened, is damaged, or of a newer Angen.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        with self.told():
            path.parent.mkdir(parents=True, exist_ok=True)
            _patiently(self._prepare)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's own."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA synchronous=NORMAL")
            self._local.connection = found
        return found

    def close(self) -> None:
        """Close this thread's connection."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is not None:
            self._local.connection = None
            found.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The one writer, until the block ends; nothing of it is kept if the block fails.

        Raises:
            JobStoreError: If the database refuses.
        """
        with self.told():
            connection = self.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # a full disk ends one by itself
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def rows(self, query: str, values: Any = ()) -> list[sqlite3.Row]:
        """What a query finds.

        Raises:
            JobStoreError: If the database cannot be read.
        """
        with self.told():
            return self.connection.execute(query, values).fetchall()

    @contextmanager
    def told(self) -> Iterator[None]:
        """SQLite's faults, and those of the disk, as errors with a remedy."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._refusal(error) from error

    def _prepare(self) -> None:
        """Turn the write-ahead log on, and make the tables."""
        connection = self.connection
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode=WAL")
        if self._version() is None:
            connection.execute("BEGIN IMMEDIATE")
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            connection.execute("INSERT OR IGNORE INTO schema_versions VALUES (?, ?)", (_PART, SCHEMA_VERSION))
            connection.execute("COMMIT")
        version = self._version()
        if version != SCHEMA_VERSION:
            raise JobStoreError(
                f"{str(self.path)!r} holds jobs of version {version}; this Angen reads {SCHEMA_VERSION}.",
                remedy="Use the version of Angen that wrote it, or another workspace.",
            )

    def _version(self) -> int | None:
        known = "SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'"
        if self.connection.execute(known).fetchone() is None:
            return None
        query = "SELECT version FROM schema_versions WHERE part = ?"
        found = self.connection.execute(query, (_PART,)).fetchone()
        return None if found is None else int(found[0])

    def _refusal(self, error: sqlite3.Error | OSError) -> JobStoreError:
        said, name = str(error), repr(str(self.path))
        if "full" in said:
            remedy = "Make space on its disk; the jobs in it are whole."
        elif "readonly" in said or "unable to open" in said or isinstance(error, OSError):
            remedy = "Check the permissions of the workspace, or set ANGEN_HOME to a folder you can write to."
        elif "locked" in said or "busy" in said:
            remedy = "Another process holds it for too long; try again."
        elif "disk I/O" in said:
            remedy = "Check its disk: space, quota, cable."
        else:
            remedy = (
                f"It is damaged, or no database. Move {name} away; your music and adapters are not in it."
            )
        return JobStoreError(f"The database of jobs {name} refuses: {said}.", remedy=remedy)


def _patiently(work: Callable[[], None]) -> None:
    """Do it again while another process does the same; SQLite does not wait by itself to change the journal."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            work()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
