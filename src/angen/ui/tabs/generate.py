"""Generate: from words to music, base and adapter side by side, and all that was made before."""

from __future__ import annotations

import html
import random
from dataclasses import dataclass
from typing import Any

import gradio as gr

from angen.adapters import list_adapters
from angen.dataset.store import list_datasets
from angen.errors import GenerationError, MissingFileError
from angen.export import FORMATS
from angen.jobs import Job
from angen.mastering.presets import PRESETS, STYLES
from angen.ui.choosing import (
    bring_recording,
    number_words,
    optional_number,
    required_number,
    section_buttons,
    style_studio,
    when_ended,
    whole_number,
)
from angen.ui.context import Page, player
from angen.ui.history import Piece, find_piece, list_pieces, take_of
from angen.ui.problems import Told, note
from angen.ui.watch import JobWatch
from angen.ui.wishes import Wish, base_choices, submit_wish, wish_of

__all__ = ["Shown", "build", "history_update", "read_wish", "shown", "wish_values"]

SLOTS = 3
PAGE_SIZE = 8
FIRST_PROMPT = "house, 120 bpm, bright and hopeful"
_EMPTY = (
    "Nothing is playing yet. Press Generate: the prompt is a good start, and the first piece takes seconds."
)


@dataclass
class _Form:
    """The components of the form; `inputs` is the order in which `read_wish` takes their values."""

    prompt: Any
    model: Any
    seconds: Any
    adapters: list[Any]
    strengths: list[Any]
    compare: Any
    seed: Any
    lyrics: Any
    tempo: Any
    guidance: Any
    steps: Any
    noise: Any
    form: Any
    ending: Any
    style_file: Any
    style_dataset: Any
    produce: Any
    enhance: Any
    preset: Any
    style: Any
    intensity: Any
    formats: Any

    @property
    def inputs(self) -> list[Any]:
        return [
            self.prompt, self.model, self.seconds, *self.adapters, *self.strengths, self.compare, self.seed,
            self.lyrics,
            self.tempo, self.guidance, self.steps, self.noise, self.form, self.ending, self.style_dataset, self.produce,
            self.enhance, self.preset, self.style, self.intensity, self.formats,
        ]  # fmt: skip

    @property
    def typed(self) -> list[Any]:
        """What the browser keeps: all that does not depend on what is there to choose from."""
        return [self.prompt, self.seconds, self.compare, self.seed, self.lyrics, self.guidance, self.steps, self.noise,
                self.tempo, self.form, self.ending, self.produce, self.enhance, self.preset, self.style, self.intensity,
                self.formats]  # fmt: skip


def build(page: Page) -> None:
    """Make the tab."""
    style_studio(page)
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            form = _form(page)
            go = gr.Button("Generate", variant="primary", elem_id="generate-go")
            problem = note()
            watch = JobWatch(page, ["generate", "produce"], empty="")
        with gr.Column(scale=2, min_width=320):
            told = gr.HTML(f'<p class="empty">{_EMPTY}</p>', label="What is playing", elem_id="generate-told")
            with gr.Row():
                left = player("Listen", visible=False, min_width=280, elem_id="generate-left")
                right = player("With adapter", visible=False, min_width=280, elem_id="generate-right")
            gr.Markdown("### Earlier music")
            earlier = gr.Radio(
                [], label="Earlier music, the newest first", show_label=False, elem_classes="pieces"
            )
            place = gr.State(0)
            with gr.Row():
                newer = gr.Button("Newer", size="sm", min_width=80)
                older = gr.Button("Older", size="sm", min_width=80)
                reuse = gr.Button("Use these settings", size="sm", min_width=160, elem_id="generate-reuse")
            reuse_problem = note()

    def start(*values: Any) -> Told:
        *form_values, style_upload = values
        wish = read_wish(*form_values, style_file=_style_file(page, style_upload))
        jobs = submit_wish(page, wish)
        return Told("Two pieces are on their way, with the same seed." if len(jobs) > 1 else "On its way.")

    heard = [told, left, right]
    page.remembers("angen-generate", form.typed)
    listing = [earlier, place]
    page.act(go.click, start, [*form.inputs, form.style_file], problem=problem)
    page.quietly(
        earlier.input, lambda piece_id: shown(page, find_piece(page.settings, piece_id)), [earlier], heard
    )
    page.quietly(older.click, lambda at: history_update(page, at + 1), [place], listing)
    page.quietly(newer.click, lambda at: history_update(page, at - 1), [place], listing)
    page.act(
        reuse.click, lambda piece_id: _reused(page, piece_id), [earlier], form.inputs, problem=reuse_problem
    )
    page.on_show(lambda at: history_update(page, at), [place], listing)
    page.on_show(lambda *chosen: _choices(page, chosen), [*form.adapters, form.style_dataset, form.model],
                 [*form.adapters, form.style_dataset, form.model])  # fmt: skip
    when_ended(page, watch, lambda job: _ended(page, job), [*heard, *listing])


