"""Whole prompts, thought up one by one, of people who want a style and seldom say its name.

`wordings/STYLE.txt` holds them, one a line. Templates make many captions out of few phrases; these make a reader
of prompts who knows more of the world than the templates do. The free-form prompts of `prompts.py`, by which the
model is judged, were written apart from them and are not among them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("wordings")


@cache
def wordings(style: str) -> tuple[str, ...]:
    """The prompts of a style; none for one that is held out.

    Example:
        >>> len(wordings("house")) > 100
        True
    """
    file = _FOLDER / f"{style.replace(' ', '_').replace('-', '_')}.txt"
    if not file.exists():
        return ()
    return tuple(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
