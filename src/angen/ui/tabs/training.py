"""Training configuration: what to train on and how, what it will take, and the run while it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from angen.dataset import list_datasets
from angen.errors import TrainingError
from angen.jobs import Job
from angen.training.presets import PRESETS
from angen.ui import runs
from angen.ui.adapter_shelf import merged_models
from angen.ui.context import Page, player
from angen.ui.knobs import ADVANCED, MAIN, component, read_config, shown_values
from angen.ui.problems import Told, note
from angen.ui.watch import JobWatch, Seen, clock_text, status_line
from angen.ui.wishes import base_choices
from angen.workflows.launched import chosen_config

KNOBS = (*MAIN, *ADVANCED)
_NO_DATASET = (
    "There is no dataset yet. Prepare one under 'User audio training' from recordings of your own, or under "
    "'Dataset training' from a collection."
)


def build(page: Page) -> None:
    """Lay the tab out and wire it."""
    Training(page)


class Training:
    """The components of the tab, and what happens between them."""

    def __init__(self, page: Page) -> None:
        self.page, self.settings = page, page.settings
        self._lay_out_wishes()
        self.watch = JobWatch(
            page, ["train"], line=run_line, can_pause=True, stop_words="Cancel for good",
            empty="No training yet. Name it, choose a dataset, and press Start.",
        )  # fmt: skip
        self._lay_out_run()
        self._wire()

    def _lay_out_wishes(self) -> None:
        self.empty = gr.HTML("", elem_classes="state")
        with gr.Row(equal_height=False):
            self.name = gr.Textbox(
                label="LoRA name", info="Letters and digits.", max_length=80, elem_id="lora-name"
            )
            self.dataset = gr.Dropdown([], label="Dataset", info="Prepared ones.", elem_id="train-dataset")
            self.model = gr.Dropdown(
                [], label="Model", elem_id="train-model",
                info="The base it changes. angen-tiny learns rhythm and colour from ten minutes of music; no voices.",
            )  # fmt: skip
            self.preset = gr.Dropdown(
                [("the values below", ""), *((f"{name}: {one.about}", name) for name, one in PRESETS.items())],
                value="", label="Preset", info="Fills in all values for the chosen dataset.", elem_id="preset",
            )  # fmt: skip
        self.preset_note = note()
        with gr.Row():
            main = [component(knob) for knob in MAIN]
        self.own_rate = gr.Checkbox(
            True, label="The model's own learning rate", info="Until you move the slider.", elem_id="own-rate"
        )
        with gr.Accordion("Advanced", open=False):
            advanced = []
            for first in range(0, len(ADVANCED), 4):
                with gr.Row():
                    advanced += [component(knob) for knob in ADVANCED[first : first + 4]]
            with gr.Row():
                self.replace = gr.Checkbox(
                    False, label="Train anew under a name that is taken", elem_id="train-replace"
                )
                self.report = gr.Checkbox(True, label="Write a report at the end", elem_id="train-report")
        self.knobs = [*main, *advanced]
        with gr.Row():
            self.start = gr.Button("Start", variant="primary", elem_id="start")
            self.estimate = gr.Button("Estimate", elem_id="estimate")
        self.start_note = note()
        self.facts = gr.HTML("", elem_classes="state facts-place")

    def _lay_out_run(self) -> None:
        self.curve, self.shown_step = gr.State(runs.Curve()), gr.State("")
        with gr.Row(equal_height=False):
            self.plot = gr.LinePlot(
                None, x="step", y="loss", color="of", label="Loss: training (blue), held-out songs (orange)",
                height=330, x_title="Step", y_title="Loss", colors_in_legend=[], buttons=["fullscreen"],
                color_map={"training": "#5b8fd0", "held-out songs": "#c2600a"}, elem_id="loss-plot",
            )  # fmt: skip
            self.losses = gr.HTML("", elem_classes="state", min_height=0)
        with gr.Group(visible=False) as self.sample_group:
            with gr.Row():
                self.step = gr.Dropdown([], label="Samples at step", elem_id="sample-step")
                self.piece = gr.Dropdown([], label="Prompt", elem_id="sample-piece")
            with gr.Row():
                self.before = player("Before training")
                self.now = player("At this step", elem_id="sample-now")
        self.sample_note = note()
        with gr.Row(visible=False) as self.next_row:
            self.to_generate = gr.Button("Generate with it")
            self.to_manage = gr.Button("Look at its report")

    def _wire(self) -> None:
        page, act = self.page, self.page.act
        wishes = [self.name, self.dataset, self.model, self.replace, self.report, self.own_rate, *self.knobs]
        page.on_show(self._choices, [self.dataset, self.model], [self.dataset, self.model, self.empty])
        act(self.start.click, self._start, wishes, [], problem=self.start_note)
        act(self.estimate.click, self._estimate, wishes, [self.facts], problem=self.start_note, queue=True,
            concurrency_id="estimate", concurrency_limit=1)  # fmt: skip
        page.remembers("angen-training", [self.name, self.report, self.own_rate, *self.knobs])
        rate = self.knobs[[knob.name for knob in MAIN].index("learning_rate")]
        page.quietly(rate.input, lambda: False, [], [self.own_rate])
        act(self.preset.input, self._preset, [self.preset, self.dataset], [*self.knobs, self.own_rate],
            problem=self.preset_note)  # fmt: skip
        page.on_beat(
            self._look, [self.watch.job_id, self.curve, self.step],
            [self.plot, self.losses, self.curve, self.sample_group, self.step, self.piece],
        )  # fmt: skip
        for event in (self.step.change, self.piece.change):
            act(event, self._play, [self.watch.job_id, self.step, self.piece], [self.before, self.now],
                problem=self.sample_note)  # fmt: skip
        self.watch.on_end(lambda job: gr.update(visible=job.state == "succeeded"), [self.next_row])
        page.opens(self.to_generate.click, "generate")
        page.opens(self.to_manage.click, "manage")

    def _choices(self, dataset: str | None, model: str | None) -> list[Any]:
        infos = list_datasets(self.settings.training_data)
        names = [info.name for info in infos]
        newest = max(infos, key=lambda info: info.created).name if infos else None
        bases = [
            *base_choices(self.settings),
            *((f"{path.name} (merged)", str(path)) for path in merged_models(self.settings)),
        ]
        known = [base for _, base in bases]
        words = "" if infos else f'<p class="empty">{_NO_DATASET}</p>'
        return [
            gr.update(choices=[(f"{info.name} ({info.clips} clips)", info.name) for info in infos],
                      value=dataset if dataset in names else newest),
            gr.update(choices=bases, value=model if model in known else "angen-tiny"), words,
        ]  # fmt: skip

    def _start(
        self, name: str, dataset: str, model: str, replace: bool, report: bool, own_rate: bool, *values: Any
    ) -> Told:
        config = read_config(KNOBS, values, own_rate=bool(own_rate))
        params = runs.train_params(name, dataset, model, config, replace=bool(replace), report=bool(report))
        job = self.page.submit("train", params)
        return Told(f"{job.title}: queued. Close the page if you like; it goes on.")

    def _estimate(
        self, name: str, dataset: str, model: str, replace: bool, report: bool, own_rate: bool, *values: Any
    ) -> list[Any]:
        del name, replace, report
        config = read_config(KNOBS, values, own_rate=bool(own_rate))
        return [runs.estimate_html(self.settings, dataset, config, model)]

    def _preset(self, preset: str, dataset: str | None) -> Told | list[Any]:
        if not preset:
            return []
        if not dataset:
            raise TrainingError(
                "A preset depends on the dataset, and none is chosen.", remedy="Choose a dataset first."
            )
        config = chosen_config(self.settings, dataset, preset, {})
        return Told(
            f"These are the values of {preset}.", [*shown_values(KNOBS, config), config.learning_rate is None]
        )

    def _look(self, job_id: str, curve: runs.Curve, step: str | None) -> list[Any]:
        """The curves and samples of the run that is watched, where there is anything new."""
        folder = self._folder(job_id)
        if folder is None or not folder.is_dir():
            if not curve.folder:
                return []
            return [None, "", runs.Curve(), gr.update(visible=False), gr.skip(), gr.skip()]
        if curve.folder != str(folder):
            curve = runs.Curve(str(folder))
        if not curve.read_on():
            return []
        import pandas

        rows = pandas.DataFrame(runs.plot_rows(curve), columns=["step", "loss", "of"])
        return [rows, runs.losses_html(curve), curve, *self._sample_choices(folder, step)]

    def _sample_choices(self, folder: Path, step: str | None) -> list[Any]:
        """The newest samples are shown as they appear, unless an older step was chosen."""
        previews = runs.samples_of(folder)
        if not previews:
            return [gr.update(visible=False), gr.update(choices=[], value=None), gr.skip()]
        steps = [str(preview.step) for preview in previews]
        follows = step not in steps[:-2] or step is None
        prompts = [(sample.prompt or "no words", sample.file) for sample in previews[-1].samples]
        return [
            gr.update(visible=True), gr.update(choices=steps, value=steps[-1] if follows else step),
            gr.update(choices=prompts, value=prompts[0][1]),
        ]  # fmt: skip

    def _play(self, job_id: str, step: str | None, piece: str | None) -> list[Any]:
        """The sample at the first step and at the chosen one."""
        folder = self._folder(job_id)
        known = {(str(one.step), sample.file): one.folder / sample.file
                 for one in runs.samples_of(folder) for sample in one.samples}  # fmt: skip
        files = [known.get(("0", str(piece))), known.get((str(step), str(piece)))]
        return [self.page.serve(file) if file else None for file in files]

    def _folder(self, job_id: str) -> Path | None:
        if not job_id:
            return None
        return runs.run_folder(self.settings, self.page.store.get(job_id).params["name"])


def run_line(job: Job, seen: Seen) -> str:
    """Where a run is: `Epoch 3/10 | Step 1250 | Loss: 0.234 | 30%`, and what is left."""
    if job.has_ended or not job.note.startswith("Epoch"):
        return status_line(job, seen)
    share = f" | {min(1.0, job.done / job.total):.0%}" if job.total > 0 else ""
    left = f" | {clock_text(job.eta_s)} left" if job.eta_s and job.state == "running" else ""
    return f"{job.params['name']} | {job.note}{share}{left}"