def _form(page: Page) -> _Form:
    prompt = gr.Textbox(
        FIRST_PROMPT, label="Prompt", lines=2, max_lines=5, elem_id="generate-prompt",
        info="Style, mood, tempo (112 bpm), key (in F major), an adapter's trigger words.",
    )  # fmt: skip
    with gr.Row():
        seconds = gr.Slider(
            1, 600, 30, step=1, label="Length in seconds", min_width=220, elem_id="generate-seconds"
        )
        model = gr.Dropdown(
            [("angen-tiny", "angen-tiny"), ("diffrhythm2", "diffrhythm2")],
            value="angen-tiny",
            label="Model",
            min_width=200,
        )
    adapters, strengths = [], []
    with gr.Row():
        adapters.append(gr.Dropdown([], label="Adapter", min_width=200, elem_id="generate-adapter"))
        strengths.append(gr.Slider(-2, 2, 1, step=0.05, label="Strength, 1 is as trained", min_width=220))
    with gr.Accordion("Mix in more adapters", open=False):
        for number in range(2, SLOTS + 1):
            with gr.Row():
                adapters.append(gr.Dropdown([], label=f"Adapter {number}", min_width=200))
                strengths.append(gr.Slider(-2, 2, 1, step=0.05, label=f"Strength {number}", min_width=220))
    with gr.Row(elem_classes="align-end"):
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=120, elem_id="generate-seed")
        dice = gr.Button("New seed", size="sm", min_width=100)
        compare = gr.Checkbox(
            False, label="Also without adapter, to compare", min_width=220, elem_id="generate-compare"
        )
    page.quietly(dice.click, lambda: random.SystemRandom().randrange(1_000_000), [], [seed, gr.State()])
    with gr.Accordion("Lyrics", open=True):
        lyrics = gr.Textbox(
            label="Lyrics to sing", lines=4, max_lines=24, elem_id="generate-lyrics",
            placeholder="[Verse]\nThe first line\n[Chorus]\nThe line all will sing", info="Only diffrhythm2 sings.",
        )  # fmt: skip
        section_buttons(lyrics, "generate-lyrics")
    with gr.Accordion("Tempo, form, style, sampler", open=False):
        with gr.Row():
            tempo = gr.Textbox(
                "",
                label="Tempo in BPM (empty: the prompt's, else the adapter's)",
                elem_id="generate-tempo",
                max_lines=1,
                min_width=200,
            )
            guidance = gr.Textbox(
                "",
                label="Guidance, 0 to 20 (empty: the adapter's)",
                elem_id="generate-guidance",
                max_lines=1,
                min_width=200,
            )
        with gr.Row():
            steps = gr.Slider(
                1, 200, 16, step=1, label="Sampling steps", elem_id="generate-steps", min_width=200
            )
            noise = gr.Textbox(
                "",
                label="Starting noise, 0.1 to 3 (empty: the adapter's)",
                elem_id="generate-noise",
                max_lines=1,
                min_width=200,
            )
        with gr.Row():
            form = gr.Textbox(
                "",
                label="Form",
                elem_id="generate-form",
                placeholder="intro 4, verse 8, chorus 8, outro 4",
                min_width=240,
            )
            ending = gr.Checkbox(
                False, label="Let it come to an end", elem_id="generate-ending", min_width=160
            )
        style_dataset = gr.Dropdown([], label="Style of a dataset (diffrhythm2)")
        style_file = gr.File(label="Style of a recording (diffrhythm2)", file_types=["audio"], height=110)
    with gr.Accordion("Finish it: enhance, master, export", open=False):
        produce = gr.Checkbox(False, label="Finish every piece", elem_id="generate-produce")
        with gr.Row():
            preset = gr.Dropdown(
                [(f"{one.name}: {one.about}", one.name) for one in PRESETS.values() if not one.needs_reference],
                value="streaming", label="Master for", elem_id="generate-preset", min_width=240,
            )  # fmt: skip
            style = gr.Dropdown(
                list(STYLES), value="balanced", label="Sound", elem_id="generate-style", min_width=140
            )
        with gr.Row():
            intensity = gr.Slider(
                0, 1, 0.5, step=0.05, label="Mastering intensity", elem_id="generate-intensity", min_width=200
            )
            enhance = gr.Slider(
                0,
                1,
                0.5,
                step=0.05,
                label="Enhancement (0 is none)",
                elem_id="generate-enhance",
                min_width=200,
            )
        formats = gr.CheckboxGroup(
            list(FORMATS), value=["wav24"], label="Formats", elem_id="generate-formats"
        )
    return _Form(
        prompt, model, seconds, adapters, strengths, compare, seed, lyrics, tempo, guidance, steps, noise, form, ending,
        style_file, style_dataset, produce, enhance, preset, style, intensity, formats,
    )  # fmt: skip


