"""User audio training: recordings in, a table of what is heard in them, a dataset out."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from angen.errors import UploadError
from angen.jobs import Job
from angen.ui import recordings as ours
from angen.ui.confirm import confirmed
from angen.ui.context import Page, player
from angen.ui.problems import Told, note
from angen.ui.table import HEADERS, Desk, Sheet, read_desk, rows_of, with_rows
from angen.ui.watch import JobWatch, Seen, status_line
from angen.workflows.uploads import UploadLimits, create_set, delete_set, remove_recording


def build(page: Page) -> None:
    """Lay the tab out and wire it."""
    UserAudio(page)


class UserAudio:
    """The components of the tab, and what happens between them.

    What is shown of a set is made by `_shown`; every handler that changes the set or the table ends with it.
    """

    def __init__(self, page: Page) -> None:
        self.page, self.settings = page, page.settings
        self.desk = page.kept("angen-user-audio", Desk().model_dump_json())
        self.sheet = gr.State(None)
        self._lay_out_recordings()
        self.heard = JobWatch(page, ["annotate"], line=_heard_line)
        self._lay_out_table()
        self._lay_out_listening()
        self._lay_out_preparing()
        self._wire()

    def _lay_out_recordings(self) -> None:
        gr.Markdown("### 1. Recordings")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3):
                self.upload = gr.File(
                    label="Recordings to add", file_count="multiple", height=150,
                    elem_id="upload",
                )  # fmt: skip
                self.upload_note = note()
            with gr.Column(scale=2, min_width=260):
                self.set = gr.Dropdown(
                    [], label="Set of recordings", info="Recordings that belong together.", elem_id="set"
                )
                with gr.Row():
                    self.new_name = gr.Textbox(
                        label="Name of a new set", max_length=80, scale=2, min_width=120
                    )
                    self.create = gr.Button("Create set", size="sm", scale=1, min_width=90)
                self.sample = gr.Button("Try the sample songs", size="sm", elem_id="sample")
                self.set_note = note()
        self.state = gr.HTML(_empty_html(ours.state_words(self.settings, "")), elem_classes="state")

    def _lay_out_table(self) -> None:
        gr.Markdown("### 2. What is heard in them")
        with gr.Row():
            self.analyze = gr.Button("Analyze & Generate Metadata", variant="primary", elem_id="analyze")
            self.ai = gr.Button("AI Generate Metadata", elem_id="ai")
        self.analyze_note = note()
        self.table = gr.Dataframe(
            [], headers=HEADERS, datatype="str", type="array", label="Metadata of the recordings", interactive=True,
            static_columns=[0], pinned_columns=1, show_search="filter", column_count=len(HEADERS), wrap=True,
            column_widths=["190px", "110px", "80px", "100px", "110px", "190px", "300px"], max_height=420,
            elem_id="metadata",
        )  # fmt: skip
        self.trigger = gr.Textbox(
            label="Style words", info="They lead every prompt of the dataset; a name for the style you teach.",
            max_length=200, elem_id="trigger",
        )  # fmt: skip
        self.unsaved = gr.HTML("", elem_classes="state")
        with gr.Row():
            self.save = gr.Button("Save Metadata", variant="primary", elem_id="save")
            self.again = gr.Button("Load again", elem_id="again")
            self.discard = gr.Button("Discard my changes", elem_id="discard")
        self.save_note = note()

    def _lay_out_listening(self) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=260):
                self.listen = gr.Dropdown(
                    [], label="Listen to", info="Or click a row of the table.", elem_id="listen"
                )
                self.remove = confirmed("Remove this recording", "Remove it from the set")
            with gr.Column(scale=3):
                self.player = player("The recording")
                self.cuts = gr.HTML("", elem_classes="cuts-place")
        self.listen_note = note()

    def _lay_out_preparing(self) -> None:
        gr.Markdown("### 3. Dataset")
        with gr.Row(equal_height=False):
            self.dataset = gr.Textbox(
                label="Name of the dataset", max_length=80, min_width=220, elem_id="dataset-name"
            )
            self.splits = gr.Checkbox(
                True, label="Auto-split", info="Cut songs into clips at bars and phrases.", min_width=220
            )
            self.stems = gr.Checkbox(
                False, label="Separate stems", info="Take voice and accompaniment apart first.", min_width=220
            )
        with gr.Accordion("More", open=False):
            with gr.Row():
                self.min_s = gr.Slider(1, 60, 10, step=1, label="Shortest clip (s)")
                self.max_s = gr.Slider(1, 120, ours.LONGEST_CLIP_S, step=1, label="Longest clip (s)")
            self.replace = gr.Checkbox(False, label="Replace a dataset of this name")
            self.delete = confirmed("Delete this set", "Delete it with all its recordings")
        self.prepare = gr.Button("Prepare Training Dataset", variant="primary", elem_id="prepare")
        self.prepare_note = note()
        self.prepared = JobWatch(self.page, ["prepare"], empty="")
        self.made = gr.HTML("", elem_classes="state")
        with gr.Row(visible=False) as self.next_row:
            self.next = gr.Button("Go on to Training configuration", elem_id="to-training")

    def _wire(self) -> None:
        page, shown = self.page, self._shown_outputs()
        page.on_show(self._show, [self.desk], shown, kept=self.desk)
        act = page.act
        act(self.upload.upload, self._upload, [self.upload, self.set, self.desk], [self.upload, *shown],
            problem=self.upload_note, queue=True)  # fmt: skip
        act(
            self.create.click,
            self._create,
            [self.new_name, self.desk],
            [self.new_name, *shown],
            problem=self.set_note,
        )
        act(self.sample.click, self._sample, [self.desk], shown, problem=self.set_note, queue=True)
        page.quietly(self.set.input, self._choose, [self.set, self.desk], shown)
        for button, ai in ((self.analyze, False), (self.ai, True)):
            act(button.click, self._analyzer(ai), [self.set], [], problem=self.analyze_note)
        typed = [self.table, self.trigger, self.sheet, self.set, self.desk]
        for event in (self.table.input, self.trigger.input):
            act(event, self._typed, typed, [self.sheet, self.desk, self.unsaved], problem=self.save_note,
                trigger_mode="always_last")  # fmt: skip
        act(self.save.click, self._save, typed, shown, problem=self.save_note)
        act(self.again.click, self._load_again, [self.set, self.desk], shown, problem=self.save_note)
        act(self.discard.click, self._discard, [self.set, self.desk], shown, problem=self.save_note)
        self.table.select(
            _file_of_row, None, self.listen, queue=False, show_progress="hidden", api_visibility="private"
        )
        act(
            self.listen.change,
            self._play,
            [self.set, self.listen],
            [self.player, self.cuts],
            problem=self.listen_note,
        )
        act(
            self.remove.yes.click,
            self._remove,
            [self.set, self.listen, self.desk],
            shown,
            problem=self.listen_note,
        )
        act(self.delete.yes.click, self._delete, [self.set, self.desk], shown, problem=self.prepare_note)
        wishes = [self.set, self.dataset, self.splits, self.min_s, self.max_s, self.stems, self.replace]
        act(self.prepare.click, self._prepare, wishes, [], problem=self.prepare_note)
        self.heard.on_end(self._heard_all, self._table_outputs(), [self.set, self.desk, self.sheet])
        self.heard.on_change(self._hearing, self._table_outputs(), [self.set, self.desk, self.sheet])
        self.prepared.on_end(_prepared_words, [self.made, self.next_row])
        page.opens(self.next.click, "training")

    def _table_outputs(self) -> list[Any]:
        """What `_table` gives."""
        return [self.state, self.table, self.trigger, self.sheet, self.unsaved]

    def _shown_outputs(self) -> list[Any]:
        """What `_shown` gives."""
        return [self.set, self.listen, self.dataset, self.desk, *self._table_outputs()]

    def _shown(self, name: str, desk: Desk) -> list[Any]:
        """All that is shown of a set."""
        name = ours.known_set(self.settings, name)
        files = ours.files_of(self.settings, name)
        sheet = ours.load_sheet(self.settings, name, desk)
        return [
            gr.update(choices=ours.set_names(self.settings), value=name or None),
            gr.update(choices=files, value=None), name, desk.holding(name, sheet), *self._table(name, sheet),
        ]  # fmt: skip

    def _table(self, name: str, sheet: Sheet | None) -> list[Any]:
        words = _empty_html(ours.state_words(self.settings, name))
        if sheet is None:
            return [words, [], "", None, ""]
        trigger = sheet.trigger if sheet.typed_trigger is None else sheet.typed_trigger
        return [words, rows_of(sheet), trigger, sheet.model_dump(), _unsaved_html(sheet)]

    def _show(self, desk: Any) -> list[Any]:
        known = read_desk(desk)
        return self._shown(known.set, known)

    def _choose(self, name: str, desk: Any) -> list[Any]:
        return self._shown(name, read_desk(desk))

    def _upload(self, files: list[str] | None, name: str | None, desk: Any) -> Told:
        paths = [self.page.uploaded(file) for file in files or []]
        name, told = ours.add_files(self.settings, name or "", paths, UploadLimits())
        return Told(told.words, [None, *self._shown(name, read_desk(desk))], told.problems)

    def _create(self, name: str, desk: Any) -> Told:
        made = create_set(self.settings, str(name or ""))
        return Told(f"Made the set {made.name}.", ["", *self._shown(made.name, read_desk(desk))])

    def _sample(self, desk: Any) -> Told:
        name, jobs = ours.add_sample(self.settings)
        for params in jobs:
            self.page.submit("generate", params)
        if jobs:
            words = "Three short songs are being generated. Choose this set again when they are there."
        else:
            self.page.submit("annotate", {"folder": str(self.settings.recordings / name)})
            words = "The sample songs are there, and being analysed. Next: Prepare Training Dataset."
        return Told(words, self._shown(name, read_desk(desk)))

    def _analyzer(self, ai: bool) -> Any:
        def analyze(name: str | None) -> Told:
            known = ours.known_set(self.settings, name)
            if not ours.files_of(self.settings, known):
                raise UploadError("There are no recordings to analyse.", remedy="Upload some first.")
            self.page.submit("annotate", {"folder": str(self.settings.recordings / known), "ai": ai})
            return Told("Your own words stay as they are; only estimates are made anew.")

        return analyze

    def _typed(self, rows: Any, trigger: str, sheet: Any, name: str, desk: Any) -> list[Any]:
        now = self._sheet_with(rows, trigger, sheet, name, desk)
        return [now.model_dump(), read_desk(desk).holding(name, now), _unsaved_html(now)]

    def _save(self, rows: Any, trigger: str, sheet: Any, name: str, desk: Any) -> Told:
        told = ours.save_table(self.settings, name, self._sheet_with(rows, trigger, sheet, name, desk))
        return Told(told.words, self._shown(name, _without(read_desk(desk), name)))

    def _sheet_with(self, rows: Any, trigger: str, sheet: Any, name: str, desk: Any) -> Sheet:
        """The sheet with what is on the page; after a restart of the server the browser's own copy counts."""
        known = Sheet.model_validate(sheet) if sheet else read_desk(desk).sheets.get(name)
        known = known or ours.load_sheet(self.settings, name, Desk())
        if known is None:
            raise UploadError("There is no table to save.", remedy="Upload recordings first.")
        return with_rows(known, rows, trigger)

    def _load_again(self, name: str, desk: Any) -> Told:
        known = read_desk(desk)
        return Told(
            "This is what is stored now, with your unsaved changes over it.", self._shown(name, known)
        )

    def _discard(self, name: str, desk: Any) -> Told:
        return Told("This is what is stored.", self._shown(name, _without(read_desk(desk), name)))

    def _play(self, name: str, file: str | None) -> list[Any]:
        if not file:
            return [None, ""]
        path, drawing = ours.cuts_of(self.settings, name, file)
        return [self.page.serve(path), drawing]

    def _remove(self, name: str, file: str | None, desk: Any) -> Told:
        remove_recording(self.settings, name, file or "")
        return Told(f"Removed {file}.", self._shown(name, read_desk(desk)))

    def _delete(self, name: str, desk: Any) -> Told:
        delete_set(self.settings, name or "")
        return Told(f"Deleted the set {name}.", self._shown("", _without(read_desk(desk), name)))

    def _prepare(self, name: str, *wishes: Any) -> Told:
        dataset, splits, min_s, max_s, stems, replace = wishes
        asked = ours.PrepareWishes(dataset, bool(splits), min_s, max_s, bool(stems), bool(replace))
        self.page.submit("prepare", ours.prepare_params(self.settings, name or "", asked))
        return Told("Preparing. Close the page if you like; it goes on.")

    def _hearing(self, job: Job, name: str, desk: Any, shown: Any) -> list[Any]:
        """Rows that fill while recordings are heard, unless something typed into them is not saved yet."""
        known = read_desk(desk)
        if Path(job.params["folder"]).name != name or name in known.sheets or job.has_ended:
            return []
        return self._news(name, known, shown)

    def _heard_all(self, job: Job, name: str, desk: Any, shown: Any) -> list[Any]:
        heard = Path(job.params["folder"]).name
        if name and heard != name:
            return []
        return self._news(heard, read_desk(desk), shown)

    def _news(self, name: str, desk: Desk, shown: Any) -> list[Any]:
        """The table where it differs from what is shown, or has words typed into it that a row may have overtaken."""
        sheet = ours.load_sheet(self.settings, name, desk)
        if sheet is not None and not sheet.unsaved and shown and sheet == Sheet.model_validate(shown):
            return [_empty_html(ours.state_words(self.settings, name))]
        return self._table(name, sheet)


