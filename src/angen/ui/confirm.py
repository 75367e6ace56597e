"""A button that asks once more before anything is lost."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

__all__ = ["Confirmed", "confirmed"]


@dataclass(frozen=True)
class Confirmed:
    """The two buttons.

    Attributes:
        ask: The first one; it only asks.
        yes: The second one: `page.act(confirmed.yes.click, ...)`.
    """

    ask: gr.Button
    yes: gr.Button


def confirmed(words: str, yes_words: str) -> Confirmed:
    """A button, and under it, once it was pressed, one that does it and one that does not.

    Args:
        words: On the first button.
        yes_words: On the one that does it: a verb and what is lost, not "Yes".
    """
    with gr.Group():
        ask = gr.Button(words, size="sm")
        with gr.Row(visible=False) as row:
            yes = gr.Button(yes_words, size="sm", variant="stop")
            keep = gr.Button("Keep it", size="sm")
    for button, is_asking in ((ask, True), (keep, False), (yes, False)):
        button.click(
            lambda is_asking=is_asking: gr.update(visible=is_asking), None, row, queue=False, show_progress="hidden",
            api_visibility="private",
        )  # fmt: skip
    return Confirmed(ask, yes)