def read_wish(*values: Any, style_file: str | None = None) -> Wish:
    """The form as a wish, every field there and of its type; ranges are checked where the job is queued.

    Raises:
        GenerationError: Naming the field.
    """
    prompt, model, seconds, *rest = values
    adapters, strengths, rest = rest[:SLOTS], rest[SLOTS : 2 * SLOTS], rest[2 * SLOTS :]
    (compare, seed, lyrics, tempo, guidance, steps, noise, form, ending, dataset, produce, enhance, preset, style,
     intensity, formats) = rest  # fmt: skip
    if not str(prompt or "").strip():
        raise GenerationError("The prompt is empty.", remedy="Say in a few words what it should be.")
    used = [
        (str(name), required_number(f"The strength of {name}", strength))
        for name, strength in zip(adapters, strengths, strict=True)
        if name
    ]
    if produce and not formats:
        raise GenerationError("No format is chosen.", remedy="Choose one under “Finish it”.")
    return Wish(
        prompt=str(prompt), lyrics=str(lyrics or ""), model=str(model), adapters=tuple(used),
        seconds=required_number("The length", seconds), seed=whole_number("The seed", seed),
        tempo_bpm=optional_number("The tempo", tempo), guidance=optional_number("The guidance", guidance),
        steps=whole_number("The number of steps", steps), noise_scale=optional_number("The starting noise", noise),
        form=str(form or ""), ending=bool(ending), style_file=style_file, style_dataset=dataset or None,
        compare=bool(compare), produce=bool(produce), enhance=required_number("The enhancement", enhance),
        preset=str(preset), style=str(style), intensity=required_number("The intensity", intensity),
        formats=tuple(formats or ()),
    )  # fmt: skip


def wish_values(wish: Wish) -> list[Any]:
    """Values of the form's components, in the order of `read_wish`."""
    slots = [*wish.adapters[:SLOTS], *[("", 1.0)] * (SLOTS - len(wish.adapters))]
    return [
        wish.prompt, wish.model, wish.seconds, *[name for name, _ in slots],
        *[strength for _, strength in slots], wish.compare, wish.seed, wish.lyrics, number_words(wish.tempo_bpm),
        number_words(wish.guidance), wish.steps, number_words(wish.noise_scale), wish.form, wish.ending,
        wish.style_dataset or "", wish.produce, wish.enhance,
        wish.preset, wish.style, wish.intensity, list(wish.formats),
    ]  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """What is to be heard: one piece, or the two sides of a comparison.

    Attributes:
        pieces: One or two, the base first.
        labels: What is written on their players.
    """

    pieces: tuple[Piece, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, page: Page, piece: Piece) -> Shown:
        """A piece with the other side of its comparison, where that is there."""
        take = take_of(piece.path)
        if take is None:
            return cls((piece,), (_who(piece),))
        others = list_pieces(page.settings, ("generated",), limit=1000)
        sides = {found[1]: one for one in others if (found := take_of(one.path)) and found[0] == take[0]}
        pair = tuple(sides[side] for side in ("base", "adapter") if side in sides) or (piece,)
        return cls(pair, tuple(_who(one) for one in pair))


