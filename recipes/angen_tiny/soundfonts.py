"""Where the soundfonts are: two of MIT licence, packaged by Debian."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Debian package -> where it puts its soundfont.
DEBIAN_SOUNDFONTS = {
    "fluid-soundfont-gm": Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    "musescore-general-soundfont-small": Path("/usr/share/sounds/sf3/MuseScore_General_Lite.sf3"),
}
VARIABLE = "ANGEN_SOUNDFONTS"


def find_soundfonts(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """The soundfonts to render with.

    Args:
        environment: `ANGEN_SOUNDFONTS` may hold paths, separated as in `PATH`, instead of Debian's.

    Returns:
        Existing files, always in the same order.

    Raises:
        FileNotFoundError: If one is missing; the message names the Debian packages.
    """
    named = environment.get(VARIABLE, "")
    paths = [Path(text) for text in named.split(os.pathsep) if text] or list(DEBIAN_SOUNDFONTS.values())
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"soundfont not found: {', '.join(map(str, missing))}. Install the Debian packages "
            f"{' and '.join(DEBIAN_SOUNDFONTS)}, or set {VARIABLE} to soundfont files."
        )
    return tuple(paths)
