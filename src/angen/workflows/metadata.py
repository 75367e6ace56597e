"""Metadata that the user owns: what was estimated and what was corrected, kept apart.

A *folder* of recordings gets one file, `angen_metadata.json`, with a record for each recording: its estimates
and, beside them, the user's edits. An edit wins whenever a value is asked for, and hearing the folder again
replaces estimates alone. A *dataset* keeps its values in `metadata.jsonl`, as ever; what an edit covers there is
kept in `estimates.json`, so that it can be undone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from angen.audio import find_audio
from angen.dataset import ClipRecord, Dataset, dataset_folder, load_dataset
from angen.dataset.records import content_sha256
from angen.dataset.store import MARKER, METADATA
from angen.errors import ConflictError, DatasetError, MetadataError
from angen.files import content_hash, locked, write_json, write_text
from angen.settings import Settings

FILE_NAME = "angen_metadata.json"
COVERED = "estimates.json"
FORMAT_VERSION = 1
EDITABLE = ("genre", "tempo_bpm", "key", "mood", "instruments", "description", "lyrics", "language", "metre")
"""The fields a user may correct, in the order in which they are shown."""

Value = float | str | list[str] | None


class Values(BaseModel):
    """What may be known of a recording. None (or no instruments) is unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    genre: str | None = None
    tempo_bpm: float | None = Field(default=None, gt=0, le=1000)
    key: str | None = Field(default=None, pattern=r"^[A-G][#b]? (major|minor)$")
    mood: str | None = None
    instruments: list[str] = []
    description: str | None = None
    lyrics: str | None = None
    language: str | None = Field(default=None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$")
    metre: str | None = Field(default=None, pattern=r"^[1-9]\d?/(1|2|4|8|16|32|64)$")


class Record(BaseModel):
    """One recording: estimates, and what its user says.

    Attributes:
        file: The name of its file, relative to the folder; for a dataset the id of the clip.
        sha256: Of the file that the estimates are of; None if it was not heard yet.
        estimates: What was heard.
        confidence: How sure each estimate is, 0 to 1.
        sources: Where each estimate comes from: "measured", "tagged", "score".
        edits: What the user says instead, by field. None there means: leave it unknown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    file: str
    sha256: str | None = None
    estimates: Values = Values()
    confidence: dict[str, float] = {}
    sources: dict[str, str] = {}
    edits: dict[str, Any] = {}

    def value(self, field: str) -> Any:
        """The user's word for a field, or else the estimate."""
        return self.edits[field] if field in self.edits else getattr(self.estimates, field)

    def source(self, field: str) -> str | None:
        """Where the value comes from: "edited", the source of the estimate, or None for what is not known."""
        if field in self.edits:
            return "edited"
        return self.sources.get(field, "measured") if getattr(self.estimates, field) else None

    def values(self) -> dict[str, Any]:
        """All fields as they count."""
        return {field: self.value(field) for field in EDITABLE}


class Draft(BaseModel):
    """The metadata of a folder.

    Attributes:
        format_version: The layout of the file; this one is 1.
        trigger: Words that lead every prompt: a name for the style that is to be learnt.
        records: One for each recording, by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format_version: Literal[1] = 1
    trigger: str = ""
    records: list[Record] = []


@dataclass(frozen=True)
class Metadata:
    """The metadata of a folder or a dataset, opened.

    Attributes:
        place: The folder.
        draft: Trigger and records.
        dataset: The dataset, where it is one.
        revision: Changes whenever what is stored does; "" for what was never stored.
    """

    place: Path
    draft: Draft
    dataset: Dataset | None = None
    revision: str = ""

    def prompt(self, record: Record) -> str:
        """The text a model reads for a recording, exactly: by the one function that training uses too."""
        clip = self._clip(record)
        return clip.prompt(self.draft.trigger)

    def _clip(self, record: Record) -> ClipRecord:
        known = {name: value for name, value in record.values().items() if value is not None}
        known["description"] = known.get("description", "")
        sources = {name: record.source(name) for name, value in known.items() if value}
        if self.dataset is not None:
            clip = next(clip for clip in self.dataset.clips if clip.clip_id == record.file)
            kept = {name: clip.sources[name] for name in clip.sources if name not in EDITABLE}
            confidence = {
                name: sure for name, sure in clip.confidence.items() if sources.get(name) != "edited"
            }
            given = {**clip.model_dump(), **dict.fromkeys(EDITABLE), "instruments": [], **known}
            return ClipRecord.model_validate(
                {**given, "sources": {**kept, **sources}, "confidence": confidence}
            )
        facts = {
            "file_name": "clips/a.flac",
            "clip_id": "a",
            "song": "a",
            "split": "train",
            "sha256": "0" * 64,
        }
        return ClipRecord.model_validate(
            {**facts, "start_s": 0.0, "end_s": 1.0, "duration_s": 1.0, **known, "sources": sources}
        )

    def clips(self) -> list[ClipRecord]:
        """The clips of the dataset as the records say they are."""
        return [self._clip(record) for record in self.draft.records]

    def chosen(self, names: Sequence[str]) -> list[Record]:
        """The records of these names, all of them if none is named.

        Raises:
            MetadataError: If a name is not there.
        """
        if not names:
            return list(self.draft.records)
        by_name = {record.file: record for record in self.draft.records}
        for name in names:
            if name not in by_name:
                raise MetadataError(
                    f"There is no recording {name!r} in {str(self.place)!r}.",
                    remedy=f"Choose among: {', '.join(list(by_name)[:20]) or 'none; run analyze first'}.",
                )
        return [by_name[name] for name in dict.fromkeys(names)]


def open_metadata(settings: Settings, name: str | Path) -> Metadata:
    """Open the metadata of a folder of recordings, or of a dataset by its name or folder.

    A folder that was never heard has records without estimates.

    Raises:
        MetadataError: If the file is damaged, or a folder holds no recordings.
        DatasetError: If there is neither a folder nor a dataset of that name.
    """
    folder = Path(name)
    if folder.is_dir() and not (folder / MARKER).is_file():
        revision = stored_revision(folder)
        return Metadata(folder, _read_draft(folder), revision=revision)
    place = folder if folder.is_dir() else dataset_folder(settings.training_data, str(name))
    revision = stored_revision(place)
    dataset = load_dataset(place, verify_audio=False)
    return Metadata(place, _draft_of(dataset), dataset, revision)


def open_hearable(settings: Settings, place: Path) -> Metadata:
    """Open the metadata of a folder, whose recordings can be heard again.

    Raises:
        MetadataError: If the place is a dataset, or as `open_metadata`.
    """
    metadata = open_metadata(settings, place)
    if metadata.dataset is not None:
        raise MetadataError(
            "A dataset keeps the estimates it was prepared with.", remedy="Prepare it anew to hear it again."
        )
    return metadata


def stored_revision(place: Path) -> str:
    """What tells one state of the stored metadata of a folder or dataset from any other; "" if there is none."""
    files = [place / name for name in (FILE_NAME, METADATA, COVERED, MARKER)]
    found = [f"{path.name} {content_hash(path)}" for path in files if path.is_file()]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:32] if found else ""


def save_metadata(metadata: Metadata, *, expected_revision: str | None = None) -> str:
    """Write the metadata back, atomically.

    Args:
        metadata: As it is to be.
        expected_revision: Of the state that it was made from; None overwrites whatever is there.

    Returns:
        The revision it has now.

    Raises:
        ConflictError: If someone else has changed it since; nothing is written then.
    """
    with locked(metadata.place):
        if expected_revision is not None and stored_revision(metadata.place) != expected_revision:
            raise ConflictError(
                f"The table of {metadata.place.name!r} was changed by someone else meanwhile.",
                remedy="Load it again and repeat your changes; nothing was saved.",
            )
        _write(metadata)
        return stored_revision(metadata.place)


def store_estimates(settings: Settings, place: Path, heard: Iterable[Mapping[str, Any]]) -> None:
    """Replace the estimates of some recordings of a folder, whatever was edited meanwhile.

    Args:
        settings: The workspace.
        place: The folder.
        heard: Records as `angen.workflows.analyze.analyze_files` yields them; one with an "error" changes nothing.

    Raises:
        MetadataError: If the place is a dataset.
    """
    found = {
        Path(record["path"]): (record, content_hash(Path(record["path"])))
        for record in heard
        if "error" not in record
    }
    with locked(place):
        metadata = open_hearable(settings, place)
        records = [
            _with_estimates(record, *found[path]) if path in found else record
            for record, path in ((one, place / one.file) for one in metadata.draft.records)
        ]
        _write(replace(metadata, draft=metadata.draft.model_copy(update={"records": records})))


def _write(metadata: Metadata) -> None:
    if metadata.dataset is None:
        write_json(metadata.place / FILE_NAME, metadata.draft.model_dump(mode="json"))
        return
    clips = metadata.clips()
    covered = {record.file: _covered(record) for record in metadata.draft.records if record.edits}
    write_json(metadata.place / COVERED, covered)
    write_text(metadata.place / METADATA, "".join(f"{clip.model_dump_json()}\n" for clip in clips))
    if metadata.draft.trigger != metadata.dataset.info.prompt_prefix:
        sha256 = content_sha256(clips, metadata.draft.trigger)
        changed = {"prompt_prefix": metadata.draft.trigger, "sha256": sha256}
        info = metadata.dataset.info.model_copy(update=changed)
        write_text(metadata.place / MARKER, info.model_dump_json(indent=2) + "\n")


def stored_draft(folder: Path) -> Draft | None:
    """The draft of a folder as it is on disk; None where there is none.

    Raises:
        MetadataError: If it is damaged.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        stored = Draft.model_validate_json(path.read_bytes())
        for record in stored.records:
            checked_values(record.edits)
    except (OSError, ValidationError) as error:
        raise MetadataError(
            f"The metadata {str(path)!r} cannot be read: {str(error).splitlines()[0]}.",
            remedy="Undo the last change to it by hand, or move it away to begin anew.",
        ) from error
    return stored


def set_values(metadata: Metadata, names: Sequence[str], values: Mapping[str, Value]) -> Metadata:
    """Correct fields of some recordings, or of all.

    Args:
        metadata: As it is.
        names: Which recordings; none means all.
        values: The user's words by field. None says that the value is not known.

    Raises:
        MetadataError: If a field or a value is not possible; nothing is changed then.
    """
    checked = checked_values(values)
    return _with_edits(metadata, names, lambda edits: {**edits, **checked})


def unset_values(metadata: Metadata, names: Sequence[str], fields: Iterable[str]) -> Metadata:
    """Take back corrections: the estimates count again."""
    gone = set(fields)
    for field in gone - set(EDITABLE):
        raise _unknown_field(field)
    return _with_edits(metadata, names, lambda edits: {k: v for k, v in edits.items() if k not in gone})


def set_trigger(metadata: Metadata, words: str) -> Metadata:
    """Let these words lead every prompt."""
    trigger = " ".join(words.split())
    return replace(metadata, draft=metadata.draft.model_copy(update={"trigger": trigger}))


def checked_values(values: Mapping[str, Value]) -> dict[str, Any]:
    """The values in their types.

    Raises:
        MetadataError: If a field is none of `EDITABLE`, or a value not possible for it.
    """
    for field in values:
        if field not in EDITABLE:
            raise _unknown_field(field)
    given = {field: _plain(field, value) for field, value in values.items()}
    try:
        model = Values.model_validate(
            {field: value for field, value in given.items() if value is not None and value != []}
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise MetadataError(
            f"{'.'.join(map(str, fault['loc']))} cannot be {fault.get('input')!r}: {fault['msg']}.",
            remedy="A key is like 'F# minor', a metre like 3/4, a tempo a number of beats a minute.",
        ) from error
    return {field: getattr(model, field) for field in given}


def _plain(field: str, value: Value) -> Value:
    """Text from a table or a terminal as the type of the field; empty text is unknown."""
    if field == "instruments":
        words = value.split(",") if isinstance(value, str) else (value or [])
        return [" ".join(str(word).split()) for word in words if str(word).strip()]  # type: ignore[union-attr]
    if isinstance(value, str):
        value = value.strip() if field == "lyrics" else " ".join(value.split())
        if not value:
            return None
    if field == "tempo_bpm" and value is not None:
        try:
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return value
    if field == "key" and isinstance(value, str) and len(value.split()) == 2:
        tonic, mode = value.split()
        return f"{tonic[:1].upper()}{tonic[1:]} {mode.lower()}"
    return value


def _with_edits(
    metadata: Metadata, names: Sequence[str], change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Metadata:
    chosen = {record.file for record in metadata.chosen(names)}
    records = [
        record.model_copy(update={"edits": change(record.edits)}) if record.file in chosen else record
        for record in metadata.draft.records
    ]
    return replace(metadata, draft=metadata.draft.model_copy(update={"records": records}))


def _unknown_field(field: str) -> MetadataError:
    return MetadataError(
        f"There is no field {field!r} to correct.", remedy=f"The fields are: {', '.join(EDITABLE)}."
    )


def _read_draft(folder: Path) -> Draft:
    """The draft of a folder, with a record for each recording that is there now and no other."""
    stored = stored_draft(folder) or Draft()
    names = [str(found.relative_to(folder)) for found in find_audio([folder])]
    if not names:
        raise MetadataError(f"There are no recordings in {str(folder)!r}.", remedy="Give another folder.")
    by_name = {record.file: record for record in stored.records}
    return stored.model_copy(update={"records": [by_name.get(name, Record(file=name)) for name in names]})


def _draft_of(dataset: Dataset) -> Draft:
    """The records of a dataset's clips; what an edit covers is read from `estimates.json`."""
    path = dataset.folder / COVERED
    covered: dict[str, dict[str, Any]] = {}
    if path.exists():
        import json

        try:
            covered = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"{str(path)!r} cannot be read: {error}.", remedy="Undo the last change to it."
            ) from error
    return Draft(
        trigger=dataset.info.prompt_prefix,
        records=[_record_of(clip, covered.get(clip.clip_id, {})) for clip in dataset.clips],
    )


def _record_of(clip: ClipRecord, covered: Mapping[str, Any]) -> Record:
    values = {field: getattr(clip, field) for field in EDITABLE}
    edits = {field: value for field, value in values.items() if clip.sources.get(field) == "edited"}
    edits |= {field: values[field] for field in covered.get("values", {})}
    estimates = {**{f: v for f, v in values.items() if f not in edits}, **covered.get("values", {})}
    sources = {field: source for field, source in clip.sources.items() if source != "edited"}
    return Record(
        file=clip.clip_id,
        sha256=clip.sha256,
        estimates=Values.model_validate({f: v for f, v in estimates.items() if v is not None}),
        confidence={**clip.confidence, **covered.get("confidence", {})},
        sources={**sources, **covered.get("sources", {})},
        edits=edits,
    )


def _covered(record: Record) -> dict[str, Any]:
    """What the edits of a record lie over."""
    return {
        "values": {field: getattr(record.estimates, field) for field in record.edits},
        "confidence": {f: record.confidence[f] for f in record.edits if f in record.confidence},
        "sources": {f: record.sources[f] for f in record.edits if f in record.sources},
    }


def _with_estimates(record: Record, heard: Mapping[str, Any], sha256: str) -> Record:
    found = {field: heard[field] for field in EDITABLE if heard.get(field)}
    sure = {f: float(heard["confidence"][f]) for f in found if f in heard.get("confidence", {})}
    sources = {field: heard.get("sources", {}).get(field, "measured") for field in found}
    return record.model_copy(
        update={
            "sha256": sha256,
            "estimates": Values.model_validate(found),
            "confidence": sure,
            "sources": sources,
        }
    )
