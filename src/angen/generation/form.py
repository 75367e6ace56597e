"""The form of a piece: sections in proportion, their borders on bar lines, and where it ends."""

from __future__ import annotations

import re

from angen.errors import GenerationError
from angen.model.form import SECTIONS

DEFAULT_BARS = 8
TAIL_S = 1.2  # left for the last chord to die away
_PART = re.compile(r"\[?\s*([a-z]+)\s*\]?\s*(\d{1,3})?", re.IGNORECASE)


def parse_form(text: str) -> tuple[tuple[str, int], ...]:
    """Read a form such as "intro 4, verse 8, chorus 8, outro 4"; without a number a section has 8 bars.

    Raises:
        GenerationError: Naming the part that is no section.

    Example:
        >>> parse_form("[Intro] 4, verse")
        (('intro', 4), ('verse', 8))
    """
    parts = []
    for part in re.split(r"[,;\n]+", text):
        if not part.strip():
            continue
        found = _PART.fullmatch(part.strip())
        name, bars = (found[1].lower(), int(found[2] or DEFAULT_BARS)) if found else ("", 0)
        if name not in SECTIONS or bars < 1:
            raise GenerationError(
                f"{part.strip()!r} is no section of a form.",
                remedy=f"Write a name out of {', '.join(SECTIONS)} and a number of bars: 'verse 8'.",
            )
        parts.append((name, bars))
    return tuple(parts)


def place_form(
    form: str, ending: bool, seconds: float, tempo_bpm: float | None
) -> tuple[list[tuple[str, float]], float | None]:
    """Where sections begin and where the piece ends.

    Sections share the length in proportion to their bars. With a tempo, borders lie on bar lines of four beats.

    Returns:
        (name, start in seconds) of each section, and the end in seconds, None where none is asked for.
    """
    bar_s = 240.0 / tempo_bpm if tempo_bpm else None
    ends_s = None
    if ending:
        landing_s = _on_bar(max(0.0, seconds - TAIL_S - (bar_s or 1.0) / 2), bar_s, down=True)
        ends_s = min(landing_s + (bar_s or 1.0) / 2, seconds)
    parts = parse_form(form)
    if not parts:
        if ends_s is None:
            return [], None
        outro_s = max(0.0, ends_s - 4.5 * (bar_s or 2.0))
        return ([("verse", 0.0)] if outro_s else []) + [("outro", _on_bar(outro_s, bar_s))], ends_s
    total, played_s = sum(bars for _, bars in parts), ends_s or seconds
    sections, before = [], 0
    for name, bars in parts:
        sections.append((name, _on_bar(played_s * before / total, bar_s)))
        before += bars
    return sections, ends_s


def _on_bar(time_s: float, bar_s: float | None, *, down: bool = False) -> float:
    if bar_s is None:
        return time_s
    bars = time_s / bar_s
    return (int(bars + 1e-6) if down else round(bars)) * bar_s
