"""The musician's table of recordings: what is stored, what was typed and not saved yet, and saving it.

What was typed lives in the browser (a `Desk`), so that neither a reload nor a restart of the server loses it. It knows
the values it was typed over: where someone else has changed the very same cell meanwhile, saving says so and saves
nothing; other cells are not in each other's way. Every cell is checked here, whatever the browser sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from angen.errors import ConflictError, MetadataError
from angen.workflows.metadata import (
    Metadata,
    Record,
    checked_values,
    save_metadata,
    set_trigger,
    set_values,
    unset_values,
)

__all__ = [
    "COLUMNS", "HEADERS", "Desk", "Sheet", "open_sheet", "read_desk", "rows_of", "save_sheet", "text_of", "with_rows",
]  # fmt: skip

COLUMNS = {
    "Genre": "genre", "BPM": "tempo_bpm", "Key": "key", "Mood": "mood", "Instruments": "instruments",
    "Description": "description",
}  # fmt: skip
"""What is written above the cells that can be corrected, and the field each is of."""
HEADERS = ["File", *COLUMNS]
LONGEST_CELL = 2000
_TRIES = 5


class Sheet(BaseModel):
    """The table of one set of recordings as one browser has it.

    Attributes:
        base: By file, the texts of the cells as they were stored when they were loaded.
        edits: By file and column, what was typed over them.
        trigger: Words that lead every prompt, as they were stored.
        typed_trigger: What was typed over them; None for nothing.
    """

    model_config = ConfigDict(extra="forbid")

    base: dict[str, list[str]] = Field(default_factory=dict)
    edits: dict[str, dict[str, str]] = Field(default_factory=dict)
    trigger: str = ""
    typed_trigger: str | None = None

    @property
    def unsaved(self) -> int:
        """How many cells were typed and not saved."""
        return sum(map(len, self.edits.values())) + (self.typed_trigger is not None)


class Desk(BaseModel):
    """What a browser remembers of the tab: the set that is open, and the sheets with something unsaved."""

    model_config = ConfigDict(extra="forbid")

    set: str = ""
    sheets: dict[str, Sheet] = Field(default_factory=dict)

    def holding(self, name: str, sheet: Sheet | None) -> str:
        """The desk with this set open, and its sheet if anything of it is unsaved; as JSON."""
        others = {key: value for key, value in self.sheets.items() if key != name}
        kept = {**others, name: sheet} if sheet is not None and sheet.unsaved else others
        return Desk(set=name, sheets=kept).model_dump_json()


def read_desk(value: Any) -> Desk:
    """What the browser sent; an empty desk where that is no desk."""
    try:
        return Desk.model_validate_json(value or "{}")
    except ValidationError:
        return Desk()


def open_sheet(metadata: Metadata, typed: Sheet | None = None) -> Sheet:
    """What is stored now, with what was typed over it where that still differs."""
    base = {record.file: _texts(record) for record in metadata.draft.records}
    edits: dict[str, dict[str, str]] = {}
    for file, cells in (typed.edits if typed else {}).items():
        there = dict(zip(COLUMNS, base.get(file, []), strict=False))
        left = {column: text for column, text in cells.items() if column in there and there[column] != text}
        if left:
            edits[file] = left
    words = typed.typed_trigger if typed else None
    trigger = metadata.draft.trigger
    return Sheet(base=base, edits=edits, trigger=trigger, typed_trigger=None if words == trigger else words)


def rows_of(sheet: Sheet) -> list[list[str]]:
    """The rows to show: file, then the cells with what was typed."""
    return [
        [
            file,
            *(
                sheet.edits.get(file, {}).get(column, text)
                for column, text in zip(COLUMNS, cells, strict=True)
            ),
        ]
        for file, cells in sheet.base.items()
    ]


def with_rows(sheet: Sheet, rows: Sequence[Sequence[Any]], trigger: str | None = None) -> Sheet:
    """A sheet with what is in the table now; rows are known by their file, in whatever order they are shown.

    What was typed into rows that are not shown, since somebody filtered them away, stays.

    Raises:
        MetadataError: If a row is of no file of the set.
    """
    edits = dict(sheet.edits)
    for row in rows:
        file, *cells = ["" if cell is None else str(cell) for cell in row]
        if file not in sheet.base or len(cells) != len(COLUMNS):
            raise MetadataError(f"The table has no recording {file!r}.", remedy="Load the table again.")
        typed = {
            column: cell
            for column, cell, text in zip(COLUMNS, cells, sheet.base[file], strict=True)
            if _plain(cell) != text
        }
        edits.pop(file, None)
        if typed:
            edits[file] = typed
    words = " ".join((trigger or "").split())
    typed_trigger = words if trigger is not None and words != sheet.trigger else None
    return sheet.model_copy(update={"edits": edits, "typed_trigger": typed_trigger})


def save_sheet(metadata: Metadata, sheet: Sheet) -> str:
    """Store what was typed.

    Args:
        metadata: As it is stored now.
        sheet: As the browser has it.

    Returns:
        The revision that is stored now.

    Raises:
        MetadataError: If cells are not possible; all of them are named, and nothing is saved.
        ConflictError: If someone else has changed the same cells since; nothing is saved then.
    """
    _refuse_impossible(sheet)
    _refuse_conflicts(metadata, sheet)
    changed = metadata
    by_name = {record.file: record for record in metadata.draft.records}
    for file, cells in sheet.edits.items():
        values = {COLUMNS[column]: text for column, text in cells.items()}
        same = [
            field for field, text in values.items() if text_of(by_name[file], field, estimated=True) == text
        ]
        changed = set_values(changed, [file], {key: text for key, text in values.items() if key not in same})
        changed = unset_values(changed, [file], same)
    if sheet.typed_trigger is not None:
        changed = set_trigger(changed, sheet.typed_trigger)
    return save_metadata(changed, expected_revision=metadata.revision)


def text_of(record: Record, field: str, *, estimated: bool = False) -> str:
    """A value as it is shown in a cell; "" for what is not known."""
    value = getattr(record.estimates, field) if estimated else record.value(field)
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return value or ""


def _texts(record: Record) -> list[str]:
    return [text_of(record, field) for field in COLUMNS.values()]


def _plain(text: str) -> str:
    return " ".join(text.split())


def _refuse_impossible(sheet: Sheet) -> None:
    faults = []
    remedies = {"Cells that you empty count as not known."}
    for file, cells in sheet.edits.items():
        for column, text in cells.items():
            if column not in COLUMNS or file not in sheet.base:
                faults.append(f"{file}: there is no cell {column!r}.")
                continue
            if len(text) > LONGEST_CELL:
                faults.append(f"{file}, {column}: {len(text)} characters; at most {LONGEST_CELL} are taken.")
                continue
            try:
                checked_values({COLUMNS[column]: text})
            except MetadataError as error:
                faults.append(f"{file}, {column}: {error.message}")
                remedies.add(error.remedy)
    if sheet.typed_trigger is not None and len(sheet.typed_trigger) > LONGEST_CELL:
        faults.append(
            f"The style words have {len(sheet.typed_trigger)} characters; at most {LONGEST_CELL} are taken."
        )
    if faults:
        raise MetadataError(
            "Nothing was saved.\n" + "\n".join(faults) + "\n", remedy=" ".join(sorted(remedies))
        )


def _refuse_conflicts(metadata: Metadata, sheet: Sheet) -> None:
    stored: Mapping[str, list[str]] = {record.file: _texts(record) for record in metadata.draft.records}
    faults = []
    for file, cells in sheet.edits.items():
        if file not in stored:
            faults.append(f"{file} is not in the set any more.")
            continue
        was, now = (dict(zip(COLUMNS, texts, strict=True)) for texts in (sheet.base[file], stored[file]))
        faults += [
            f"{file}, {column}: it says {now[column] or 'nothing'!r} now, you typed {text!r}."
            for column, text in cells.items()
            if now[column] not in (was[column], _plain(text))
        ]
    if sheet.typed_trigger is not None and metadata.draft.trigger not in (sheet.trigger, sheet.typed_trigger):
        faults.append(
            f"The style words are {metadata.draft.trigger!r} now, you typed {sheet.typed_trigger!r}."
        )
    if faults:
        raise ConflictError(
            "Someone else has changed this meanwhile; nothing was saved.\n" + "\n".join(faults) + "\n",
            remedy="'Load again' shows what is stored with your changes over it; saving then keeps yours.",
        )