def shown(page: Page, piece: Piece) -> list[Any]:
    """Updates of the words and the two players."""
    found = Shown.of(page, piece)
    players = [
        gr.update(value=page.serve(one.finished), label=label, visible=True)
        for one, label in zip(found.pieces, found.labels, strict=True)
    ]
    return [_words(found), *players, *[gr.update(value=None, visible=False)] * (2 - len(players))]


def _who(piece: Piece) -> str:
    return "Base model" if piece.who == "base" else f"With {piece.who}"


def _words(found: Shown) -> str:
    piece = found.pieces[-1]
    request, facts = piece.request, []
    for name, words in (
        ("seed", "seed"),
        ("tempo_bpm", "tempo"),
        ("guidance", "guidance"),
        ("steps", "steps"),
    ):
        if request.get(name) is not None:
            facts.append(f"{words} {request[name]:g}" if isinstance(request[name], int | float) else "")
    conditions = piece.record.get("conditions")
    notes = conditions.get("notes") if isinstance(conditions, dict) else None
    finished = " Mastered." if piece.finished != piece.path else ""
    lead = "Same seed, without and with the adapter. " if len(found.pieces) == 2 else ""
    more = "".join(f'<p class="empty">{html.escape(str(one))}</p>' for one in notes or [])
    said = html.escape(", ".join(facts)[:1].upper() + ", ".join(facts)[1:])
    return f"<p><strong>{html.escape(piece.name)}</strong><br>{lead}{said}.{finished}</p>{more}"


def history_update(page: Page, at: int, chosen: str | None = None) -> list[Any]:
    """A page of the list of generated music, counted from 0, and the page that it became."""
    pieces = list_pieces(page.settings, ("generated",), limit=1000)
    last = max(0, (len(pieces) - 1) // PAGE_SIZE)
    at = min(max(0, int(at or 0)), last)
    part = pieces[at * PAGE_SIZE : (at + 1) * PAGE_SIZE]
    choices = [(piece.line, piece.id) for piece in part]
    update: dict[str, Any] = {"choices": choices} | ({"value": chosen} if chosen else {})
    return [gr.update(**update), at]


def _ended(page: Page, job: Job) -> list[Any]:
    """A job has ended: its piece is shown and stands first in the list."""
    path = _made(job)
    found = [piece for piece in list_pieces(page.settings, ("generated",)) if str(piece.path) == path]
    if not found:
        return [*[gr.skip()] * 3, *history_update(page, 0)]
    return [*shown(page, found[0]), *history_update(page, 0, found[0].id)]


def _made(job: Job) -> str:
    """The sound file a job of this tab has made; "" for none."""
    result = job.result if isinstance(job.result, dict) else {}
    folder = result.get("folder")
    return f"{folder}/01-generated.wav" if folder else str(result.get("path", ""))


def _reused(page: Page, piece_id: str | None) -> Told:
    if not piece_id:
        raise MissingFileError(
            "Earlier music", "nothing is chosen.", remedy="Choose a piece of the list first."
        )
    wish = wish_of(find_piece(page.settings, piece_id))
    known = {info.name for info in list_adapters(page.settings.loras)}
    gone = [name for name, _ in wish.adapters if name not in known]
    values = wish_values(wish)
    for slot in range(SLOTS):
        if values[3 + slot] in gone:
            values[3 + slot] = ""
    words = "The settings are in the form."
    return Told(words + (f" {', '.join(gone)} is not here any more." if gone else ""), values)


def _choices(page: Page, chosen: tuple[Any, ...]) -> list[Any]:
    """What can be chosen now: adapters for each slot, datasets, models."""
    adapters = [("none", "")] + [
        (f"{info.name} ({info.base})", info.name) for info in list_adapters(page.settings.loras)
    ]
    known = {name for _, name in adapters}
    slots = [gr.update(choices=adapters, value=name if name in known else "") for name in chosen[:SLOTS]]
    names = [("none", "")] + [(one.name, one.name) for one in list_datasets(page.settings.training_data)]
    dataset = chosen[SLOTS] if chosen[SLOTS] in {name for _, name in names} else ""
    return [*slots, gr.update(choices=names, value=dataset), gr.update(choices=base_choices(page.settings))]


def _style_file(page: Page, upload: str | None) -> str | None:
    return str(bring_recording(page, upload).path) if upload else None
