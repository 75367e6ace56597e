"""Manage LoRA adapters: what there is, what each has learnt, to hear it, and to rename, merge, share or delete it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio as gr

from angen.adapters import delete_adapter, rename_adapter
from angen.errors import AdapterError
from angen.ui import adapter_shelf as shelf
from angen.ui.confirm import confirmed
from angen.ui.context import Page, player
from angen.ui.problems import Told, note

_EMPTY = "No adapters yet. Train one under 'Training configuration', or bring one that somebody gave you."


def build(page: Page) -> None:
    """Lay the tab out and wire it."""
    Manage(page)


class Manage:
    """The components of the tab, and what happens between them."""

    def __init__(self, page: Page) -> None:
        self.page, self.settings = page, page.settings
        self._lay_out_table()
        self._lay_out_one()
        self._lay_out_changes()
        self._wire()

    def _lay_out_table(self) -> None:
        self.table = gr.Dataframe(
            [], headers=shelf.HEADERS, datatype="str", type="array", label="Adapters", interactive=False,
            show_search="filter", column_count=len(shelf.HEADERS), max_height=320, elem_id="adapters",
        )  # fmt: skip
        self.empty = gr.HTML("", elem_classes="state")
        with gr.Row(equal_height=False):
            self.chosen = gr.Dropdown(
                [], label="Adapter", info="Or click a row of the table.", scale=3, elem_id="adapter"
            )
            self.refresh = gr.Button("Refresh", scale=1, elem_id="refresh")
        self.table_note = note()

    def _lay_out_one(self) -> None:
        self.facts = gr.HTML("", elem_classes="state")
        self.verdicts = gr.HTML("", elem_classes="state")
        self.page_file = gr.DownloadButton(
            "Download the report with its plots and sounds", visible=False, size="sm"
        )
        with gr.Group(visible=False) as self.pair_group:
            self.pair = gr.Dropdown([], label="Listen to", elem_id="pair")
            with gr.Row():
                self.base = player("Without it")
                self.with_it = player("With it", elem_id="with-it")
        self.listen_note = note()

    def _lay_out_changes(self) -> None:
        with gr.Accordion("Rename", open=False):
            with gr.Row(equal_height=False):
                self.new_name = gr.Textbox(label="New name", max_length=80, scale=3, elem_id="new-name")
                self.rename = gr.Button("Rename", scale=1, elem_id="rename")
            self.rename_note = note()
        with gr.Accordion("Merge into the base", open=False):
            gr.Markdown(
                "A copy of the base model with this adapter in its weights, to train or generate with."
            )
            with gr.Row(equal_height=False):
                self.merged_name = gr.Textbox(label="Name of the merged model", max_length=80)
                self.strength = gr.Slider(-2, 2, 1, step=0.05, label="Strength")
                self.merge = gr.Button("Merge")
            self.merge_note = note()
        with gr.Accordion("Export", open=False):
            with gr.Row(equal_height=False):
                self.layout = gr.Dropdown(
                    [("peft", "peft"), ("kohya (ComfyUI and the like)", "kohya")],
                    value="peft",
                    label="Key names",
                )
                self.part = gr.Dropdown(
                    [("the best", "best"), ("the last", "final")], value="best", label="Weights"
                )
                self.author = gr.Textbox(label="Your name, as it shall stand in the file", max_length=200)
                self.export = gr.Button("Make the file", elem_id="export-adapter")
            self.export_file = gr.DownloadButton("Download", visible=False, elem_id="export-file")
            self.export_note = note()
        with gr.Accordion("Import", open=False):
            with gr.Row(equal_height=False):
                self.file = gr.File(
                    label="A .safetensors file", file_count="single", height=110, elem_id="import-file"
                )
                with gr.Column():
                    self.import_name = gr.Textbox(label="Name", info="Empty: its own.", max_length=80)
                    self.assume = gr.Checkbox(False, label="It is of angen-tiny, though it does not say so")
                    self.take_in = gr.Button("Import", elem_id="import-adapter")
            self.import_note = note()
        self.delete = confirmed("Delete this adapter", "Delete it with its checkpoints")
        self.delete_note = note()

    def _wire(self) -> None:
        page, act = self.page, self.page.act
        listed = [self.table, self.empty, self.chosen]
        shown = [self.facts, self.verdicts, self.page_file, self.pair_group, self.pair]
        page.on_show(self._list, [self.chosen], listed)
        act(
            self.refresh.click,
            lambda chosen: self._list(chosen),
            [self.chosen],
            listed,
            problem=self.table_note,
        )
        self.table.select(
            _name_of_row, None, self.chosen, queue=False, show_progress="hidden", api_visibility="private"
        )
        act(self.chosen.change, self._show, [self.chosen], shown, problem=self.table_note)
        act(
            self.pair.change,
            self._play,
            [self.chosen, self.pair],
            [self.base, self.with_it],
            problem=self.listen_note,
        )
        act(
            self.rename.click,
            self._rename,
            [self.chosen, self.new_name],
            [*listed, self.new_name],
            problem=self.rename_note,
        )
        act(self.merge.click, self._merge, [self.chosen, self.strength, self.merged_name], [self.merged_name],
            problem=self.merge_note, queue=True, concurrency_id="model", concurrency_limit=1)  # fmt: skip
        act(self.export.click, self._export, [self.chosen, self.layout, self.part, self.author], [self.export_file],
            problem=self.export_note, queue=True)  # fmt: skip
        act(self.take_in.click, self._import, [self.file, self.import_name, self.assume], [*listed, self.file],
            problem=self.import_note, queue=True, concurrency_id="model", concurrency_limit=1)  # fmt: skip
        act(self.delete.yes.click, self._delete, [self.chosen], listed, problem=self.delete_note)

    def _list(self, chosen: str | None) -> list[Any]:
        rows = shelf.rows(self.settings)
        names = [row[0] for row in rows]
        words = "" if rows else f'<p class="empty">{_EMPTY}</p>'
        value = chosen if chosen in names else (names[0] if names else None)
        return [rows, words, gr.update(choices=names, value=value)]

    def _show(self, name: str | None) -> list[Any]:
        if not name:
            return [
                "",
                "",
                gr.update(visible=False),
                gr.update(visible=False),
                gr.update(choices=[], value=None),
            ]
        pairs = shelf.pairs_of(self.settings, name)
        report = shelf.report_page(self.settings, name)
        choices = [(pair.words, str(number)) for number, pair in enumerate(pairs)]
        return [
            shelf.facts_html(self.settings, name), shelf.report_html(self.settings, name),
            gr.update(visible=report is not None, value=self.page.serve(report) if report else None),
            gr.update(visible=bool(pairs)), gr.update(choices=choices, value=None),
        ]  # fmt: skip

    def _play(self, name: str | None, pair: str | None) -> list[Any]:
        if not name or pair is None:
            return [None, None]
        pairs = shelf.pairs_of(self.settings, name)
        known = {str(number): one for number, one in enumerate(pairs)}
        if pair not in known:
            raise AdapterError("This piece is not there any more.", remedy="Choose the adapter again.")
        return [self.page.serve(known[pair].base), self.page.serve(known[pair].adapter)]

    def _rename(self, name: str | None, new_name: str) -> Told:
        rename_adapter(self.settings.loras, _needed(name), str(new_name or "").strip())
        return Told(f"{name} is now {new_name}.", [*self._list(new_name), ""])

    def _merge(self, name: str | None, strength: Any, merged_name: str) -> Told:
        if isinstance(strength, bool) or not isinstance(strength, int | float) or not -2 <= strength <= 2:
            raise AdapterError("The strength is no number from -2 to 2.", remedy="Use the slider.")
        made = shelf.merge_adapter(self.settings, _needed(name), float(strength), str(merged_name or ""))
        return Told(f"The merged model {made} is in models/merged of the workspace.", [""])

    def _export(self, name: str | None, layout: str, part: str, author: str) -> Told:
        place = Path(os.environ["GRADIO_TEMP_DIR"]) / "exports"
        file = shelf.send_adapter(
            self.settings, _needed(name), str(layout), str(part), str(author or ""), place
        )
        size = file.stat().st_size / 1e6
        return Told(
            f"{file.name}, {size:.1f} MB.",
            [gr.update(visible=True, value=str(file), label=f"Download {file.name}")],
        )

    def _import(self, file: str | None, name: str, assume: bool) -> Told:
        info = shelf.bring_adapter(
            self.settings, self.page.uploaded(file), str(name or ""), assume_base=bool(assume)
        )
        return Told(f"Imported {info.name}.", [*self._list(info.name), None])

    def _delete(self, name: str | None) -> Told:
        delete_adapter(self.settings.loras, _needed(name))
        return Told(f"Deleted {name}.", self._list(None))


def _needed(name: str | None) -> str:
    if not name:
        raise AdapterError("No adapter is chosen.", remedy="Choose one in the list.")
    return name


def _name_of_row(event: gr.SelectData) -> Any:
    row = event.row_value or []
    return row[0] if row and row[0] else gr.skip()
