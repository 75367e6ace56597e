"""Where a released model's files are: a folder, or the cache of the Hugging Face hub. Only `fetch` downloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from angen.errors import ModelError
from angen.files import free_bytes

ROOM_BYTES = 200 * 2**20  # left free on the disk beside a download


@dataclass(frozen=True)
class Release:
    """Published weights.

    Attributes:
        id: Its name at every door.
        repository: On the hub.
        files: What of it is needed.
        licence: SPDX id of the weights.
        size_bytes: What a download takes, roughly; 0 for unknown.
        is_non_commercial: Whether the licence must be accepted before use.
    """

    id: str
    repository: str
    files: tuple[str, ...]
    licence: str
    size_bytes: int
    is_non_commercial: bool = False


DIFFRHYTHM2 = Release(
    "diffrhythm2",
    "ASLP-lab/DiffRhythm2",
    ("model.json", "decoder.json", "decoder.bin", "model.safetensors"),
    "Apache-2.0",
    5_070_000_000,
)
MUQ_MULAN = Release(
    "muq-mulan",
    "OpenMuQ/MuQ-MuLan-large",
    ("config.json",),
    "CC-BY-NC-4.0",
    0,
    is_non_commercial=True,
)
RELEASES = {release.id: release for release in (DIFFRHYTHM2, MUQ_MULAN)}


def cached_folder(release: Release) -> Path | None:
    """The folder of a release in the hub's cache, if all its files are there. Nothing is downloaded."""
    hub = _hub()
    found = [hub.try_to_load_from_cache(release.repository, name) for name in release.files]
    if not all(isinstance(path, str) for path in found):
        return None
    folders = {Path(path).parent for path in found}
    return folders.pop() if len(folders) == 1 else None


def model_folder(release: Release) -> Path:
    """The folder of a release that was fetched before.

    Raises:
        ModelError: If it was not.
    """
    folder = cached_folder(release)
    if folder is None:
        raise ModelError(
            f"The weights of {release.id} are not on this machine "
            f"({release.size_bytes / 1e9:.1f} GB, {release.licence}).",
            remedy=f"Fetch them: angen model fetch {release.id}; or give the path of a folder that holds "
            f"{', '.join(release.files)} as the model.",
        )
    return folder


def fetch(
    release: Release, *, on_file: Callable[[int, int, str], None] = lambda done, total, name: None
) -> Path:
    """Download what is missing of a release into the hub's cache, the small files first.

    An interrupted download goes on where it stopped when this is called again.

    Args:
        release: Which.
        on_file: Told of bytes done and in all, and the file begun.

    Returns:
        Its folder.

    Raises:
        ModelError: If the hub cannot be reached, lacks a file, or the disk is too small.
    """
    hub = _hub()
    try:
        sizes = _sizes(hub, release)
        total, done = sum(sizes.values()), 0
        _expect_disk(hub, release, sizes)
        folder = Path()
        for name in release.files:
            on_file(done, total, name)
            folder = Path(hub.hf_hub_download(release.repository, name)).parent
            done += sizes[name]
        on_file(total, total, "")
    except (OSError, hub.errors.HfHubHTTPError, *_http_errors(), ValueError) as problem:
        if isinstance(problem, OSError) and problem.errno == 28:
            raise
        reason = (str(problem).splitlines() or [type(problem).__name__])[0][:200]
        raise ModelError(
            f"{release.repository} could not be fetched: {reason}.",
            remedy="Check the network (HF_ENDPOINT names another hub), and try again: what has arrived is kept. "
            f"Or copy {', '.join(release.files)} into a folder and give its path as the model.",
        ) from problem
    return folder


def _sizes(hub: Any, release: Release) -> dict[str, int]:
    """Bytes of each file of a release on the hub."""
    info = hub.HfApi().model_info(release.repository, files_metadata=True)
    known = {sibling.rfilename: int(sibling.size or 0) for sibling in info.siblings or []}
    missing = [name for name in release.files if name not in known]
    if missing:
        raise ModelError(
            f"{release.repository} has no {', '.join(missing)}.",
            remedy="The release has changed; give a folder with the files.",
        )
    return {name: known[name] for name in release.files}


def _expect_disk(hub: Any, release: Release, sizes: dict[str, int]) -> None:
    cached: Sequence[Any] = [hub.try_to_load_from_cache(release.repository, name) for name in release.files]
    wanted = sum(
        sizes[name] for name, path in zip(release.files, cached, strict=True) if not isinstance(path, str)
    )
    folder = Path(hub.constants.HF_HUB_CACHE)
    free = free_bytes(folder)
    if wanted and free < wanted + ROOM_BYTES:
        raise ModelError(
            f"{release.id} takes {wanted / 1e9:.1f} GB on the disk of {folder}; {free / 1e9:.1f} GB are free.",
            remedy="Free some space, or set HF_HOME to a folder on a larger disk.",
        )


def _hub() -> Any:
    try:
        import huggingface_hub
        from huggingface_hub import constants, errors  # noqa: F401 - attributes of the module from now on
    except ImportError as problem:
        raise ModelError(
            "Models are fetched with huggingface_hub, which is not installed.",
            remedy="Install it: pip install 'angen[diffrhythm2]'.",
        ) from problem
    return huggingface_hub


def _http_errors() -> list[type[Exception]]:
    """What the hub's client lets through of its HTTP library, which is another in each of its major versions."""
    libraries = [name for name in ("httpx", "httpx2") if find_spec(name)]
    return [import_module(name).HTTPError for name in libraries]
