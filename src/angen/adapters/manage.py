"""Renaming, duplicating and deleting adapters: each happens whole or not at all, and never to one in use."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from angen.adapters.catalogue import (
    METADATA,
    AdapterInfo,
    adapter_folder,
    existing_folder,
    free_folder,
    read_info,
    write_info,
)
from angen.adapters.use import IN_USE, held, lock_kind
from angen.errors import AdapterError
from angen.files import remove_folder, remove_left_overs, whole_folder

_HIDDEN = re.compile(r"\.(?P<name>.+)\.(?:\d+[.-][0-9a-f]{8}\.(?:part|old)|former)")


@contextmanager
def new_adapter(root: Path, name: str, purpose: str) -> Iterator[Path]:
    """A hidden folder that becomes the adapter `name` once the block ends well; its metadata is written in it.

    Raises:
        AdapterError: If the name is taken or impossible.
    """
    free_folder(root, name)
    with held(root, name, purpose, alone=True):
        target = free_folder(root, name)
        with whole_folder(target) as temporary:
            yield temporary


def rename_adapter(root: Path, name: str, new_name: str) -> AdapterInfo:
    """Give an adapter another name.

    Raises:
        AdapterError: If there is none, it is in use, or the new name is taken or impossible.
    """
    folder = existing_folder(root, name)
    target = free_folder(root, new_name)
    with held(root, name, "renaming", alone=True), held(root, new_name, "renaming", alone=True):
        info = read_info(folder)
        free_folder(root, new_name)
        folder.rename(target)  # from here on it is renamed: `read_info` takes the name of the folder
        info = info.model_copy(update={"name": new_name})
        write_info(target, info)
    return info


def duplicate_adapter(root: Path, name: str, new_name: str) -> AdapterInfo:
    """Copy an adapter under another name, all but its checkpoints.

    Raises:
        AdapterError: If there is none, or the new name is taken or impossible.
    """
    folder = existing_folder(root, name)
    adapter_folder(root, new_name)
    with held(root, name, "duplicating"), new_adapter(root, new_name, "duplicating") as copy:
        info = read_info(folder).model_copy(update={"name": new_name})
        for path in sorted(folder.iterdir()):
            if path.name in (METADATA, "checkpoints") or path.name.startswith("."):
                continue
            if path.is_dir():
                shutil.copytree(path, copy / path.name, ignore=shutil.ignore_patterns(".*"))
            else:
                shutil.copyfile(path, copy / path.name)
        write_info(copy, info)
    return info


def delete_adapter(root: Path, name: str) -> None:
    """Remove an adapter and everything of its run; of a link, only the link.

    Raises:
        AdapterError: If there is none of this name, or it is in use.
    """
    folder = existing_folder(root, name)
    with held(root, name, "deleting", alone=True):
        if folder.is_symlink():
            folder.unlink()
            return
        remove_folder(folder)  # hidden first: half a deletion is no adapter


def clean_up(root: Path) -> list[str]:
    """Remove what killed operations left behind, hidden folders and files; nothing that is still being made.

    Returns:
        What was removed, relative to `root`.
    """
    gone: list[str] = []
    if not root.is_dir():
        return gone
    hidden = {path: found["name"] for path in root.iterdir() if (found := _HIDDEN.fullmatch(path.name))}
    with suppress(AdapterError), ExitStack() as use:  # one of them in use: all wait for the next time
        for name in set(hidden.values()):
            use.enter_context(held(root, name, "cleaning up", alone=True))
        gone += remove_left_overs(root)
        for path in hidden:
            if path.name.endswith(".former") and path.is_dir():
                shutil.rmtree(path)
                gone.append(path.name)
    for folder in [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]:
        with suppress(AdapterError), held(root, folder.name, "cleaning up", alone=True):
            for inside in (folder, folder / "checkpoints"):
                gone += [f"{inside.relative_to(root)}/{name}" for name in remove_left_overs(inside)]
    for file in (root / IN_USE).glob("*"):  # of processes that were killed; whoever takes it last removes it
        name, _, kind = file.name.rpartition(".")
        with suppress(AdapterError), held(root, name, "cleaning up", alone=True, lock=lock_kind(kind)):
            pass
    return sorted(gone)
