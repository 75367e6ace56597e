"""Metadata out of Angen and back: CSV, JSONL, and the files that ACE-Step reads beside each recording.

What is imported counts as the user's word, but only where it differs from what is there: a table that was
exported and imported unchanged changes nothing. Unknown is left out everywhere; nothing is filled in.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from angen.errors import MetadataError
from angen.files import write_json, write_text
from angen.workflows.metadata import EDITABLE, Metadata, Record, checked_values, set_values

Form = Literal["csv", "jsonl", "ace-step"]
COLUMNS = ("file", *EDITABLE)
_LYRICS_SUFFIX = ".lyrics.txt"
_FORMULAS = ("=", "+", "-", "@", "\t")
_BEATS = {"2": "2/4", "3": "3/4", "4": "4/4", "6": "6/8"}


def export_metadata(metadata: Metadata, out: Path, form: Form) -> list[Path]:
    """Write the metadata for other programs.

    Args:
        metadata: As `angen.workflows.metadata.open_metadata` gives it.
        out: A file for "csv" and "jsonl"; a folder for "ace-step", which gets `<stem>.json` and
            `<stem>.lyrics.txt` for each recording.
        form: Which.

    Returns:
        The files written.

    Raises:
        MetadataError: If two recordings would share a file of the export.
    """
    if form == "ace-step":
        return _export_ace(metadata, out)
    rows = [{"file": record.file, **record.values()} for record in metadata.draft.records]
    write_text(out, _as_csv(rows) if form == "csv" else "".join(f"{json.dumps(row)}\n" for row in rows))
    return [out]


def import_metadata(metadata: Metadata, source: Path, form: Form) -> tuple[Metadata, int]:
    """Take over values from a file, or from the folder of an "ace-step" export.

    Returns:
        The metadata with the user's words in place, and how many values changed.

    Raises:
        MetadataError: If it cannot be read, names a recording or a column that is not there, or holds a value
            that is not possible; nothing is changed then.
    """
    rows = _ace_rows(metadata, source) if form == "ace-step" else _table_rows(source, form)
    by_name = {record.file: record for record in metadata.draft.records}
    changed = 0
    for number, row in enumerate(rows, start=1):
        name = row.pop("file", None)
        if name not in by_name:
            metadata.chosen([str(name)])
        try:
            values = checked_values(row)
        except MetadataError as error:
            raise MetadataError(
                f"{str(source)!r}, row {number}: {error.message}", remedy=error.remedy
            ) from error
        record = by_name[str(name)]
        new = {field: value for field, value in values.items() if not _same(record, field, value)}
        if new:
            metadata = set_values(metadata, [record.file], new)
            changed += len(new)
    return metadata, changed


def ace_step_record(metadata: Metadata, record: Record) -> dict[str, Any]:
    """What ACE-Step reads of a recording; unknown fields are left out. Tempo and key stay out of the caption."""
    values = record.values()
    silent = {"tempo_bpm": None, "key": None}
    caption = metadata.prompt(record.model_copy(update={"edits": {**record.edits, **silent}}))
    tempo, metre = values["tempo_bpm"], values["metre"]
    found = {
        "caption": caption or None,
        "bpm": round(tempo) if tempo else None,
        "keyscale": values["key"],
        "timesignature": metre.split("/")[0] if metre in _BEATS.values() else None,
        "language": values["language"],
    }
    return {name: value for name, value in found.items() if value is not None}


def _same(record: Record, field: str, value: Any) -> bool:
    now = record.value(field)
    return bool(now == value or (not now and not value))


def _as_csv(rows: list[dict[str, Any]]) -> str:
    handle = io.StringIO(newline="")
    writer = csv.DictWriter(
        handle, COLUMNS
    )  # its line ends are RFC 4180's, so that any line end in a cell is quoted
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return handle.getvalue()


def _cell(value: Any) -> str:
    """A cell; one that a spreadsheet would take for a formula is quoted with an apostrophe."""
    text = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _csv_rows(source: Path, text: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    table = csv.DictReader(io.StringIO(text, newline=""))
    _check_columns(source, table.fieldnames or [])
    for row in table:
        if None in row:
            raise MetadataError(
                f"{str(source)!r}, line {table.line_num}: more cells than columns.",
                remedy="Put text with commas in quotes.",
            )
        rows.append({name: _unquoted(cell) for name, cell in row.items() if cell is not None})
    return rows


def _table_rows(source: Path, form: Form) -> list[dict[str, Any]]:
    try:
        text = source.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MetadataError(
            f"{str(source)!r} cannot be read: {error}.", remedy="Save it as UTF-8."
        ) from error
    if form == "csv":
        try:
            return _csv_rows(source, text)
        except csv.Error as error:
            raise MetadataError(
                f"{str(source)!r} is no table: {error}.", remedy="Save it as CSV with commas."
            ) from error
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise MetadataError(
                f"{str(source)!r}, line {number}: {error}.", remedy="One JSON object a line."
            ) from error
        if not isinstance(row, dict):
            raise MetadataError(
                f"{str(source)!r}, line {number}: not an object.", remedy="One JSON object a line."
            )
        _check_columns(source, row)
        rows.append(row)
    return rows


def _check_columns(source: Path, names: Any) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or "file" not in names:
        raise MetadataError(
            f"{str(source)!r}: {f'unknown columns {unknown}' if unknown else 'no column file'}.",
            remedy=f"The columns are: {', '.join(COLUMNS)}.",
        )


def _unquoted(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULAS) else cell


def _export_ace(metadata: Metadata, out: Path) -> list[Path]:
    stems = [_stem(record) for record in metadata.draft.records]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise MetadataError(
            f"Two recordings would share {twice + '.json'!r}.",
            remedy="Rename one of them, then export again.",
        )
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for stem, record in zip(stems, metadata.draft.records, strict=True):
        write_json(out / f"{stem}.json", ace_step_record(metadata, record))
        written.append(out / f"{stem}.json")
        if record.value("lyrics"):
            write_text(out / f"{stem}{_LYRICS_SUFFIX}", f"{record.value('lyrics')}\n")
            written.append(out / f"{stem}{_LYRICS_SUFFIX}")
    return written


def _ace_rows(metadata: Metadata, folder: Path) -> list[dict[str, Any]]:
    """Rows of the recordings that have a JSON of ACE-Step's kind in the folder.

    A caption becomes the description, unless it is the one that Angen itself would write.
    """
    rows = []
    for record in metadata.draft.records:
        path = folder / f"{_stem(record)}.json"
        lyrics = folder / f"{_stem(record)}{_LYRICS_SUFFIX}"
        row: dict[str, Any] = {"file": record.file}
        if path.is_file():
            row |= _from_ace(path, ace_step_record(metadata, record))
        if lyrics.is_file():
            row["lyrics"] = lyrics.read_text(encoding="utf-8", errors="replace").strip()
        if len(row) > 1:
            rows.append(row)
    if not rows:
        raise MetadataError(
            f"{str(folder)!r} holds no JSON file for any recording.",
            remedy="They are called as the recordings are.",
        )
    return rows


def _from_ace(path: Path, ours: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise MetadataError(f"{str(path)!r} cannot be read: {error}.", remedy="It should be JSON.") from error
    if not isinstance(found, dict):
        raise MetadataError(
            f"{str(path)!r} is not an object.", remedy='Expected {"caption": ..., "bpm": ...}.'
        )
    row: dict[str, Any] = {}
    names = {"caption": "description", "bpm": "tempo_bpm", "keyscale": "key", "language": "language"}
    for theirs, name in names.items():
        value = found.get(theirs)
        if value not in (None, "", "N/A") and value != ours.get(theirs):
            row[name] = value
    beats = str(found.get("timesignature") or "")
    if beats and beats != ours.get("timesignature"):
        row["metre"] = _BEATS.get(beats, beats)
    return row


def _stem(record: Record) -> str:
    return Path(record.file).with_suffix("").as_posix().replace("/", "__")
