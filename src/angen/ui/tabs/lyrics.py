"""Lyrics: written, continued, rewritten and given their tags; checked as they are typed; and off to Generate."""

from __future__ import annotations

import re
from typing import Any

import gradio as gr

from angen.errors import LyricsError
from angen.jobs import Job
from angen.lyrics import FORMS, LANGUAGES, Brief, read_lyrics
from angen.ui.choosing import component_of, optional_number, section_buttons, when_ended, whole_number
from angen.ui.context import Page
from angen.ui.listening import files_html, report_place, report_table
from angen.ui.problems import Told, note
from angen.ui.watch import JobWatch, clock_text
from angen.workflows.lyrics import LyricsResult, Writer, check_lyrics, endpoint_from

__all__ = ["build", "check_html", "draft", "read_brief", "submit_words"]

LONGEST = 50_000
_ACTIONS = ("write", "continue", "rewrite", "structure")
_EMPTY = (
    '<p class="empty">Say what the song is about and press Write, or type or paste words on the left: how long they '
    "take to sing, and every line that cannot be sung, stand here.</p>"
)


def build(page: Page) -> None:
    """Make the tab."""
    awaited, former = gr.State(""), gr.State("")
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            text = gr.Textbox(
                label="Lyrics", lines=16, max_lines=40, elem_id="lyrics-text",
                placeholder="[Verse]\nWords of your own, or press Write.",
            )  # fmt: skip
            section_buttons(text, "lyrics-text")
            with gr.Row():
                back = gr.Button("Take the last change back", size="sm", min_width=160)
                send = gr.Button("Send to Generate", size="sm", min_width=160, elem_id="lyrics-send")
            text_problem = note()
            told = report_place(_EMPTY, "What of it can be sung", "lyrics-told")
        with gr.Column(scale=2, min_width=320):
            theme = gr.Textbox(
                "", label="About", lines=2, placeholder="The last ferry home", elem_id="lyrics-theme"
            )
            mood = gr.Textbox("", label="Mood", max_lines=1, placeholder="tender, a little tired")
            language = gr.Dropdown(
                [(name, code) for code, name in LANGUAGES.items()], value="en", label="Language"
            )
            form = gr.Dropdown(
                [(f"{one.name}: {one.about}", one.name) for one in FORMS.values()],
                value="verse-chorus",
                label="Form",
            )
            with gr.Row():
                seconds = gr.Textbox("", label="Seconds (empty: the form's)", max_lines=1, min_width=140)
                tempo = gr.Textbox("", label="Tempo, BPM (empty: the form's)", max_lines=1, min_width=140)
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=90)
            has_model = _has_model()
            model = gr.Checkbox(
                has_model, label="With the language model", interactive=has_model,
                info="" if has_model else "None is set up (ANGEN_LLM_URL); drafts come from Angen's own words.",
            )  # fmt: skip
            write = gr.Button("Write", variant="primary", elem_id="lyrics-write")
            with gr.Row(elem_classes="align-end"):
                more = gr.Number(
                    1, label="Sections to add", precision=0, minimum=1, maximum=20, min_width=120
                )
                continue_ = gr.Button("Continue", min_width=120, elem_id="lyrics-continue")
            with gr.Row(elem_classes="align-end"):
                which = gr.Textbox(
                    "", label="Sections to write anew, as 2, 4 (empty: all)", max_lines=1, min_width=160
                )
                rewrite = gr.Button("Rewrite", min_width=120, elem_id="lyrics-rewrite")
            structure = gr.Button("Set the tags, change no word", elem_id="lyrics-structure")
            problem = note()
            watch = JobWatch(page, ["lyrics"])
    fields = [text, theme, mood, language, form, seconds, tempo, seed, model, more, which]
    for action, button in zip(_ACTIONS, (write, continue_, rewrite, structure), strict=True):
        page.act(
            button.click, lambda *values, action=action: act_on(page, action, *values), fields,
            [text, told, former, awaited], problem=problem,
        )  # fmt: skip
    page.act(back.click, _taken_back, [text, former], [text, former], problem=text_problem)
    page.act(text.blur, check_html, [text, language, form, tempo, seconds], [told], problem=text_problem)
    page.remembers("angen-lyrics", [text])
    _wire_send(page, send, text, text_problem)
    when_ended(page, watch, _arrived, [text, told, former, awaited], [text, awaited])


def _wire_send(page: Page, send: Any, text: Any, problem: Any) -> None:
    target = component_of(page, "generate-lyrics")
    group = getattr(page.tab, "parent", None)
    if target is None or group is None:
        send.visible = False
        return

    def sent(words: str) -> Told:
        if not (words or "").strip():
            raise LyricsError("There are no lyrics yet.", remedy="Write some, or type them.")
        return Told("They are in Generate, under Lyrics.", [words, gr.update(selected="generate")])

    page.act(send.click, sent, [text], [target, group], problem=problem)


