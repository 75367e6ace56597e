"""Following jobs: a line with a bar, a log, and buttons to stop, pause and go on.

`JobWatch(page, ["generate"])` puts all this where it is built and follows one job of these kinds: the one of
`?job=ID`, else the one that `chosen` names, else one that runs, else the newest. So it needs no hand-over from whoever
submits, attaches again after a reload, and shows in every window what any of them, or a terminal, has begun.

* `watch.job_id` (State): the id that is shown, "" for none: an input for handlers, which read the job by
  `page.store.get(id)`.
* `watch.on_end(handler, outputs, inputs)`: the handler gets the `Job` when one that is shown has ended (also once after
  each load of the page, if it had ended before) and the values of the inputs, and gives outputs.
* `watch.on_change(handler, outputs, inputs)`: the same on each change, progress included; keep it quick.
* `matches`, `inputs`: follow only jobs for which `matches(job, *values of inputs)`.
"""

from __future__ import annotations

import html
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from angen.errors import AngenError, JobError
from angen.jobs import ACTIVE, Event, Job, JobStore, ensure_supervisor
from angen.ui.context import Page
from angen.ui.problems import Told, note, problem_html

__all__ = ["JobWatch", "Seen", "clock_text", "event_line", "find_job", "status_html"]

LOG_LINES = 300
_STATE_WORDS = {
    "queued": "Waiting for its turn", "claimed": "Starting", "running": "Running",
    "pausing": "Stopping, with a checkpoint", "paused": "Stopped, can go on", "cancelling": "Cancelling",
    "succeeded": "Done", "failed": "Failed", "cancelled": "Cancelled",
}  # fmt: skip
Line = Callable[[Job, "Seen"], str]


@dataclass
class Seen:
    """What a window has seen of the job it follows. Kept on the server, forgotten with the window.

    Attributes:
        job: Its id.
        seq: The last event.
        lines: Of the log.
        latest: The last event of each kind.
        signature: What it looked like; None before the first look.
    """

    job: str = ""
    seq: int = 0
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    latest: dict[str, dict[str, Any]] = field(default_factory=dict)
    signature: tuple[Any, ...] | None = None

    def take(self, store: JobStore) -> bool:
        """Read what has happened since; whether anything has."""
        before = self.seq
        while events := store.events(self.job, after=self.seq):
            for event in events:
                if line := event_line(event):
                    self.lines.append(line)
                self.latest[event.kind] = event.data
            self.seq = events[-1].seq
        return self.seq != before


