"""Files that tools need and that are not ours to ship: soundfonts and weights. Listed, fetched, verified, found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from angen.catalogue.fetching import fetch
from angen.catalogue.pages import refuse_page
from angen.catalogue.records import Asset, assets
from angen.catalogue.retrying import Patience
from angen.catalogue.space import Need, check_space
from angen.catalogue.unpacking import Limits, unpack
from angen.catalogue.verifying import Expected, verify_file
from angen.errors import DatasetError, DownloadError, WrongFileError
from angen.files import content_hash, write_text
from angen.progress import ProgressCallback, no_progress
from angen.settings import Settings

__all__ = ["AssetState", "fetch_asset", "find_soundfonts", "list_assets"]

_MARKER = "asset.json"
_LARGEST_BYTES = 2_000_000_000


class _Fetched(BaseModel):
    """The marker of a fetched asset, written last."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format_version: Literal[1] = 1
    id: str
    file: str
    sha256: str
    is_verified: bool
    url: str
    licence: str
    fetched: AwareDatetime


@dataclass(frozen=True)
class AssetState:
    """An asset and where it is.

    Attributes:
        asset: What it is.
        path: Its file, or None if it is not there.
        origin: "fetched", "found" on this computer, or "missing".
        sha256: Of the file that was fetched.
        is_verified: Whether it was compared with a known hash.
    """

    asset: Asset
    path: Path | None
    origin: Literal["fetched", "found", "missing"]
    sha256: str | None = None
    is_verified: bool = False


def list_assets(settings: Settings) -> list[AssetState]:
    """Every asset that can be fetched, and whether it is there."""
    return [_state(settings, asset) for asset in assets().values()]


def _state(settings: Settings, asset: Asset) -> AssetState:
    if asset.kind == "weights":
        return _state_of_weights(settings, asset)
    folder = settings.assets / asset.id
    try:
        marker = _Fetched.model_validate_json((folder / _MARKER).read_bytes())
    except (OSError, ValidationError):
        marker = None
    if marker is not None and (folder / "content" / marker.file).is_file():
        return AssetState(
            asset, folder / "content" / marker.file, "fetched", marker.sha256, marker.is_verified
        )
    there = next((Path(text) for text in asset.found if Path(text).is_file()), None)
    return AssetState(asset, there, "found" if there else "missing")


def _state_of_weights(settings: Settings, asset: Asset) -> AssetState:
    """musicnn's: its networks are read out of its package once, hash-pinned, and kept as safetensors."""
    from angen.workflows.tagging import has_musicnn, weights_folder

    is_there = has_musicnn(settings)
    path = weights_folder(settings) if is_there else None
    return AssetState(asset, path, "fetched" if is_there else "missing", is_verified=is_there)


