"""What was made in a workspace, read from the files themselves: the newest first, each with how it was made.

Nothing is remembered between two looks, so a restart, a second window or a file that was deleted by hand changes
nothing. A page names a piece by its id only; an id that is not in the listing opens nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import soundfile

from angen.audio import AUDIO_SUFFIXES
from angen.errors import MissingFileError
from angen.settings import Settings
from angen.workflows.production import PRODUCTION

__all__ = ["KIND_WORDS", "Piece", "PieceKind", "find_piece", "find_pieces", "list_pieces", "take_of"]

PieceKind = Literal[
    "generated", "mastered", "enhanced", "upscaled", "stem", "exported", "mix", "recording", "sound"
]
KIND_WORDS: dict[PieceKind, str] = {
    "generated": "generated",
    "mastered": "master",
    "enhanced": "enhanced",
    "upscaled": "upscaled",
    "stem": "stem",
    "exported": "export",
    "mix": "timeline mix",
    "recording": "recording",
    "sound": "sound",
}
MOST = 200
LARGEST_RECORD_BYTES = 4_000_000
_TAKE = re.compile(r"(?:.*-)?take-([0-9a-f]{8})-(base|adapter)")


@dataclass(frozen=True)
class Piece:
    """A sound file of the workspace.

    Attributes:
        id: What a page calls it: made of its place in the workspace.
        path: Where it is. Never shown.
        kind: What it is.
        changed: When it was written, seconds since 1970.
        seconds: Its length; 0 where its header cannot be read.
        record: The JSON beside it; empty for none.
    """

    id: str
    path: Path
    kind: PieceKind
    changed: float
    seconds: float
    record: dict[str, Any]

    @property
    def request(self) -> dict[str, Any]:
        """What was asked of the model; empty where no model made it."""
        found = self.record.get("request") or self.record.get("generation")
        return found if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """What to call it: the prompt, else the file's name; a stem's after its song's."""
        if self.kind == "stem":
            return f"{self.path.parent.name[:40]}, {self.path.stem}"
        prompt, source = self.request.get("prompt"), self.record.get("source")
        said = prompt if isinstance(prompt, str) else Path(source).stem if isinstance(source, str) else ""
        return " ".join((said or self.path.stem.replace("_", " ")).split())[:60]

    @property
    def short(self) -> str:
        """A name for a clip or a track: what is different about it first."""
        lead = f"{self.who}: " if self.kind == "generated" and self.who != "base" else ""
        return (
            "".join(letter if letter.isprintable() else " " for letter in f"{lead}{self.name}")[:40].strip()
            or "music"
        )

    @property
    def adapters(self) -> list[tuple[str, float]]:
        """The adapters that acted, with their strengths."""
        found = self.record.get("adapters")
        listed = found if isinstance(found, list) else []
        return [
            (str(one["name"]), float(one.get("strength") or 0))
            for one in listed
            if isinstance(one, dict) and one.get("name") and isinstance(one.get("strength", 1), int | float)
        ]

    @property
    def who(self) -> str:
        """The adapters that acted and how strongly; "base" for none."""
        return " + ".join(f"{name} {strength:g}" for name, strength in self.adapters if strength) or "base"

    @property
    def line(self) -> str:
        """One line among generated pieces."""
        seed = self.request.get("seed")
        said = [
            self.name,
            self.who,
            *([] if seed is None else [f"seed {seed}"]),
            clock(self.seconds),
            self._when,
        ]
        return ", ".join(said)

    @property
    def label(self) -> str:
        """One line that tells it from all others, what it is first: a narrow list shows the beginning."""
        who = [self.who] if self.kind == "generated" else []
        return f"{KIND_WORDS[self.kind].capitalize()}: {', '.join([self.name, *who, clock(self.seconds), self._when])}"

    @property
    def _when(self) -> str:
        return f"{datetime.fromtimestamp(self.changed):%d %b %H:%M:%S}"

    @property
    def finished(self) -> Path:
        """What to play: the master, where the piece is the first stage of a production that has one."""
        master = self.path.parent / "03-mastered.wav"
        return master if self.path.name == "01-generated.wav" and master.is_file() else self.path