class JobWatch:
    """The components that show a job, and their looks at it.

    Args:
        page: The page; called inside a tab.
        kinds: Of the jobs to follow.
        empty: What is said while there is no job.
        line: Makes the words of the status from the job and what was seen of it; plain text.
        matches: Says of a job, and the values of `inputs`, whether it is meant.
        inputs: Components.
        can_pause: Whether there are buttons for it: the kind has checkpoints.
        stop_words: On the button that ends a job for good.
    """

    def __init__(
        self,
        page: Page,
        kinds: Sequence[str],
        *,
        empty: str = "",
        line: Line | None = None,
        matches: Callable[..., bool] | None = None,
        inputs: Sequence[Any] = (),
        can_pause: bool = False,
        stop_words: str = "Cancel",
    ) -> None:
        self.page, self.kinds, self.empty = page, tuple(kinds), empty
        self.line, self.matches, self.can_pause = line or status_line, matches, can_pause
        for kind in kinds:
            page.kinds.setdefault(kind, page.tab_name)
        self.job_id, self.chosen = gr.State(""), gr.State("")
        self._seen = gr.State(Seen())
        self._changed = gr.Textbox("", label="State of the job", visible="hidden")
        self._ended = gr.Textbox("", label="End of the job", visible="hidden")
        self.status = gr.HTML(status_html(None, empty), elem_classes="job-status")
        with gr.Row(visible=False, elem_classes="job-buttons") as self.buttons:
            self.pause = gr.Button("Stop", size="sm", visible=can_pause)
            self.resume = gr.Button("Resume", size="sm", visible=False)
            self.cancel = gr.Button(stop_words, size="sm", variant="stop")
        self.problem = note()
        with gr.Accordion("Log", open=False, visible=False) as self.log_fold:
            self.log = gr.Textbox(
                "", label="What happened", lines=8, max_lines=16, interactive=False, elem_classes="log",
                autoscroll=True,
            )  # fmt: skip
        self._wire(inputs)

    def on_end(self, handler: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any] = ()) -> None:
        """Call a handler with the job that is shown, and the values of the inputs, once it has ended."""
        self._on(self._ended, handler, outputs, inputs)

    def on_change(
        self, handler: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any] = ()
    ) -> None:
        """Call a handler with the job that is shown, and the values of the inputs, whenever it has changed."""
        self._on(self._changed, handler, outputs, inputs)

    def look(self, asked: str, chosen: str, seen: Seen, *values: Any) -> list[Any]:
        """One look; gives what `self.outputs` are, `gr.skip()` for what is as it was."""
        job = find_job(
            self.page.store,
            self.kinds,
            asked or chosen,
            lambda one: not self.matches or self.matches(one, *values),
        )
        if job is None:
            if seen.signature == ():
                return [gr.skip()] * 10
            seen = Seen(signature=())
            return [
                status_html(None, self.empty),
                "",
                gr.update(visible=False),
                *self._button_updates(None),
                "",
                seen,
                "",
                "",
            ]
        if seen.job != job.id:
            seen = Seen(job.id)
        happened = seen.take(self.page.store)
        signature = (job.id, job.state, job.attempt, job.where, job.note, job.eta_s)
        if signature == seen.signature and not happened:
            return [gr.skip()] * 10
        seen.signature = signature
        marks = f"{job.id} {job.attempt} {job.state if job.has_ended else ''}" if job.has_ended else ""
        return [
            status_html(job, self.line(job, seen)), "\n".join(seen.lines) if happened else gr.skip(),
            gr.update(visible=True), *self._button_updates(job), job.id, seen,
            f"{job.id} {seen.seq} {signature}", marks,
        ]  # fmt: skip

    def _wire(self, inputs: Sequence[Any]) -> None:
        outputs = [
            self.status, self.log, self.log_fold, self.buttons, self.pause, self.resume, self.job_id, self._seen,
            self._changed, self._ended,
        ]  # fmt: skip
        self.page.on_beat(self.look, [self.page.asked_job, self.chosen, self._seen, *inputs], outputs)
        for button, verb in ((self.pause, "pause"), (self.resume, "resume"), (self.cancel, "cancel")):
            self.page.act(button.click, self._asking(verb), [self.job_id], problem=self.problem)

    def _asking(self, verb: str) -> Callable[[str], Told]:
        def ask(job_id: str) -> Told:
            return Told(ask_of(self.page, job_id, verb))

        return ask

    def _button_updates(self, job: Job | None) -> list[Any]:
        """Of the row, Stop and Resume."""
        if job is None:
            return [gr.update(visible=False), gr.update(visible=False), gr.update(visible=False)]
        goes = job.state in ("queued", "claimed", "running")
        waits = job.state in ("paused", "failed", "cancelled") and (self.can_pause or job.state == "failed")
        words = "Resume" if self.can_pause else "Try again"
        return [
            gr.update(visible=not job.has_ended or waits), gr.update(visible=self.can_pause and goes),
            gr.update(visible=waits, value=words),
        ]  # fmt: skip

    def _on(
        self, mark: gr.Textbox, handler: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any]
    ) -> None:
        def told(job_id: str, marked: str, *values: Any) -> Any:
            if not job_id or not marked:
                return [gr.skip()] * len(outputs)
            return handler(self.page.store.get(job_id), *values)

        self.page.quietly(mark.change, told, [self.job_id, mark, *inputs], outputs)


