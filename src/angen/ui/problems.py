"""Errors and good news as sentences beside the control that caused them.

A handler is a plain function of values. It raises a typed error of `angen.errors`, or gives back its outputs; with
`Told` it also says a sentence. `guarded` makes of it what Gradio calls: outputs, then the sentence. See `Page.act`.
"""

from __future__ import annotations

import html
import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from angen.errors import AngenError

__all__ = ["Told", "guarded", "note", "problem_html", "told_html"]

_LOG = logging.getLogger("angen.ui")


@dataclass(frozen=True)
class Told:
    """Outputs of a handler, with a sentence beside its control.

    Attributes:
        words: The sentence; plain text; "" for none.
        outputs: As the handler would give back without it.
        problems: What did not work all the same: some of several files.
    """

    words: str
    outputs: Sequence[Any] = field(default_factory=tuple)
    problems: Sequence[AngenError] = field(default_factory=tuple)


def note() -> gr.HTML:
    """The place beside a control where its errors and news are said; empty and unseen at first."""
    return gr.HTML("", elem_classes="note")


def problem_html(error: AngenError) -> str:
    """An error with its remedy; everything in it is taken as text, and an upload has its name alone."""
    remedy = f' <span class="remedy">{html.escape(error.remedy)}</span>' if error.remedy else ""
    return f'<p class="problem" role="alert">{html.escape(_without_folders(error.message))}{remedy}</p>'


def _without_folders(words: str) -> str:
    """Words without the folders in which Gradio keeps what was handed in."""
    kept = os.environ.get("GRADIO_TEMP_DIR", "")
    return re.sub(re.escape(kept) + r"/[0-9a-f]+/", "", words) if kept else words


def told_html(words: str) -> str:
    """A sentence that is no error."""
    return f'<p class="told" role="status">{html.escape(words)}</p>' if words else ""


def guarded(handler: Callable[..., Any], outputs: int) -> Callable[..., list[Any]]:
    """A handler whose errors are said instead of raised.

    Args:
        handler: Gives back nothing, one value, or a sequence of `outputs` values, or `Told` with one of them.
        outputs: How many it has; what it does not give is left as it is.

    Returns:
        A function that gives the outputs and, as the last, the sentence.
    """

    def call(*inputs: Any) -> list[Any]:
        words = ""
        try:
            made = handler(*inputs)
        except AngenError as error:
            return [*[gr.skip()] * outputs, problem_html(error)]
        except Exception:  # noqa: BLE001 - whoever clicked has to be told of a fault nobody foresaw, too
            _LOG.exception("A handler of the page failed")
            fault = AngenError(
                "That did not work, for a reason Angen did not foresee.",
                remedy="Nothing you made is lost. Where the server runs, its output says more.",
            )
            return [*[gr.skip()] * outputs, problem_html(fault)]
        if isinstance(made, Told):
            words = told_html(made.words) + "".join(map(problem_html, made.problems))
            made = made.outputs
        values = list(made) if isinstance(made, list | tuple) else [] if made is None else [made]
        if len(values) > outputs:
            raise ValueError(f"{handler} gives {len(values)} values, and there are {outputs} outputs")
        return [*values, *[gr.skip()] * (outputs - len(values)), words]

    return call
