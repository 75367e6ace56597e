"""The records of a prepared dataset: what was heard of each clip, and over it what its user says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from angen.dataset import ClipRecord, Split
from angen.dataset.store import CLIPS, METADATA
from angen.files import write_json
from angen.workflows.metadata import COVERED, EDITABLE, stored_draft
from angen.workflows.prepare_songs import SONGS, STEMS, song_record

__all__ = ["Tables", "carried_edits", "final_records", "keep_latents", "tidy"]

TABLE = "table.json"
"""What the recordings' own tables said when the dataset was prepared, by song: the rest was said of its clips."""

_SAME_TEMPO = 0.04
_UNKNOWN: dict[str, Any] = {"instruments": [], "description": ""}

Edits = Mapping[str, Any]


class Tables:
    """The users' tables of folders of recordings, each read once; only what was corrected is kept."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[str, dict[str, Edits]] | None] = {}

    def of(self, path: Path) -> tuple[str, Edits]:
        """The trigger, and the corrections of a recording, by the nearest table above it.

        Raises:
            MetadataError: If the table is damaged.
        """
        path = path.absolute()
        for folder in path.parents:
            if folder not in self._known:
                self._known[folder] = _table(folder)
            table = self._known[folder]
            if table is not None:
                trigger, by_file = table
                edits = by_file.get(path.relative_to(folder).as_posix())
                return ("", {}) if edits is None else (trigger, edits)
        return "", {}


def _table(folder: Path) -> tuple[str, dict[str, Edits]] | None:
    draft = stored_draft(folder)
    if draft is None:
        return None
    none: Edits = {}  # one for all that were not corrected
    return draft.trigger, {record.file: record.edits or none for record in draft.records}


def carried_edits(old: Path | None) -> dict[str, Edits]:
    """What the user said of single clips of a dataset, by the hash of the clip's sound.

    Args:
        old: The dataset's folder; None for none. One that was prepared before tables were kept carries nothing.
    """
    found: dict[str, Edits] = {}
    if old is None or not (old / TABLE).is_file():
        return found
    tables: dict[str, dict[str, Any]] = json.loads((old / TABLE).read_bytes())
    with (old / METADATA).open("rb") as lines:
        for line in lines:
            clip = ClipRecord.model_validate_json(line)
            said = tables.get(clip.song, {})
            own = {
                field: getattr(clip, field)
                for field in EDITABLE
                if clip.sources.get(field) == "edited"
                and (field not in said or getattr(clip, field) != said[field])
            }
            if own:
                found[clip.sha256] = own
    return found


def final_records(
    folder: Path,
    songs: Sequence[tuple[str, str, Edits]],
    side_of: Callable[[str, int], Split],
    carried: Mapping[str, Edits],
) -> Iterator[ClipRecord]:
    """The records of all clips, song by song; writes beside them what corrections lie over.

    Args:
        folder: The dataset in the making.
        songs: Each song's name, the key of its record, and the corrections of its recording's table.
        side_of: The side of a song's clip, by the song's name and the clip's number from 0.
        carried: Corrections of single clips, by the hash of their sound.
    """
    covered: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for song, key, edits in songs:
        usable = dict(edits)
        clips = song_record(folder, key)["clips"]
        if len(clips) > 1:
            usable.pop("lyrics", None)  # nobody said which words are in which clip
        if usable:
            tables[song] = usable
        for number, facts in enumerate(clips):
            record = _record(facts, side_of(song, number), usable)
            own = carried.get(record.sha256)
            if own:
                covered[record.clip_id] = _covered(record, own)
                record = _record(facts, record.split, {**usable, **own})
            yield record
    write_json(folder / TABLE, tables)
    (folder / COVERED).unlink(missing_ok=True)
    if covered:
        write_json(folder / COVERED, covered)


def _record(facts: Mapping[str, Any], side: Split, edits: Edits) -> ClipRecord:
    known = {**facts, **_corrected(edits, facts.get("tempo_bpm"))}
    fields = [name for name in facts if name in _TOLD]
    told = [name for name in dict.fromkeys([*fields, *edits]) if known.get(name) not in (None, "", [])]
    sources = {name: "edited" if name in edits else "measured" for name in told}
    confidence = {
        name: sure for name, sure in facts.get("confidence", {}).items() if sources.get(name) == "measured"
    }
    return ClipRecord.model_validate({**known, "split": side, "sources": sources, "confidence": confidence})


_TOLD = (
    "tempo_bpm", "key", "genre", "mood", "instruments", "energy", "loudness_lufs", "description", "beats_s",
    "downbeats_s",
)  # fmt: skip


def _corrected(edits: Edits, heard_bpm: float | None) -> dict[str, Any]:
    """What the user says of a song; beats that do not fit his tempo are left out."""
    known = {name: value if value is not None else _UNKNOWN.get(name) for name, value in edits.items()}
    tempo = known.get("tempo_bpm")
    if tempo is not None and (heard_bpm is None or abs(tempo / heard_bpm - 1) > _SAME_TEMPO):
        known |= {"beats_s": [], "downbeats_s": []}
    return known


def _covered(record: ClipRecord, own: Edits) -> dict[str, Any]:
    """What corrections of one clip lie over, as the metadata's own workflow keeps it."""
    return {
        "values": {name: getattr(record, name) for name in own},
        "confidence": {name: record.confidence[name] for name in own if name in record.confidence},
        "sources": {
            name: record.sources[name] for name in own if record.sources.get(name, "edited") != "edited"
        },
    }


def keep_latents(folder: Path, old: Path | None) -> None:
    """Take over the latents of a dataset: they are kept by the content of clips, so none is ever wrong."""
    if old is None or not (old / "latents").is_dir():
        return
    for source in (old / "latents").rglob("*.safetensors"):
        target = folder / source.relative_to(old)
        if source.name.startswith(".") or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(source)
        except OSError:
            shutil.copy2(source, target)


def tidy(folder: Path, keys: set[str]) -> None:
    """Remove what an earlier, broken-off preparation has left and this one does not want."""
    wanted: set[str] = set()
    for key in keys:
        for clip in song_record(folder, key)["clips"]:
            wanted |= {clip["file_name"], *(clip.get("stems") or {}).values()}
    for path in (folder / SONGS).iterdir():
        if path.stem not in keys:
            path.unlink()
    for place in (CLIPS, STEMS):
        for path in (folder / place).iterdir() if (folder / place).is_dir() else ():
            if f"{place}/{path.name}" not in wanted:
                path.unlink()