def act_on(
    page: Page, action: str, text: str, theme: str, mood: str, language: str, form: str, seconds: Any, tempo: Any,
    seed: Any, model: bool, more: Any, which: str,
) -> Told:  # fmt: skip
    """Write, continue, rewrite or structure: at once by the draft writer, as a job by a language model.

    Raises:
        LyricsError: If a field is not possible, or there is nothing to go on from.
    """
    brief = read_brief(theme, mood, language, form, seconds, tempo, seed)
    words = (text or "")[:LONGEST]
    if action != "write" and not words.strip():
        raise LyricsError("There are no lyrics to go on from.", remedy="Write some, or type them.")
    sections = [whole_number("The number of sections", more)] if action == "continue" else _sections(which)
    if action == "continue" and not 1 <= sections[0] <= 20:
        raise LyricsError(f"{sections[0]} sections cannot be added.", remedy="Write 1 to 20.")
    if model and _has_model():
        job = submit_words(page, action, words, brief, sections)
        return Told("The language model is at it.", [gr.skip(), gr.skip(), gr.skip(), job.id])
    made = draft(action, words, brief, sections)
    return Told(
        _said(made.as_dict()), [made.text, check_html(made.text, language, form, tempo, seconds), words]
    )


def draft(action: str, text: str, brief: Brief, sections: list[int]) -> LyricsResult:
    """One of the four verbs, by the draft writer.

    Raises:
        LyricsError: If it cannot.
    """
    writer = Writer()
    if action == "write":
        return writer.write(brief)
    if action == "structure":
        return writer.structure(text, brief, form=brief.form)
    lyrics = read_lyrics(text).lyrics
    if action == "continue":
        return writer.continue_(lyrics, brief, sections=sections[0])
    return writer.rewrite(lyrics, brief, sections=sections)


def submit_words(page: Page, action: str, text: str, brief: Brief, sections: list[int]) -> Job:
    """Queue a language model's turn."""
    return page.submit(
        "lyrics",
        {
            **brief.as_dict(),
            "action": action,
            "text": "" if action == "write" else text,
            "sections": sections,
        },
    )


def read_brief(theme: str, mood: str, language: str, form: str, seconds: Any, tempo: Any, seed: Any) -> Brief:
    """The fields as a brief.

    Raises:
        LyricsError: If one is out of range.
    """
    return Brief(
        (theme or "").strip(), (mood or "").strip(), language, form,
        optional_number("The length", seconds),
        optional_number("The tempo", tempo), whole_number("The seed", seed),
    )  # fmt: skip


def _sections(which: str) -> list[int]:
    words = [word for word in re.split(r"[\s,;]+", which or "") if word]
    if not all(word.isascii() and word.isdigit() and 0 < int(word) < 1000 for word in words):
        raise LyricsError(
            f"{which!r} are no numbers of sections.", remedy="Write them like 2, 4; the first is 1."
        )
    return [int(word) for word in words]


def check_html(text: str, language: str, form: str, tempo: Any, seconds: Any) -> str:
    """How long each section takes to sing, and every line that is a problem."""
    if not (text or "").strip():
        return _EMPTY
    checked = check_lyrics(
        text[:LONGEST], language=language, form=form, tempo_bpm=optional_number("The tempo", tempo),
        seconds=optional_number("The length", seconds),
    )  # fmt: skip
    rows = [
        (f"{number}. {part.tag}", str(part.lines), str(part.syllables), clock_text(part.usual_s))
        for number, part in enumerate(checked.time.sections, 1)
    ]
    total = ("all", str(sum(part.lines for part in checked.time.sections)), str(checked.time.syllables),
             clock_text(checked.time.usual_s))  # fmt: skip
    table = report_table("Sung", ("Section", "Lines", "Syllables", "Time"), [*rows, total])
    problems = [f"Line {one.line}: {one.reason}: {one.text}" for one in checked.read.problems]
    return table + files_html([*problems, *checked.time.warnings], "problem")


def _said(made: dict[str, Any]) -> str:
    words = [f"By the {made['source']}."] if made.get("source") else []
    if made.get("is_partial"):
        words.append("It was cut off; these are the lines that had arrived.")
    return " ".join([*words, *[str(one) for one in made.get("notes") or []]])


def _arrived(job: Job, text: str, awaited: str) -> list[Any]:
    """A language model has answered: into the text, if this window waits for it or has nothing yet."""
    made = job.result if isinstance(job.result, dict) else {}
    if not made.get("text") or (awaited != job.id and (text or "").strip()):
        return []
    told = check_html(made["text"], job.params["language"], job.params["form"], None, None)
    return [made["text"], told + files_html([_said(made)], "told"), text, ""]


def _taken_back(text: str, former: str) -> Told:
    if not former:
        raise LyricsError(
            "There is nothing to take back.", remedy="Only what a button wrote can be taken back."
        )
    return Told("As it was before; press again for the other.", [former, text])


def _has_model() -> bool:
    return endpoint_from() is not None
