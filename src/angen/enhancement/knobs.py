"""Knobs, checked when a record is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from angen.errors import EnhancementError


def check_range(
    owner: object, given: Mapping[str, object] | None = None, **limits: tuple[float, float]
) -> None:
    """Refuse a knob that is beyond its limits.

    Args:
        owner: The record whose knobs these are, or the name of what is set.
        given: The values, where they are no attributes of `owner`.
        limits: For each knob its least and its greatest value.

    Raises:
        EnhancementError: If a knob is out of range or not a number.
    """
    prefix = f"{type(owner).__name__}." if given is None else ""
    for name, (least, greatest) in limits.items():
        value: Any = getattr(owner, name) if given is None else given[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not (math.isfinite(value) and least <= value <= greatest):
            raise EnhancementError(f"{prefix}{name} is {value!r}.", remedy=f"Use {least:g} to {greatest:g}.")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a word that is none of the choices.

    Raises:
        EnhancementError: If it is none of them.
    """
    if value not in choices:
        raise EnhancementError(f"{name} is {value!r}.", remedy=f"Use one of {', '.join(choices)}.")
