"""Lyrics from a language model where one is set, else from the draft writer; checked, timed, and kept."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from angen.errors import LyricsError, SettingsError
from angen.files import write_json, write_text
from angen.lyrics import (
    Brief,
    Endpoint,
    Lyrics,
    ReadLyrics,
    SingingTime,
    Written,
    continue_draft,
    continue_with_model,
    form_named,
    guess_language,
    read_lyrics,
    rewrite_draft,
    rewrite_with_model,
    singing_time,
    structure_draft,
    structure_with_model,
    timed,
    write_draft,
    write_lrc,
    write_lyrics,
    write_with_model,
)

__all__ = [
    "CheckedLyrics",
    "LyricsResult",
    "Writer",
    "check_lyrics",
    "endpoint_from",
    "read_lyrics_file",
    "save_lyrics",
]

URL_VARIABLE = "ANGEN_LLM_URL"
MODEL_VARIABLE = "ANGEN_LLM_MODEL"
KEY_VARIABLE = "ANGEN_LLM_KEY"
TIMEOUT_VARIABLE = "ANGEN_LLM_TIMEOUT"
LARGEST_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class CheckedLyrics:
    """Lyrics that were read, and how long they take to sing."""

    read: ReadLyrics
    time: SingingTime
    language: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "language": self.language,
            **self.read.lyrics.as_dict(),
            "problems": [asdict(problem) for problem in self.read.problems],
            "time": self.time.as_dict(),
        }


@dataclass(frozen=True)
class LyricsResult:
    """Lyrics that were written, where they come from, and how long they take to sing."""

    written: Written
    brief: Brief
    time: SingingTime

    @property
    def text(self) -> str:
        """The canonical text."""
        return write_lyrics(self.written.lyrics)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "source": self.written.source,
            "is_draft": self.written.source == "draft writer",
            "is_partial": self.written.is_partial,
            "text": self.text,
            **self.written.lyrics.as_dict(),
            "notes": list(self.written.notes),
            "problems": [asdict(problem) for problem in self.written.problems],
            "brief": self.brief.as_dict(),
            "time": self.time.as_dict(),
        }


def endpoint_from(
    url: str | None = None, model: str | None = None, environment: Mapping[str, str] | None = None
) -> Endpoint | None:
    """The language model that is asked for, or set in the environment; None for none.

    Args:
        url: Its address; without it `ANGEN_LLM_URL`.
        model: Its name; without it `ANGEN_LLM_MODEL`, without that the first the server has.
        environment: Variables; None for this process's own. `ANGEN_LLM_KEY` belongs to `ANGEN_LLM_URL`: with
            another `url` on another host it is not sent.

    Raises:
        SettingsError: If a variable cannot be used.
    """
    variables = os.environ if environment is None else environment
    own = variables.get(URL_VARIABLE, "").strip()
    address = (url or own).strip()
    if not address:
        return None
    try:
        timeout_s = float(variables.get(TIMEOUT_VARIABLE) or 60)
        if not math.isfinite(timeout_s):
            raise ValueError
    except ValueError as error:
        raise SettingsError(
            f"{TIMEOUT_VARIABLE} is {variables[TIMEOUT_VARIABLE]!r}; expected seconds.",
            remedy="Set it to 60.",
        ) from error
    key = variables.get(KEY_VARIABLE, "").strip() or None
    if url and own and _origin(url) != _origin(own):
        key = None
    name = model or variables.get(MODEL_VARIABLE, "").strip()
    try:
        return Endpoint(address, name, key, timeout_s=timeout_s)
    except LyricsError as error:
        raise SettingsError(error.message, remedy=error.remedy) from error


def _origin(url: str) -> tuple[str, str]:
    from urllib.parse import urlsplit

    parts = urlsplit(url.strip())
    return parts.scheme, parts.netloc.lower()


@dataclass(frozen=True)
class Writer:
    """The four verbs, for one source of words.

    Args:
        endpoint: The language model; None for the draft writer.
        on_text: Told of a model's pieces as they come: raw, not to be shown unescaped.
        should_stop: Ends a model's answer early; what has arrived is kept.
    """

    endpoint: Endpoint | None = None
    on_text: Callable[[str], None] = lambda piece: None
    should_stop: Callable[[], bool] = lambda: False

    def write(self, brief: Brief) -> LyricsResult:
        """Write lyrics for a brief.

        Raises:
            LyricsError: If the source cannot, see `angen.lyrics`.
        """
        if self.endpoint is None:
            return _result(write_draft(brief), brief)
        written = write_with_model(self.endpoint, brief, on_text=self.on_text, should_stop=self.should_stop)
        return _result(written, brief)

    def continue_(self, lyrics: Lyrics, brief: Brief, *, sections: int = 1) -> LyricsResult:
        """Go on where lyrics stop, with more sections.

        Raises:
            LyricsError: If there is nothing to continue, or the source cannot.
        """
        if self.endpoint is None:
            return _result(continue_draft(lyrics, brief, sections=sections), brief)
        written = continue_with_model(
            self.endpoint,
            lyrics,
            brief,
            sections=sections,
            on_text=self.on_text,
            should_stop=self.should_stop,
        )
        return _result(written, brief)

    def rewrite(self, lyrics: Lyrics, brief: Brief, *, sections: Sequence[int] = ()) -> LyricsResult:
        """Write sections anew (counted from 1; none for all), the rest stays.

        Raises:
            LyricsError: If there is no such section, or the source cannot.
        """
        if self.endpoint is None:
            return _result(rewrite_draft(lyrics, brief, sections=sections), brief)
        written = rewrite_with_model(
            self.endpoint,
            lyrics,
            brief,
            sections=sections,
            on_text=self.on_text,
            should_stop=self.should_stop,
        )
        return _result(written, brief)

    def structure(self, text: str, brief: Brief, *, form: str | None = None) -> LyricsResult:
        """Give a text its tags; no word is changed.

        Raises:
            LyricsError: If the source cannot.
        """
        if self.endpoint is None:
            return _result(structure_draft(text, form=form), brief)
        written = structure_with_model(
            self.endpoint, text, form=form, on_text=self.on_text, should_stop=self.should_stop
        )
        return _result(written, brief)


def _result(written: Written, brief: Brief) -> LyricsResult:
    form = form_named(brief.form)
    time = singing_time(
        written.lyrics,
        language=brief.language,
        tempo_bpm=brief.tempo_bpm or form.tempo_bpm,
        seconds=brief.seconds,
        rate=form.rate,
    )
    return LyricsResult(written, brief, time)


def check_lyrics(
    text: str,
    *,
    language: str | None = None,
    form: str | None = None,
    tempo_bpm: float | None = None,
    seconds: float | None = None,
) -> CheckedLyrics:
    """Read lyrics and estimate their singing time; without a language it is guessed.

    Raises:
        LyricsError: If the text is too long, or a value out of range.
    """
    read = read_lyrics(text)
    known = language or guess_language(" ".join(read.lyrics.lines))
    rate = {} if form is None else {"rate": form_named(form).rate}
    time = singing_time(read.lyrics, language=known, tempo_bpm=tempo_bpm, seconds=seconds, **rate)
    return CheckedLyrics(read, time, known)


def read_lyrics_file(path: Path) -> str:
    """The text of a lyrics file: UTF-8 or UTF-16 with its mark, else Windows-1252.

    Raises:
        LyricsError: If there is no such file, it is no text, or larger than 1 MB.
    """
    remedy = "Give a text file with lyrics."
    try:
        with path.open("rb") as handle:
            content = handle.read(LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise LyricsError(f"{str(path)!r} cannot be read: {reason}.", remedy=remedy) from error
    return decoded(content, str(path))


def decoded(content: bytes, name: str) -> str:
    """Bytes as text, see `read_lyrics_file`."""
    remedy = "Give a text file with lyrics."
    if len(content) > LARGEST_FILE_BYTES:
        raise LyricsError(f"{name!r} is larger than 1 MB, which lyrics never are.", remedy=remedy)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        raise LyricsError(f"{name!r} is not a text file.", remedy=remedy)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def save_lyrics(result: LyricsResult, path: Path) -> None:
    """Write lyrics by the file's ending: `.lrc` with estimated times, `.json` with everything, else the text.

    Raises:
        OSError: If the place cannot be written to.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        write_json(path, result.as_dict())
    elif suffix == ".lrc":
        brief, form = result.brief, form_named(result.brief.form)
        tempo = brief.tempo_bpm or form.tempo_bpm
        lines = timed(result.written.lyrics, language=brief.language, tempo_bpm=tempo, rate=form.rate)
        write_text(path, write_lrc(lines))
    else:
        write_text(path, result.text)