def fetch_asset(
    settings: Settings,
    asset: Asset,
    *,
    mirror: str | None = None,
    from_file: Path | None = None,
    patience: Patience | None = None,
    on_progress: ProgressCallback = no_progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> AssetState:
    """Fetch an asset into the workspace, verify it, unpack it; the marker last.

    Where no hash is known, the one that was seen first is kept, and a later file has to have it.

    Args:
        settings: The workspace.
        asset: Which.
        mirror: An address to fetch from in place of the usual one.
        from_file: A file that was fetched by hand; it takes the same path.
        patience: How often and how long to try.
        on_progress: Told of bytes.
        should_stop: Asked between pieces.

    Raises:
        DownloadError: If it cannot be fetched, is another file, or there is no room.
    """
    if asset.kind == "weights":
        return _fetch_weights(settings, asset, mirror, from_file, patience, on_progress, should_stop)
    folder = settings.assets / asset.id
    seen = folder / "first_seen.sha256"
    first_seen = seen.read_text().strip() if seen.is_file() else None
    expected = Expected(size=asset.bytes, sha256=asset.sha256 or first_seen)
    check_space([Need(asset.title, folder, 3 * (asset.bytes or 200_000_000))])
    if from_file is not None:
        archive, url, sha256 = from_file, str(from_file.absolute()), _verify_given(from_file, expected)
    else:
        url = f"{mirror.rstrip('/')}/{asset.filename}" if mirror else asset.url
        target = folder / asset.filename
        fetched = fetch(
            url, target, expected, patience=patience, on_progress=on_progress, should_stop=should_stop
        )
        archive, url, sha256 = fetched.path, fetched.url, fetched.sha256
    if not asset.sha256 and first_seen is None:
        write_text(seen, sha256 + "\n")
    path = _unpacked(asset, archive, folder / "content", on_progress, should_stop)
    inner = content_hash(path)
    if asset.member_sha256 and inner != asset.member_sha256:
        raise WrongFileError(
            f"{path.name!r} has the sha256 {inner}, expected {asset.member_sha256}.", remedy="Fetch it again."
        )
    marker = _Fetched(
        id=asset.id,
        file=path.relative_to(folder / "content").as_posix(),
        sha256=inner,
        is_verified=bool(asset.sha256),
        url=url,
        licence=asset.licence,
        fetched=datetime.now(UTC),
    )
    write_text(folder / _MARKER, marker.model_dump_json(indent=1) + "\n")
    if archive != from_file and asset.archive is not None:
        archive.unlink(missing_ok=True)
    return _state(settings, asset)


def _fetch_weights(
    settings: Settings,
    asset: Asset,
    mirror: str | None,
    from_file: Path | None,
    patience: Patience | None,
    on_progress: ProgressCallback,
    should_stop: Callable[[], bool],
) -> AssetState:
    """Take musicnn's networks out of its package: one given, one of a mirror, or the one that pip finds."""
    from angen.workflows.tagging import fetch_musicnn

    folder = settings.assets / asset.id
    check_space([Need(asset.title, folder, 3 * (asset.bytes or 0))])
    expected = Expected(size=asset.bytes, sha256=asset.sha256)
    if from_file is not None:
        _verify_given(from_file, expected)
    if from_file is None and mirror is not None:
        url = f"{mirror.rstrip('/')}/{asset.filename}"
        target = folder / asset.filename
        fetched = fetch(
            url, target, expected, patience=patience, on_progress=on_progress, should_stop=should_stop
        )
        fetch_musicnn(settings, wheel=fetched.path)
        fetched.path.unlink(missing_ok=True)
    else:
        fetch_musicnn(settings, wheel=from_file)
    return _state(settings, asset)


def _verify_given(path: Path, expected: Expected) -> str:
    refuse_page(path)
    return verify_file(path, expected).sha256


def _unpacked(
    asset: Asset, archive: Path, folder: Path, on_progress: ProgressCallback, should_stop: Callable[[], bool]
) -> Path:
    if asset.archive is None:
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / Path(asset.member).name
        target.unlink(missing_ok=True)
        target.write_bytes(archive.read_bytes())
        return target
    wanted = {asset.member, asset.licence_member}
    unpack(
        archive,
        folder,
        kind=asset.archive,
        wanted=wanted.__contains__,
        limits=Limits(bytes=_LARGEST_BYTES),
        on_progress=on_progress,
        should_stop=should_stop,
    )
    path = folder / asset.member
    if not path.is_file():
        raise DownloadError(f"{archive.name!r} does not hold {asset.member!r}.", remedy="Fetch it again.")
    return path


def find_soundfonts(settings: Settings, named: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Soundfonts to play scores with: those named, or else all that were fetched or found.

    Raises:
        DatasetError: If there is none; says how to get some.
    """
    states = [] if named else list_assets(settings)
    paths = tuple(named) or tuple(
        state.path for state in states if state.asset.kind == "soundfont" and state.path is not None
    )
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        what = (
            f"There is no soundfont {str(missing[0])!r}."
            if missing
            else "There is no soundfont to play with."
        )
        raise DatasetError(what, remedy="Fetch two of permissive licence: angen assets fetch")
    return paths