def clock(seconds: float) -> str:
    """Minutes and seconds.

    Example:
        >>> clock(62.4), clock(9.99)
        ('1:02', '0:10')
    """
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def list_pieces(settings: Settings, kinds: Sequence[PieceKind] = (), *, limit: int = MOST) -> list[Piece]:
    """The pieces of a workspace, the newest first.

    Args:
        settings: The workspace.
        kinds: Only these; none for all.
        limit: So many at most.
    """
    found = sorted(_sounds(settings), key=lambda entry: (-entry[1], entry[0]))
    pieces = []
    for path, changed in found:
        piece = _piece(settings, path, changed)
        if piece is not None and (not kinds or piece.kind in kinds):
            pieces.append(piece)
            if len(pieces) == limit:
                break
    return pieces


def find_piece(settings: Settings, piece_id: str | None) -> Piece:
    """A piece by its id.

    Raises:
        MissingFileError: If there is none: it was deleted, or never there.
    """
    for path, changed in _sounds(settings):
        if _id(settings, path) == piece_id:
            piece = _piece(settings, path, changed)
            if piece is not None:
                return piece
    raise MissingFileError(
        piece_id or "nothing", "there is no such piece in this workspace.", remedy="Choose one from the list."
    )


def find_pieces(settings: Settings, piece_ids: Collection[str]) -> list[Piece]:
    """Pieces by their ids, in the order given.

    Raises:
        MissingFileError: If one is not there.
    """
    return [find_piece(settings, piece_id) for piece_id in piece_ids]


def take_of(path: Path) -> tuple[str, str] | None:
    """The take a generated piece belongs to and its side ("base" or "adapter"); None for a piece of its own.

    Example:
        >>> take_of(Path("outputs/2026-01-02/happy-house-take-1f2e3d4c-base.wav"))
        ('1f2e3d4c', 'base')
        >>> take_of(Path("outputs/2026-01-02/happy-house-take-1f2e3d4c-adapter/01-generated.wav"))
        ('1f2e3d4c', 'adapter')
    """
    for name in (path.stem, path.parent.name):
        if found := _TAKE.fullmatch(name):
            return found[1], found[2]
    return None


def _id(settings: Settings, path: Path) -> str:
    return hashlib.sha256(str(path.relative_to(settings.home)).encode("utf-8", "replace")).hexdigest()[:16]


def _sounds(settings: Settings) -> Iterator[tuple[Path, float]]:
    """Sound files that a user made or brought, with their times. Links and hidden files are passed over."""
    places = [settings.outputs, settings.recordings]
    if settings.projects.is_dir():
        places += [folder / "renders" for folder in settings.projects.iterdir() if folder.is_dir()]
    for place in places:
        for parent, folders, files in os.walk(place):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                path = Path(parent, name)
                if name.startswith(".") or path.suffix.lower() not in AUDIO_SUFFIXES or path.is_symlink():
                    continue
                try:
                    yield path, path.stat().st_mtime
                except OSError:  # gone between the listing and the look
                    continue


def _piece(settings: Settings, path: Path, changed: float) -> Piece | None:
    """A file as a piece; None for a production's stages between its first and its master, which have no list."""
    if path.name == "02-enhanced.wav" and (path.parent / PRODUCTION).is_file():
        return None
    beside = [path.with_name(path.name + ".json"), path.with_name(path.stem + ".angen.json")]
    record = next((found for found in map(_record_of, beside) if found), {})
    return Piece(
        _id(settings, path),
        path,
        _kind(settings, path, record),
        changed,
        _seconds(str(path), changed),
        record,
    )


def _kind(settings: Settings, path: Path, record: dict[str, Any]) -> PieceKind:
    if path.is_relative_to(settings.projects):
        return "mix"
    if path.is_relative_to(settings.recordings):
        return "recording"
    if "conditions" in record:
        return "generated"
    if "before" in record and "settings" in record:
        return "mastered"
    if "limit_confidence" in record:
        return "upscaled"
    if "chain" in record:
        return "enhanced"
    if path.with_name(path.stem + ".angen.json").is_file() or path.parent.name == "export":
        return "exported"
    words = f"{path.parent.name} {path.stem}".lower()
    return (
        "stem" if any(word in words for word in ("stem", "separate", "vocals", "accompaniment")) else "sound"
    )


def _record_of(path: Path) -> dict[str, Any]:
    try:
        state = path.stat()
    except OSError:
        return {}
    return _read_record(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _read_record(path: str, changed_ns: int, size: int) -> dict[str, Any]:
    if size > LARGEST_RECORD_BYTES:
        return {}
    try:
        record = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


@lru_cache(maxsize=4096)
def _seconds(path: str, changed: float) -> float:
    try:
        return float(soundfile.info(path).duration)
    except (OSError, RuntimeError):
        return 0.0
