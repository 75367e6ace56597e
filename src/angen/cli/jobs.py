"""`angen jobs`: what runs, waits and has ended; follow, cancel, pause, resume, retry, submit."""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.console import JsonOption, clock_text, print_json, print_table, printable, say
from angen.settings import Settings, load_settings

if TYPE_CHECKING:
    from angen.jobs import Event, Job, JobStore

__all__ = ["BackgroundOption", "app", "submit_and_say"]

app = typer.Typer(no_args_is_help=True, help="Jobs: long work in the background, followed from anywhere.")

JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="Id of a job, or its beginning.", show_default=False)
]
BackgroundOption = Annotated[
    bool, typer.Option("--background", help="Do it as a job, and give the terminal back: see 'angen jobs'.")
]
LOOK_S = 0.3


def submit_and_say(
    kind: str,
    params: dict[str, Any],
    *,
    title: str = "",
    priority: int = 0,
    key: str | None = None,
    json: bool = False,
) -> None:
    """Queue a job, make sure somebody does it, and say how to follow it.

    Args:
        kind: A kind of `angen.jobs.studio.KINDS`.
        params: Its parameters as JSON values, paths from the root.
        title: For people.
        priority: Higher ones go first.
        key: An idempotency key.
        json: Whether to print the job as JSON.

    Raises:
        AngenError: If it cannot begin; nothing is queued then.
    """
    from angen.jobs import ensure_supervisor, submit_job
    from angen.jobs.studio import KINDS

    settings = load_settings()
    job = submit_job(settings, KINDS, kind, params, title=title, priority=priority, idempotency_key=key)
    ensure_supervisor(settings)
    _show_changed(job, json, f"Job {job.id}: {job.title}. Follow it: angen jobs follow {job.id}")


