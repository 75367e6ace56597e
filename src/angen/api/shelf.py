"""Files of the workspace by id: uploads, outputs, renders and exports of projects, samples and reports of adapters.

An id is made of the place of a file within the workspace, and found again by looking there. So no path ever comes from
outside: an id that stands for nothing on the shelf stands for nothing.
"""

from __future__ import annotations

import hashlib
import mimetypes
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from angen.api.problems import Refused
from angen.settings import Settings

__all__ = ["UPLOADS", "Asset", "AssetKind", "Shelf"]

UPLOADS = "uploads"
AssetKind = Literal["upload", "output", "project", "adapter"]
_LONGEST_ID = 20


@dataclass(frozen=True)
class Asset:
    """A file on the shelf.

    Attributes:
        id: Its name for the outside.
        path: Where it is.
        place: The same within the workspace.
        kind: Where it comes from.
        size: Its bytes.
        changed_ns: When it was last written.
    """

    id: str
    path: Path
    place: str
    kind: AssetKind
    size: int
    changed_ns: int

    @property
    def media_type(self) -> str:
        """By its suffix; never one that a browser would run as our page."""
        guess = mimetypes.guess_type(self.path.name)[0] or "application/octet-stream"
        return {"audio/x-wav": "audio/wav", "audio/x-flac": "audio/flac"}.get(guess, guess)

    @property
    def etag(self) -> str:
        """Changes when the file does."""
        return f'"{self.changed_ns:x}-{self.size:x}"'


class Shelf:
    """What is on the disk now; only where it was last seen is remembered.

    Args:
        settings: The workspace.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.uploads = settings.home / UPLOADS
        self._places: dict[str, Path] = {}
        self._guard = threading.Lock()

    def list(self, kind: AssetKind | None = None) -> list[Asset]:
        """All files, or those of a kind, the newest first."""
        kinds = get_args(AssetKind) if kind is None else (kind,)
        found = [asset for one in kinds for path in self._files(one) if (asset := self.asset_of(path))]
        return sorted(found, key=lambda asset: (-asset.changed_ns, asset.id))

    def get(self, asset_id: str) -> Asset:
        """A file by its id.

        Raises:
            Refused: 404 if there is none.
        """
        asset = self._seen(asset_id)
        if asset is None:
            with self._guard:
                self._places = {one.id: one.path for one in self.list()}
            asset = self._seen(asset_id)
        if asset is None:
            raise Refused(
                404, "asset-missing", f"There is no asset {asset_id!r}.", remedy="See /api/v1/assets."
            )
        return asset

    def asset_of(self, path: Path) -> Asset | None:
        """The asset that a file is; None if it is not on the shelf."""
        kind = self._kind(path)
        try:
            if kind is None or not path.resolve().is_relative_to(self.settings.home.resolve()):
                return None
            stat = path.stat()
        except OSError:
            return None
        place = path.relative_to(self.settings.home).as_posix()
        identity = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:_LONGEST_ID]
        self._places[identity] = path
        return Asset(identity, path, place, kind, stat.st_size, stat.st_mtime_ns)

    def within(self, value: Any, most: int = 200) -> Iterator[Asset]:
        """The files that a job's result names, those in its folders included.

        Args:
            value: JSON values with paths among them.
            most: How many at most.
        """
        seen: set[str] = set()
        for path in self._paths(value):
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in files:
                asset = self.asset_of(file) if file.is_file() else None
                if asset is not None and asset.id not in seen and len(seen) < most:
                    seen.add(asset.id)
                    yield asset

    def _paths(self, value: Any) -> Iterator[Path]:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for one in value:
                yield from self._paths(one)
        elif isinstance(value, str) and value.startswith(f"{self.settings.home}/") and "\0" not in value:
            yield Path(value)

    def _seen(self, asset_id: str) -> Asset | None:
        path = self._places.get(asset_id)
        return self.asset_of(path) if path is not None and path.is_file() else None

    def _files(self, kind: AssetKind) -> Iterator[Path]:
        roots = {
            "upload": [self.uploads],
            "output": [self.settings.outputs],
            "project": [*self.settings.projects.glob("*/renders"), *self.settings.projects.glob("*/exports")],
            "adapter": [*self.settings.loras.glob("*/samples"), *self.settings.loras.glob("*/report*")],
        }[kind]
        for root in roots:
            yield from (path for path in root.rglob("*") if path.is_file())

    def _kind(self, path: Path) -> AssetKind | None:
        """What a file is by its place: hidden ones, and those of other folders, are not on the shelf."""
        try:
            parts = path.relative_to(self.settings.home).parts
        except ValueError:
            return None
        if ".." in parts or any(part.startswith(".") for part in parts):
            return None
        if parts[0] == UPLOADS and len(parts) == 3:
            return "upload"
        if parts[0] == self.settings.outputs.name:
            return "output"
        if parts[0] == self.settings.projects.name and len(parts) > 3 and parts[2] in ("renders", "exports"):
            return "project"
        loras = self.settings.loras.relative_to(self.settings.home).parts
        if parts[: len(loras)] == loras and len(parts) > len(loras) + 2:
            inside = parts[len(loras) + 1]
            return "adapter" if inside == "samples" or inside.startswith("report") else None
        return None
