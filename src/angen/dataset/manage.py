"""Datasets made, renamed and deleted: whole or not at all, and never under the hands of one who uses them."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from angen.dataset.store import CLIPS, dataset_folder, new_name, read_info, refuse_taken_name, write_info
from angen.dataset.use import held_dataset
from angen.errors import DatasetError
from angen.files import is_running

_UNFINISHED = ".unfinished-"
_PREPARING = ".preparing-"


@contextmanager
def new_dataset(root: Path, name: str, *, replace: bool = False) -> Iterator[Path]:
    """A hidden folder to write a dataset into, which becomes `root/name` when the block ends well.

    The block ends with `write_dataset`. If it fails, or the machine stops, nothing of it is ever listed and a
    dataset of the same name stays as it was.

    Args:
        root: The folder of all datasets.
        name: As `new_name` gives it.
        replace: Whether to take the place of a dataset of that name.

    Raises:
        DatasetError: If the name is taken, or the disk refuses.
    """
    refuse_taken_name(root, name, replace=replace)
    folder = root / f"{_UNFINISHED}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        _remove_leftovers(root)
        (folder / CLIPS).mkdir(parents=True)
        yield folder
        with held_dataset(root, name, "replacing", alone=True):
            refuse_taken_name(root, name, replace=replace)  # another process may have been faster
            _put_in_place(folder, root / name)
    except OSError as error:
        raise DatasetError(
            f"The dataset {name!r} cannot be written: {error}",
            remedy="Check the space on that disk and who owns the workspace.",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def resumed_dataset(root: Path, name: str, *, replace: bool = False) -> Iterator[Path]:
    """As `new_dataset`, but what a preparation of that name left before is there, and stays if the block fails.

    Raises:
        DatasetError: If the name is taken, someone else prepares it or uses the one to be replaced, or the disk
            refuses.
    """
    refuse_taken_name(root, name, replace=replace)
    folder = root / f"{_PREPARING}{name}"
    with held_dataset(root, name, "preparing", alone=True, lock="prepare"):
        with held_dataset(root, name, "replacing", alone=True):
            pass  # refuse before the work, not after it
        try:
            _remove_leftovers(root)
            (folder / CLIPS).mkdir(parents=True, exist_ok=True)
            yield folder
            with held_dataset(root, name, "replacing", alone=True):
                refuse_taken_name(root, name, replace=replace)
                _put_in_place(folder, root / name)
        except OSError as error:
            raise DatasetError(
                f"The dataset {name!r} cannot be written: {error}",
                remedy="Check the space on that disk and who owns the workspace; then prepare it again to go on.",
            ) from error
        finally:
            with suppress(OSError):  # of a preparation that came to nothing
                (folder / CLIPS).rmdir()
                folder.rmdir()


def delete_dataset(root: Path, name: str) -> Path:
    """Delete a dataset for good, clips and all; of a link, only the link.

    Returns:
        The folder that was deleted.
    """
    folder = dataset_folder(root, name)
    try:
        with held_dataset(root, folder.name, "deleting", alone=True):
            _remove(folder)
    except OSError as error:
        raise DatasetError(
            f"The dataset {name!r} cannot be deleted: {error}", remedy="Check who owns its folder."
        ) from error
    return folder


def rename_dataset(root: Path, name: str, new: str) -> Path:
    """Call a dataset by another name. Adapters trained on it keep the name it had.

    Args:
        root: The folder of all datasets.
        name: Of a dataset that is there.
        new: What to call it; made safe for a file name.

    Returns:
        Its folder.

    Raises:
        DatasetError: If there is none, the new name is taken or impossible, or somebody uses it.
    """
    folder, safe = dataset_folder(root, name), new_name(new)
    info = read_info(folder)
    with (
        held_dataset(root, folder.name, "renaming", alone=True),
        held_dataset(root, safe, "renaming", alone=True),
    ):
        refuse_taken_name(root, safe)
        try:
            folder.rename(root / safe)
            write_info(root / safe, info.model_copy(update={"name": safe}))
        except OSError as error:
            raise DatasetError(
                f"The dataset {name!r} cannot be renamed: {error}", remedy="Check who owns its folder."
            ) from error
    return root / safe


def unfinished_preparations(root: Path) -> list[str]:
    """Names of datasets whose preparation was broken off; preparing one again goes on from there."""
    return sorted(path.name.removeprefix(_PREPARING) for path in root.glob(f"{_PREPARING}*"))


def drop_unfinished(root: Path, name: str) -> None:
    """Remove what a preparation that was broken off has left.

    Raises:
        DatasetError: If it is at work.
    """
    with held_dataset(root, name, "deleting", alone=True, lock="prepare"):
        folder = root / f"{_PREPARING}{name}"
        if folder.is_dir():
            _remove(folder)


def _put_in_place(folder: Path, target: Path) -> None:
    """Rename a complete dataset to its place; the one it replaces goes only once it is there."""
    if not os.path.lexists(target):
        folder.rename(target)
        return
    old = target.with_name(f"{folder.name}-old")
    target.rename(old)
    try:
        folder.rename(target)
    except OSError:
        old.rename(target)
        raise
    _remove(old)


def _remove(folder: Path) -> None:
    """Remove a folder under another name first, so that what is half removed is not listed."""
    if folder.is_symlink():
        folder.unlink()
        return
    doomed = folder.with_name(f"{_UNFINISHED}{os.getpid()}-{secrets.token_hex(4)}")
    folder.rename(doomed)
    shutil.rmtree(doomed)


def _remove_leftovers(root: Path) -> None:
    """Remove what a process that is gone left unfinished."""
    for path in root.glob(f"{_UNFINISHED}*"):
        process = path.name.removeprefix(_UNFINISHED).split("-")[0]
        if process.isdecimal() and not is_running(int(process)):
            shutil.rmtree(path, ignore_errors=True)
