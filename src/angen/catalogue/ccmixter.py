"""ccMixter by its query API: a cappellas, each under its own licence.

A row is kept whole beside its file (`items/<upload_id>/row.json`), since it is the proof of licence and the credit.
The licence is decided on `license_url`, never on the query. The API leaves out fields that are empty, writes
numbers with leading zeros, and repeats the reply in a header line, which is why pages are small.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from angen.catalogue.items import Found, Phrase, VocalSong
from angen.catalogue.licences import Licence, read_licence
from angen.catalogue.verifying import Expected
from angen.errors import DownloadError
from angen.files import safe_name

DEFAULT_LICENCES = ("by", "pd")
FAMILIES = {"by": "by", "pd": "pd", "by-sa": "sa", "by-nc": "nc", "by-nc-sa": "byncsa"}
"""Families that may be built on, and the site's word for each in a query."""

ROW = "row.json"
_PAGE_ROWS = 10
_SOUND = {"flac": 0, "wav": 1, "aiff": 2, "mp3": 3, "ogg": 4}
_LEADING_ZERO = re.compile(r"([:\[,]\s*)0+(?=\d)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_LANGUAGES = {
    "english": "en", "spanish": "es", "french": "fr", "german": "de", "italian": "it", "portuguese": "pt",
    "japanese": "ja", "russian": "ru", "polish": "pl", "dutch": "nl", "swedish": "sv", "chinese": "zh",
}  # fmt: skip


@dataclass(frozen=True)
class Upload:
    """One upload that may be fetched.

    Attributes:
        id: The site's number for it.
        title: As its maker calls it.
        artist: Who made it.
        licence: Decided on the row's `license_url`.
        url: Of the file chosen.
        file_name: A safe name to keep it under.
        expected: Its size and sha1, where the row says them.
        seconds: Its length, where the row says it.
        row: All the API says.
    """

    id: str
    title: str
    artist: str
    licence: Licence
    url: str
    file_name: str
    expected: Expected
    seconds: float | None
    row: dict[str, Any]


def uploads(
    site: str, licences: Sequence[str], get: Callable[[str], bytes], on_odd: Callable[[str, str], None]
) -> Iterator[Upload]:
    """Every a cappella under some families of licences, a page at a time.

    Args:
        site: Its address, such as "https://ccmixter.org".
        licences: Families, see `FAMILIES`.
        get: Fetches a small document.
        on_odd: Told of uploads that are left out: the id and why.
    """
    seen: set[str] = set()
    for family in licences:
        offset = 0
        while True:
            words = {"f": "json", "dataview": "default", "tags": "acappella", "lic": FAMILIES[family]}
            rows = _rows(
                get(f"{site}/api/query?{urlencode({**words, 'limit': _PAGE_ROWS, 'offset': offset})}")
            )
            if not rows:
                break
            offset += len(rows)  # the site may cap a page below what was asked for
            for row in rows:
                id_ = str(row.get("upload_id", ""))
                if id_ in seen:
                    continue
                seen.add(id_)
                upload = read_upload(row, site)
                if isinstance(upload, str):
                    on_odd(id_, upload)
                elif upload.licence.family in licences:
                    yield upload
                else:
                    on_odd(id_, f"its licence is {upload.licence.id!r}, which was not asked for")


def lenient_json(text: str) -> Any:
    """JSON whose numbers may have leading zeros; what stands in strings is left alone.

    Example:
        >>> lenient_json('{"bpm": 070, "name": "take :007"}')
        {'bpm': 70, 'name': 'take :007'}
    """
    parts, end = [], 0
    for string in _STRING.finditer(text):
        parts += [_LEADING_ZERO.sub(r"\1", text[end : string.start()]), string[0]]
        end = string.end()
    parts.append(_LEADING_ZERO.sub(r"\1", text[end:]))
    return json.loads("".join(parts), strict=False)


