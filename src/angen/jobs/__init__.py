"""Long work as jobs: rows and events in SQLite, done by processes of their own; pages and doors only watch.

`submit_job` queues, `ensure_supervisor` (or a server's `Supervisor`) sees to it that it is done, `JobStore` tells what
becomes of it. `angen.jobs.studio.KINDS` are the kinds of the studio; it is imported where jobs are checked or run.
"""

from angen.jobs.backend import JobBackend, LocalBackend
from angen.jobs.kinds import Context, Kind, Kinds, Params, Stopped, open_store, submit_job
from angen.jobs.records import ACTIVE, ENDED, Event, Job, NewJob, State
from angen.jobs.store import JobStore
from angen.jobs.supervisor import Limits, Supervisor, ensure_supervisor, is_supervised

__all__ = [
    "ACTIVE", "ENDED", "Context", "Event", "Job", "JobBackend", "JobStore", "Kind", "Kinds", "Limits", "LocalBackend",
    "NewJob", "Params", "State", "Stopped", "Supervisor", "ensure_supervisor", "is_supervised", "open_store",
    "submit_job",
]  # fmt: skip
