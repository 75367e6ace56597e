"""What a licence asks of those who use the music: two questions machines should not have to guess at."""

from __future__ import annotations

import re


def licence_flags(licence: str) -> tuple[bool, bool]:
    """Whether a licence forbids commercial use, and whether it binds what is made of it.

    Read from names and SPDX identifiers ("CC-BY-NC-SA-4.0", "Attribution-NonCommercial"). An unknown licence
    answers no twice: that is no permission.

    Example:
        >>> licence_flags("CC-BY-NC-SA-4.0"), licence_flags("CC BY-SA 3.0"), licence_flags("CC0-1.0")
        ((True, True), (False, True), (False, False))
    """
    text = licence.lower()
    words = set(re.split(r"[^a-z]+", text))
    joined = re.sub(r"[^a-z]+", "", text)
    return "nc" in words or "noncommercial" in joined, "sa" in words or "sharealike" in joined