@app.command("list")
def list_all(
    state: Annotated[
        list[str] | None,
        typer.Option(help="Only jobs in this state; may be given again.", show_default="all"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 50,
    before: Annotated[int | None, typer.Option(min=1, help="Only those with a smaller number.")] = None,
    json: JsonOption = False,
) -> None:
    """List jobs, the newest first."""
    settings, store = _open()
    unknown = [name for name in state or [] if name not in _states()]
    if unknown:
        raise typer.BadParameter(f"one of {', '.join(_states())}", param_hint="--state")
    jobs = store.list(state or [], before=before, limit=limit)  # type: ignore[arg-type]
    if json:
        print_json([_clean(job.as_dict()) for job in jobs], indent=2)
    elif jobs:
        print_table(["job", "kind", "title", "state", "progress", "submitted"], [_row(job) for job in jobs])
    else:
        say("No jobs yet.", "Submit one: angen jobs submit KIND --params FILE")
    _hint(settings, jobs)


@app.command()
def show(job: JobArgument, json: JsonOption = False) -> None:
    """Show what is known of a job."""
    _, store = _open()
    found = store.get(job)
    if json:
        print_json(_clean(found.as_dict()), indent=2)
        return
    facts = {
        "Job": f"{found.id}, {found.kind}",
        "Title": found.title,
        "State": _state_text(found),
        "Progress": _progress_text(found),
        "Checkpoint": found.checkpoint,
        "Error": found.error and found.error["message"],
        "Remedy": found.error and found.error.get("remedy"),
        "Log": found.log,
    }
    for name, value in facts.items():
        if value:
            typer.echo(f"{name + ':':12}{printable(str(value))}")
    for name, value in (("Parameters", found.params), ("Result", found.result)):
        if value is not None:
            typer.echo(f"{name}: {json_module.dumps(value, indent=2)}")


@app.command()
def follow(
    job: JobArgument,
    after: Annotated[int, typer.Option(min=0, help="Only what came after this event (its seq).")] = 0,
    json: JsonOption = False,
) -> None:
    """Tell what happened to a job from its beginning, and go on until it ends; Ctrl-C leaves it running.

    With --json one event a line on stdout. The exit code is 1 if the job failed or was cancelled.
    """
    settings, store = _open()
    found = store.get(job)
    try:
        found = _followed(settings, store, found, after, json=json)
    except KeyboardInterrupt as error:
        say(f"Job {found.id} goes on. Cancel it: angen jobs cancel {found.id}")
        raise typer.Exit(130) from error
    if not json:
        typer.echo(f"{found.id} {_state_text(found)}")
        if found.error and found.state == "failed":
            say(f"Error: {found.error['message']}", found.error.get("remedy", ""))
    if found.state != "succeeded":
        raise typer.Exit(1)


def _followed(settings: Settings, store: JobStore, job: Job, after: int, *, json: bool) -> Job:
    from angen.jobs import ensure_supervisor

    if not job.has_ended and job.state != "paused":
        ensure_supervisor(settings)
    while True:
        job = store.get(job.id)  # before its events: those of its end are then there
        while events := store.events(job.id, after=after):
            for event in events:
                _tell(event, json=json)
            after = events[-1].seq
        if job.has_ended:
            return job
        time.sleep(LOOK_S)


def _tell(event: Event, *, json: bool) -> None:
    if json:
        print_json(_clean(event.as_dict()))
        return
    data = event.data
    if event.kind == "progress":
        share = f" {data['done'] / data['total']:.0%}" if data["total"] > 0 else ""
        left = f"{clock_text(data['eta_s'])} left" if data.get("eta_s") else ""
        say(" ".join(part for part in (f"{data['stage']}{share}", left, data["note"]) if part))
    elif event.kind == "state":
        say(f"[{data['state']}{', attempt ' + str(data['attempt']) if data.get('attempt', 1) > 1 else ''}]")
    elif event.kind == "crash":
        say(f"[{data['error'].get('message', 'crashed')}]")


@app.command()
def cancel(job: JobArgument, json: JsonOption = False) -> None:
    """Ask a job to end at its next step, with a checkpoint where its kind has them."""
    _change(lambda store: store.cancel(job), json)


@app.command()
def pause(job: JobArgument, json: JsonOption = False) -> None:
    """Let a job stop with a checkpoint and wait."""
    _change(lambda store: store.pause(job), json)


@app.command()
def resume(job: JobArgument, json: JsonOption = False) -> None:
    """Queue a paused job again; it goes on from its checkpoint."""
    _change(lambda store: store.resume(job), json, is_begun=True)


@app.command()
def retry(job: JobArgument, json: JsonOption = False) -> None:
    """Queue a failed or cancelled job again; it goes on from its last checkpoint where it has one."""
    _change(lambda store: store.retry(job), json, is_begun=True)


@app.command()
def submit(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What is to be done.", show_default=False)],
    params: Annotated[str, typer.Option(help="JSON file with its parameters; - for stdin.")] = "-",
    title: Annotated[str, typer.Option(help="For people.", show_default="made of the parameters")] = "",
    priority: Annotated[int, typer.Option(help="Higher ones go first.")] = 0,
    key: Annotated[str | None, typer.Option(help="Idempotency key: given again, it is the same job.")] = None,
    json: JsonOption = False,
) -> None:
    """Queue a job.

    Kinds: analyze, prepare, train, demo, generate, produce, enhance, upscale, master, export, lyrics, render.
    """
    try:
        text = sys.stdin.read() if params == "-" else Path(params).read_text(encoding="utf-8")
        values = json_module.loads(text or "{}")
        if not isinstance(values, dict):
            raise ValueError("an object is expected")
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"no JSON parameters: {error}", param_hint="--params") from error
    submit_and_say(kind, values, title=title, priority=priority, key=key, json=json)


@app.command()
def run(
    keep: Annotated[bool, typer.Option("--keep", help="Wait for more when the queue is empty.")] = False,
    light: Annotated[int, typer.Option(min=1, max=64, help="Light jobs at a time.")] = 2,
    json: JsonOption = False,
) -> None:
    """Look after the jobs here until the queue is empty. Ctrl-C leaves; workers go on."""
    import threading

    from angen.cli.stopping import stop_on_interrupt
    from angen.errors import JobError
    from angen.jobs import Limits, LocalBackend
    from angen.jobs.supervisor import supervise

    settings, store = _open()
    limits = Limits(light_jobs=light, idle_s=float("inf") if keep else 1.0)
    is_over, was_alone = threading.Event(), [True]

    def look_after() -> None:
        was_alone[0] = supervise(settings, limits, LocalBackend(), is_over=is_over)

    with stop_on_interrupt("Leaving; workers go on.") as should_stop:
        thread = threading.Thread(target=look_after)
        thread.start()
        while thread.is_alive():
            thread.join(LOOK_S)
            if should_stop():
                is_over.set()
    if not was_alone[0]:
        raise JobError("Somebody looks after these jobs already.", remedy="Follow one: angen jobs follow JOB")
    if json:
        print_json({"has_work": store.has_work()})


def _open() -> tuple[Settings, JobStore]:
    from angen.jobs import open_store

    settings = load_settings()
    return settings, open_store(settings)


def _change(step: Callable[[JobStore], Job], json: bool, *, is_begun: bool = False) -> None:
    """Do what is asked with a job, and show it as it is then."""
    settings, store = _open()
    changed = step(store)
    if is_begun:
        from angen.jobs import ensure_supervisor

        ensure_supervisor(settings)
    _show_changed(changed, json, f"Job {changed.id} is {changed.state}.")


def _show_changed(job: Job, json: bool, text: str) -> None:
    if json:
        print_json(_clean(job.as_dict()), indent=2)
    else:
        typer.echo(printable(text))


def _states() -> tuple[str, ...]:
    from typing import get_args

    from angen.jobs import State

    return get_args(State)


def _hint(settings: Settings, jobs: list[Job]) -> None:
    """Say so where jobs wait and nobody is there to do them."""
    from angen.jobs import is_supervised

    if any(job.state == "queued" for job in jobs) and not is_supervised(settings):
        say("Nobody looks after the queue. Do it: angen jobs run")


def _row(job: Job) -> list[str]:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created))
    return [job.id, job.kind, job.title, job.state, _progress_text(job), when]


def _progress_text(job: Job) -> str:
    if not job.stage:
        return "-"
    share = f" {job.done / job.total:.0%}" if job.total > 0 else ""
    left = f", {clock_text(job.eta_s)} left" if job.eta_s else ""
    return f"{job.stage}{share}{left}"


def _state_text(job: Job) -> str:
    facts = [
        f"attempt {job.attempt}" if job.attempt > 1 else "",
        f"{job.crashes} crashes" if job.crashes else "",
        job.ended_by or "" if job.ended_by not in (None, "itself") else "",
    ]
    more = ", ".join(filter(None, facts))
    return f"{job.state} ({more})" if more else job.state


def _clean(record: dict[str, Any]) -> dict[str, Any]:
    """Text that any reader can take: a path may hold bytes that are no text."""
    cleaned: dict[str, Any] = json_module.loads(
        json_module.dumps(record).encode("utf-8", "backslashreplace").decode()
    )
    return cleaned