def _rows(reply: bytes) -> list[dict[str, Any]]:
    try:
        rows = lenient_json(reply.decode("utf-8", "replace") or "[]")
    except ValueError as error:
        raise DownloadError(f"ccMixter's answer is no JSON: {error}.", remedy="Try again later.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DownloadError("ccMixter's answer is no list of uploads.", remedy="Try again later.")
    return rows


def read_upload(row: dict[str, Any], site: str) -> Upload | str:
    """An upload from a row of the API; a reason where it cannot be used."""
    id_ = str(row.get("upload_id", ""))
    if not id_.isdecimal():
        return "it has no number"
    licence = read_licence(str(row.get("license_url", "")))
    if licence.family not in FAMILIES:
        return f"its licence {licence.id!r} does not allow to build on it, or is not known"
    files = [
        file for file in row.get("files") or [] if isinstance(file, dict) and _sound_rank(file) is not None
    ]
    if not files:
        return "it has no sound file of a known kind"
    file = min(files, key=lambda each: _sound_rank(each) or 0)
    url = str(file.get("download_url", ""))
    if not _is_of_site(url, site):
        return f"its file is on another host: {url[:100]!r}"
    name = str(file.get("file_name", "")).rpartition("/")[2]
    return Upload(
        id_,
        str(row.get("upload_name") or f"upload {id_}"),
        str(row.get("user_real_name") or row.get("user_name") or "an unnamed artist"),
        licence,
        url,
        safe_name(name, fallback=f"{id_}.mp3"),
        Expected(
            size=_whole(file.get("file_rawsize")), sha1=_sha1((file.get("file_extra") or {}).get("sha1"))
        ),
        _clock_s((file.get("file_format_info") or {}).get("ps")),
        row,
    )


def _sound_rank(file: dict[str, Any]) -> int | None:
    info = file.get("file_format_info")
    info = info if isinstance(info, dict) else {}
    ending = str(file.get("file_name", "")).rpartition(".")[2].lower()
    return _SOUND.get(ending) if info.get("media-type", "audio") == "audio" else None


def _is_of_site(url: str, site: str) -> bool:
    """Whether an address in a reply leads to the site itself: a reply must not send us anywhere else."""
    parts, host = urlsplit(url), urlsplit(site).hostname or ""
    return parts.scheme in ("http", "https") and (
        parts.hostname == host or (parts.hostname or "").endswith(f".{host}")
    )


def _whole(value: object) -> int | None:
    text = str(value or "")
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _sha1(text: object) -> str | None:
    """A base32 sha1 in hexadecimal."""
    try:
        digest = base64.b32decode(str(text or "").upper())
    except binascii.Error:
        return None
    return digest.hex() if len(digest) == 20 else None


def _clock_s(text: object) -> float | None:
    parts = str(text or "").split(":")
    return (
        sum(int(part) * 60**place for place, part in enumerate(reversed(parts)))
        if all(part.isdecimal() for part in parts)
        else None
    )


def read_ccmixter(root: Path, ids: Sequence[str]) -> Found:
    """The uploads of those numbers below `root`."""
    songs, odd = [], []
    for id_ in ids:
        folder = root / "items" / id_
        try:
            row = json.loads((folder / ROW).read_text(encoding="utf-8"))
            name = str(row["angen_file"])
            path = folder / safe_name(name)
            licence = read_licence(str(row.get("license_url", "")))
        except (OSError, ValueError, KeyError) as error:
            odd.append((folder, f"its row cannot be read: {error}"))
            continue
        songs.append(_song(row, id_, path, licence))
    return Found(songs=tuple(songs), odd=tuple(odd))


def _song(row: dict[str, Any], id_: str, path: Path, licence: Licence) -> VocalSong:
    title = str(row.get("upload_name") or f"upload {id_}")
    artist = str(row.get("user_real_name") or row.get("user_name") or "an unnamed artist")
    extra = row.get("upload_extra") if isinstance(row.get("upload_extra"), dict) else {}
    tags = {tag.strip().lower() for tag in str(row.get("upload_tags") or "").split(",")}
    sexes = [sex for sex in ("male", "female") if f"{sex}_vocals" in tags]
    bpm = str((extra or {}).get("bpm") or "")
    return VocalSong(
        f"{artist} {title} {id_}",
        title,
        f"{artist} {title}",
        artist,
        next((code for word, code in _LANGUAGES.items() if word in tags), None),
        f"{sexes[0]} voice" if len(sexes) == 1 else "voice",
        (Phrase(path, None, 0),),
        is_whole=True,
        licence=licence,
        credit=credit_of(row),
        tempo_bpm=float(bpm) if bpm.isdecimal() and 30 <= int(bpm) <= 300 else None,
    )


def credit_of(row: dict[str, Any]) -> str:
    """The line that names an upload's maker."""
    artist = row.get("user_real_name") or row.get("user_name") or "an unnamed artist"
    page = row.get("file_page_url") or f"https://ccmixter.org (upload {row.get('upload_id')})"
    return f"{row.get('upload_name') or 'untitled'} by {artist}, {page}, {row.get('license_url')}"
