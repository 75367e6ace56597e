"""Where Angen keeps what the user makes: one workspace folder, read from the environment once, at the door.

$ANGEN_HOME (default ./angen_workspace)
    recordings/      recordings that were handed in, a folder for each set
    training_data/   datasets
    models/loras/    trained adapters
    outputs/         generated music
    projects/        arrangements on the timeline
    collections/     collections of the catalogue, as they were downloaded
    assets/          soundfonts and other files that tools need
    cache/           whatever can be made again

Each is a folder a person can look into.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from angen.errors import SettingsError

HOME_VARIABLE = "ANGEN_HOME"
DEFAULT_HOME = "angen_workspace"


@dataclass(frozen=True)
class Settings:
    """The workspace. Its folders are named here and made by whoever first writes into them.

    Attributes:
        home: The workspace folder, absolute.
    """

    home: Path

    @property
    def recordings(self) -> Path:
        """One folder per set of recordings that were handed in."""
        return self.home / "recordings"

    @property
    def training_data(self) -> Path:
        """One folder per dataset."""
        return self.home / "training_data"

    @property
    def loras(self) -> Path:
        """One folder per trained adapter."""
        return self.home / "models" / "loras"

    @property
    def outputs(self) -> Path:
        """Generated music."""
        return self.home / "outputs"

    @property
    def projects(self) -> Path:
        """One folder per project of the timeline."""
        return self.home / "projects"

    @property
    def collections(self) -> Path:
        """One folder per downloaded collection of the catalogue."""
        return self.home / "collections"

    @property
    def assets(self) -> Path:
        """One folder per fetched asset."""
        return self.home / "assets"

    @property
    def cache(self) -> Path:
        """What can be made again."""
        return self.home / "cache"


def load_settings(home: Path | None = None) -> Settings:
    """Read the settings, and make sure the workspace can be used. Nothing is created.

    Args:
        home: The workspace folder; without it `ANGEN_HOME`, without that `./angen_workspace`.

    Raises:
        SettingsError: If the workspace, or a folder of it, is a file, or cannot be written to.
    """
    chosen = Path(home or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)
    try:
        settings = Settings(chosen.expanduser().absolute())
    except RuntimeError as error:  # "~nobody"
        raise SettingsError(f"The workspace {str(chosen)!r}: {error}", remedy=_remedy()) from error
    for folder in (
        settings.home,
        settings.training_data,
        settings.loras,
        settings.outputs,
        settings.projects,
        settings.collections,
        settings.assets,
        settings.cache,
    ):
        _check_folder(folder)
    return settings


def _check_folder(folder: Path) -> None:
    """A folder is usable when it, or the nearest parent that exists, is a folder we may write to."""
    nearest = folder
    try:
        while not _is_there(nearest):
            nearest = nearest.parent
        is_folder = nearest.is_dir()
    except (OSError, ValueError) as error:  # a name too long, a null byte, a parent we may not look into
        raise SettingsError(f"The workspace folder {str(folder)!r}: {error}", remedy=_remedy()) from error
    if not is_folder:
        raise SettingsError(
            f"The workspace needs a folder at {str(folder)!r}, but {str(nearest)!r} is not a folder.",
            remedy=_remedy(),
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise SettingsError(
            f"The workspace needs to write to {str(folder)!r}, but {str(nearest)!r} cannot be written to.",
            remedy=_remedy(),
        )


def _is_there(path: Path) -> bool:
    """Whether there is anything, even a broken link. Unlike `Path.exists` it hides no other trouble."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _remedy() -> str:
    return f"Set {HOME_VARIABLE} to a folder you can write to, for instance ~/{DEFAULT_HOME}."
