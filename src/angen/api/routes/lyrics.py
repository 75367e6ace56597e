"""Lyrics: read and timed at once; written, continued, rewritten and structured as a job."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, JsonValue

from angen.api.problems import responses
from angen.api.records import IdempotencyKey, JobView, accepted
from angen.api.studio import Body, StudioDep

router = APIRouter(prefix="/api/v1/lyrics", tags=["lyrics"], responses=responses())

_LONGEST = 1_000_000


class Reading(Body):
    """Lyrics that are to be read."""

    text: str = Field(max_length=_LONGEST, examples=["[verse]\nThe sea is wide tonight\n"])
    language: str | None = Field(None, max_length=35)
    form: str | None = Field(None, max_length=80)
    tempo_bpm: float | None = None
    seconds: float | None = None


class Writing(Body):
    """Words that are to be written. A language model is the server's own, never one that a request names."""

    action: Literal["write", "continue", "rewrite", "structure"] = "write"
    theme: str = Field("", max_length=2000, examples=["the sea at night"])
    mood: str = Field("", max_length=200)
    language: str = Field("en", max_length=35)
    form: str = Field("verse-chorus", max_length=80)
    seconds: float | None = None
    tempo_bpm: float | None = None
    seed: int = Field(0, ge=0, le=2**31 - 1)
    text: str = Field("", max_length=_LONGEST, description="What there is already.")
    sections: list[int] = Field(default_factory=list, max_length=100)
    offline: bool = Field(False, description="By the draft writer, whatever model is set.")


class FormView(BaseModel):
    """A form of a song."""

    name: str
    about: str


@router.get("/forms")
def list_forms() -> list[FormView]:
    """Forms that lyrics can have."""
    from angen.lyrics import FORMS

    forms = FORMS.values() if isinstance(FORMS, dict) else FORMS
    return [FormView(name=one.name, about=one.about) for one in forms]


@router.post("/check")
def check(body: Reading) -> dict[str, JsonValue]:
    """Read lyrics as a model would: sections, problems, singing time."""
    from angen.workflows.lyrics import check_lyrics

    known: dict[str, JsonValue] = check_lyrics(
        body.text, language=body.language, form=body.form, tempo_bpm=body.tempo_bpm, seconds=body.seconds
    ).as_dict()
    return known


@router.post("", status_code=202)
def write(studio: StudioDep, body: Writing, response: Response, key: IdempotencyKey = None) -> JobView:
    """Write lyrics, or go on with those there are. The text is the job's result."""
    return accepted(studio, studio.submit("lyrics", body.model_dump(), key), response)
