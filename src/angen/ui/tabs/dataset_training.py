"""Dataset training: collections that others share, downloaded and prepared as datasets."""

from __future__ import annotations

from typing import Any

import gradio as gr

from angen.catalogue.records import collection
from angen.jobs import Job
from angen.ui import curated
from angen.ui.context import Page
from angen.ui.problems import Told, note
from angen.ui.watch import JobWatch


def build(page: Page) -> None:
    """Lay the tab out and wire it."""
    settings = page.settings
    overview = gr.HTML(curated.overview_html(settings), elem_classes="state")
    names = curated.choices()
    first = names[0][1]
    chosen = gr.Radio(names, value=first, label="Collection", elem_id="collection")
    facts = gr.HTML(curated.facts_html(settings, first), elem_classes="state")
    facts_note = note()
    with gr.Row(equal_height=False):
        hours = gr.Number(1, label="Hours", info="About; 0 for all.", minimum=0, elem_id="collect-hours")
        pieces = gr.Number(0, label="Pieces", info="At most; 0 for all.", minimum=0, precision=0)
        singers = gr.Number(0, label="Singers", info="At most; 0 for all.", minimum=0, precision=0)
        dataset = gr.Textbox(label="Name of the dataset", info="Empty: the collection's.", max_length=80)
    licences = gr.CheckboxGroup(
        [(words, family) for family, words in curated.LICENCES.items()], label="Only these licences",
        info="None ticked: all.", visible=False,
    )  # fmt: skip
    replace = gr.Checkbox(False, label="Replace a dataset of this name")
    accepts = gr.Checkbox(
        False, label="I accept its licence and what it means for adapters", elem_id="accept"
    )
    begin = gr.Button("Download & Prepare", variant="primary", elem_id="collect")
    begin_note = note()
    watch = JobWatch(page, ["collect"], can_pause=True, stop_words="Cancel for good")
    made = gr.HTML("", elem_classes="state")
    with gr.Row(visible=False) as next_row:
        onward = gr.Button("Go on to Training configuration")

    fields = [chosen, accepts, dataset, hours, pieces, singers, licences, replace]

    def wish_of(*values: Any) -> curated.Wish:
        id_, accepted, name, most_hours, most_pieces, most_singers, families, anew = values
        return curated.Wish(
            str(id_ or ""), bool(accepted), str(name or ""), most_hours, most_pieces, most_singers,
            tuple(families or ()), bool(anew),
        )  # fmt: skip

    def shown(*values: Any) -> list[Any]:
        """The collection as it is, and the choices it knows."""
        wish = wish_of(*values)
        known = collection(wish.collection).filters
        return [
            curated.facts_html(settings, wish.collection, wish),
            *(gr.update(visible=name in known) for name in ("hours", "pieces", "singers", "licences")),
        ]

    def choose(*values: Any) -> list[Any]:
        """The same after another was chosen: its licence has to be accepted by itself."""
        return [*shown(*values), gr.update(value=curated.is_accepted(settings, str(values[0])))]

    def start(*values: Any) -> Told:
        job = page.submit("collect", curated.collect_params(settings, wish_of(*values)))
        return Told(f"{job.title}: queued. Close the page if you like; it goes on.")

    outputs = [facts, hours, pieces, singers, licences]
    page.act(chosen.change, choose, fields, [*outputs, accepts], problem=facts_note)
    for field in (hours, pieces, singers, licences):
        page.act(field.change, shown, fields, outputs, problem=facts_note, trigger_mode="always_last")
    page.act(begin.click, start, fields, [], problem=begin_note)
    page.on_show(
        lambda *values: [curated.overview_html(settings), *shown(*values)], fields, [overview, *outputs]
    )
    watch.on_end(_collected, [made, next_row])
    page.opens(onward.click, "training")


def _collected(job: Job) -> list[Any]:
    made = job.result.get("dataset") if isinstance(job.result, dict) else None
    if job.state != "succeeded" or not made:
        return ["", gr.update(visible=False)]
    counts = f"{made['clips']} clips of {made['songs']} songs, {made['seconds'] / 60:.1f} minutes."
    words = f"Dataset {made['name']}: {counts}"
    return [f'<p class="empty">{words}</p>', gr.update(visible=True)]