def ask_of(page: Page, job_id: str, verb: str) -> str:
    """Ask a job to "pause", "resume" (or go on after its end) or "cancel"; what became of it, as a sentence.

    Raises:
        JobError: If there is none, or it cannot.
    """
    if not job_id:
        raise JobError("There is no job to be asked.", remedy="Start one first.")
    store = page.store
    job = store.get(job_id)
    if verb == "resume" and job.state in ("failed", "cancelled"):
        job = store.retry(job_id)
    else:
        job = {"pause": store.pause, "resume": store.resume, "cancel": store.cancel}[verb](job_id)
    if verb == "resume":
        ensure_supervisor(page.settings)
    return f"{_STATE_WORDS[job.state]}."


def find_job(
    store: JobStore, kinds: Sequence[str], chosen: str, is_meant: Callable[[Job], bool] = lambda job: True
) -> Job | None:
    """The job to show: the chosen one, one that runs, the newest; None where there is none of these kinds."""
    if chosen:
        try:
            job = store.get(chosen)
        except AngenError:
            job = None
        if job is not None and job.kind in kinds and is_meant(job):
            return job
    running = [job for job in store.list(ACTIVE) if job.kind in kinds and is_meant(job)]
    if running:
        return running[0]
    return next((job for job in store.list(limit=200) if job.kind in kinds and is_meant(job)), None)


def clock_text(seconds: float) -> str:
    """Seconds as a person says them: "0:07", "1:02:03"."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def status_line(job: Job, seen: Seen) -> str:
    """What a job is doing, in words."""
    del seen
    parts = [job.title]
    if job.stage and not job.has_ended:
        share = f" {min(1.0, job.done / job.total):.0%}" if job.total > 0 else ""
        parts.append(f"{job.stage}{share}")
        if job.note:
            parts.append(job.note)
        if job.eta_s and job.state == "running":
            parts.append(f"{clock_text(job.eta_s)} left")
    return " | ".join(parts)


def status_html(job: Job | None, words: str) -> str:
    """The state, the words and a bar; `words` are plain text."""
    if job is None:
        return f'<p class="empty">{html.escape(words)}</p>' if words else ""
    state = _STATE_WORDS[job.state]
    share = min(1.0, job.done / job.total) if job.total > 0 else 0.0
    bar = ""
    if not job.has_ended and job.state != "queued":
        known = f' value="{share:.4f}"' if job.total > 0 else ""
        bar = f'<progress max="1"{known} aria-label="Progress of this job"></progress>'
    error = ""
    if job.error and job.state == "failed":
        error = problem_html(AngenError(job.error.get("message", ""), remedy=job.error.get("remedy", "")))
    when = f" {_ago(job.ended)}" if job.has_ended and job.ended else ""
    return (
        f'<div class="job {job.state}" data-job="{html.escape(job.id)}" data-state="{job.state}"><p>'
        f'<strong>{state}{when}</strong> <span class="words">{html.escape(words)}</span></p>{bar}{error}</div>'
    )


def event_line(event: Event) -> str:
    """An event as a line of the log; "" for one that tells nobody anything."""
    when, data = time.strftime("%H:%M:%S", time.localtime(event.time)), event.data
    if event.kind == "progress":
        share = f" {data['done'] / data['total']:.0%}" if data["total"] > 0 else ""
        text = f"{data['stage']}{share} {data['note']}".rstrip()
    elif event.kind == "state":
        text = _STATE_WORDS.get(data["state"], data["state"])
        text += f", attempt {data['attempt']}" if data.get("attempt", 1) > 1 else ""
    elif event.kind == "crash":
        text = data.get("error", {}).get("message", "It crashed.")
    else:
        facts = " ".join(f"{key} {_short(value)}" for key, value in data.items() if _is_short(value))
        text = f"{event.kind}: {facts}"
    return f"{when}  {text}"


def _is_short(value: Any) -> bool:
    return isinstance(value, int | float | str) and len(str(value)) <= 200


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _ago(moment: float) -> str:
    past = time.time() - moment
    if past < 86_400:
        return f"at {time.strftime('%H:%M', time.localtime(moment))}"
    return f"on {time.strftime('%Y-%m-%d', time.localtime(moment))}"