def _heard_line(job: Job, seen: Seen) -> str:
    failed = (job.result or {}).get("failed", []) if isinstance(job.result, dict) else []
    if job.state == "succeeded" and failed:
        reasons = " ".join(one["error"]["message"] for one in failed)
        return f"{job.title} | {job.result['heard']} heard, {len(failed)} not: {reasons}"
    return status_line(job, seen)


def _file_of_row(event: gr.SelectData) -> Any:
    """The file of the row that was chosen, by what is written in it: rows may be sorted or filtered."""
    row = event.row_value or []
    return row[0] if row and row[0] else gr.skip()


def _without(desk: Desk, name: str) -> Desk:
    return Desk(set=desk.set, sheets={key: sheet for key, sheet in desk.sheets.items() if key != name})


def _empty_html(words: str) -> str:
    return f'<p class="empty">{html.escape(words)}</p>'


def _unsaved_html(sheet: Sheet) -> str:
    count = sheet.unsaved
    words = (
        f"{count} unsaved change{'s' * (count != 1)}; this browser keeps them until you save."
        if count
        else ""
    )
    return f'<p class="unsaved" role="status">{words}</p>' if words else ""


def _prepared_words(job: Job) -> list[Any]:
    """What came of a preparation, and where to go from there."""
    if job.state != "succeeded" or not isinstance(job.result, dict):
        return ["", gr.update(visible=False)]
    made = job.result
    counts = f"{made['clips']} clips of {made['songs']} songs, {made['seconds'] / 60:.1f} minutes."
    words = f"Dataset {made['name']}: {counts}"
    return [_empty_html(words), gr.update(visible=True)]
