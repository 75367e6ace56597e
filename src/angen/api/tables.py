"""The metadata table of a set of recordings or a dataset: read with an ETag, changed only as it was read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fastapi import Response
from pydantic import BaseModel, Field

from angen.api.problems import Refused
from angen.api.records import check_match, etag_of, is_unchanged
from angen.api.studio import Body, Studio
from angen.errors import ConflictError

if TYPE_CHECKING:
    from angen.workflows.metadata import Metadata

__all__ = ["TableChange", "TableView", "change_table", "read_table", "replace_table"]

Cell = float | str | list[str] | None
FieldName = Literal[
    "genre", "tempo_bpm", "key", "mood", "instruments", "description", "lyrics", "language", "metre"
]


class Row(BaseModel):
    """One recording, or one clip of a dataset."""

    file: str
    values: dict[str, Cell] = Field(description="As they count: a correction before what was heard.")
    sources: dict[str, str | None] = Field(
        description="Where each value comes from: measured, tagged, score, edited."
    )
    confidence: dict[str, float] = Field(description="How sure each estimate is, 0 to 1.")
    edits: dict[str, Cell] = Field(description="What people say instead; null: leave it unknown.")
    prompt: str = Field(description="What a model reads of it, exactly.")


class TableView(BaseModel):
    """A table of metadata."""

    trigger: str = Field(description="Words that lead every prompt.")
    rows: list[Row]


class RowChange(Body):
    """Corrections of one recording."""

    file: str
    edits: dict[FieldName, Cell] = Field(
        default_factory=dict, description="The value by field; null says that it is not known."
    )
    unset: list[FieldName] = Field(default_factory=list, description="Corrections to take back.")


class TableChange(Body):
    """Corrections of a table."""

    trigger: str | None = Field(
        None, max_length=500, description="Words that lead every prompt; null as they are."
    )
    rows: list[RowChange] = Field(
        default_factory=list,
        examples=[[{"file": "one.wav", "edits": {"genre": "calypso", "tempo_bpm": 112}}]],
    )


def read_table(
    studio: Studio, place: Path, response: Response, if_none_match: str | None
) -> TableView | Response:
    """The table of a folder as it is now; 304 where the reader has it."""
    metadata = _opened(studio, place)
    etag = _etag(metadata)
    if is_unchanged(etag, if_none_match):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return _view(metadata)


def change_table(
    studio: Studio, place: Path, change: TableChange, response: Response, if_match: str | None
) -> TableView:
    """Correct the named fields of the named recordings."""
    return _changed(studio, place, change, response, if_match, keeps=True)


def replace_table(
    studio: Studio, place: Path, change: TableChange, response: Response, if_match: str | None
) -> TableView:
    """Make the named corrections all there are."""
    return _changed(studio, place, change, response, if_match, keeps=False)


def _changed(
    studio: Studio, place: Path, change: TableChange, response: Response, if_match: str | None, *, keeps: bool
) -> TableView:
    from angen.workflows.metadata import EDITABLE, save_metadata, set_trigger, set_values, unset_values

    with studio.edits:
        metadata = _opened(studio, place)
        check_match(_etag(metadata), if_match)
        changed = metadata if keeps else unset_values(metadata, [], EDITABLE)
        for row in change.rows:
            changed = unset_values(changed, [row.file], row.unset)
            changed = set_values(
                changed, [row.file], {str(field): value for field, value in row.edits.items()}
            )
        if change.trigger is not None:
            changed = set_trigger(changed, change.trigger)
        try:
            save_metadata(changed, expected_revision=metadata.revision)
        except ConflictError as error:  # the page, or a command, was faster
            raise Refused(412, "changed-meanwhile", error.message, remedy=error.remedy) from error
        saved = _opened(studio, place)
    response.headers["ETag"] = _etag(saved)
    return _view(saved)


def _opened(studio: Studio, place: Path) -> Metadata:
    """The table, or one without rows where a set holds no recordings yet."""
    from angen.errors import MetadataError
    from angen.workflows.metadata import Draft, Metadata, open_metadata

    if place.is_relative_to(studio.settings.recordings):
        from angen.audio import find_audio

        if not find_audio([place]):
            return Metadata(place, Draft())
    try:
        return open_metadata(studio.settings, place)
    except MetadataError as error:
        raise Refused(
            409, error.code, error.message, remedy=error.remedy
        ) from error  # nobody's request is at fault


def _etag(metadata: Metadata) -> str:
    names = "\n".join(record.file for record in metadata.draft.records)
    return etag_of(f"{metadata.revision}\n{names}")


def _view(metadata: Metadata) -> TableView:
    rows = [
        Row(
            file=record.file,
            values=record.values(),
            sources={name: record.source(name) for name in record.values()},
            confidence=record.confidence,
            edits=record.edits,
            prompt=metadata.prompt(record),
        )
        for record in metadata.draft.records
    ]
    return TableView(trigger=metadata.draft.trigger, rows=rows)
