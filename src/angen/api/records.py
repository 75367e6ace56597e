"""What the API answers with, and what its requests share."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from angen.api.problems import Refused
from angen.api.shelf import Asset, AssetKind
from angen.api.studio import Studio
from angen.jobs import Job, State

__all__ = [
    "AssetId", "AssetView", "IdempotencyKey", "IfMatch", "IfNoneMatch", "JobView", "ModelName", "Name", "Page",
    "PageQuery", "accepted", "asset_view", "check_match", "etag_of", "is_unchanged", "job_view", "page_of",
    "read_cursor", "sayable", "without_home", "write_cursor",
]  # fmt: skip

Item = TypeVar("Item")

_KEY_ABOUT = "Sent again with the same key, a request is the same job, and nothing is done twice."
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, description=_KEY_ABOUT)
]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=200, description="The ETag that was read; `*` for any.")
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", max_length=1000, description="ETags at hand.")
]
Name = Annotated[
    str, Path(min_length=1, max_length=80, pattern=r"^\w[\w.-]*$", description="As it is listed.")
]
ModelName = Annotated[Literal["angen-tiny", "diffrhythm2"], Field(description="Base model.")]
AssetId = Annotated[str, Field(pattern=r"^[0-9a-f]{20}$", examples=["5f2c9e0a1b3d4c5e6f70"])]


class AssetView(BaseModel):
    """A file of the workspace."""

    id: AssetId
    name: str
    kind: AssetKind
    place: str = Field(description="Where it is within the workspace, for people.")
    size: int = Field(description="Bytes.")
    media_type: str
    changed: datetime
    href: str = Field(description="Where its bytes are.")


class JobError(BaseModel):
    """What ended a job, or its last attempt."""

    model_config = ConfigDict(extra="allow")

    type: str
    message: str
    remedy: str = ""


class JobView(BaseModel):
    """A job: see docs/jobs.md for how it moves."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "4f2a77c1", "kind": "train", "title": "Train steel on calypso", "state": "running",
                    "priority": 0, "attempt": 1, "crashes": 0, "stage": "training", "done": 120, "total": 800,
                    "note": "loss 0.71", "eta_s": 412.0, "params": {"name": "steel", "dataset": "calypso"},
                    "result": None, "error": None, "checkpoint": "step 100", "resumable": True,
                    "created": "2026-11-23T10:00:00Z", "started": "2026-11-23T10:00:01Z", "ended": None,
                    "assets": [],
                }
            ]
        }
    )  # fmt: skip

    id: str
    kind: str
    title: str
    state: State
    priority: int
    attempt: int = Field(description="How often a worker began it.")
    crashes: int
    stage: str
    done: float
    total: float = Field(description="0 while it is not known.")
    note: str
    eta_s: float | None = Field(description="Seconds until the stage ends.")
    params: dict[str, JsonValue]
    result: JsonValue
    error: JobError | None
    checkpoint: str | None = Field(description="What the next attempt goes on from.")
    resumable: bool = Field(description="Whether it can be paused.")
    created: datetime
    started: datetime | None
    ended: datetime | None
    assets: list[AssetView] = Field(description="Files of its result, when one job is asked for.")


class Page(BaseModel, Generic[Item]):
    """Some of a list."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the page after this one; null at the end.")


class PageQuery(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="How many at most.")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before.")


Paging = Annotated[PageQuery, Query()]


def job_view(studio: Studio, job: Job, *, with_assets: bool = False) -> JobView:
    """A job for the outside: paths are told from the workspace on."""
    values = {name: getattr(job, name) for name in JobView.model_fields if name != "assets"}
    told = ("params", "result", "error", "title", "note", "checkpoint")
    values |= without_home(studio, {name: values[name] for name in told})
    for name in ("created", "started", "ended"):
        values[name] = None if values[name] is None else datetime.fromtimestamp(values[name], UTC)
    assets = [asset_view(one) for one in studio.shelf.within(job.result)] if with_assets else []
    return JobView(**values, assets=assets)


def asset_view(asset: Asset) -> AssetView:
    """A file for the outside."""
    changed = datetime.fromtimestamp(asset.changed_ns / 1e9, UTC)
    return AssetView(
        id=asset.id, name=sayable(asset.path.name), kind=asset.kind, place=sayable(asset.place), size=asset.size,
        media_type=asset.media_type, changed=changed, href=f"/api/v1/assets/{asset.id}/content",
    )  # fmt: skip


def accepted(studio: Studio, job: Job, response: Response) -> JobView:
    """The answer to a request that became a job: 202 is the route's, `Location` is here."""
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return job_view(studio, job)


def page_of(
    items: Sequence[Item], query: PageQuery, key: Callable[[Item], str]
) -> tuple[list[Item], str | None]:
    """A page of a sorted list: what follows the item with the cursor's key, and the next cursor.

    An item that is gone meanwhile does not matter where keys are sorted as the items are.
    """
    after = read_cursor(query.cursor)
    rest = [item for item in items if after is None or key(item) > after]
    page = rest[: query.limit]
    return page, write_cursor(key(page[-1])) if len(rest) > len(page) else None


def write_cursor(key: str) -> str:
    """A key as a cursor, which nobody should want to read."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str | None:
    """The key in a cursor.

    Raises:
        Refused: If it is none of ours.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Refused(
            422, "cursor", f"{cursor!r} is no cursor.", remedy="Give `next` of the page before."
        ) from error


def etag_of(revision: str) -> str:
    """A revision as a strong ETag."""
    return f'"{hashlib.sha256(revision.encode()).hexdigest()[:32]}"'


def check_match(etag: str, if_match: str | None) -> None:
    """Make sure that a change is made to what its author has read.

    Raises:
        Refused: 428 without `If-Match`, 412 where it names another revision.
    """
    if if_match is None:
        raise Refused(
            428, "if-match-missing", "This needs an If-Match header.",
            remedy="Read it first, and send its ETag; `*` to write over whatever is there.",
        )  # fmt: skip
    if if_match.strip() != "*" and etag not in [one.strip() for one in if_match.split(",")]:
        raise Refused(
            412, "changed-meanwhile", "It was changed meanwhile.", remedy="Read it again, and repeat the change.",
            headers={"ETag": etag},
        )  # fmt: skip


def is_unchanged(etag: str, if_none_match: str | None) -> bool:
    """Whether the reader has it already."""
    held = [one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")]
    return etag in held or "*" in held


def without_home(studio: Studio, value: Any) -> Any:
    """JSON values with the place of the workspace taken out of them: nobody outside needs it."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    home = json.dumps(str(studio.settings.home), ensure_ascii=False)[1:-1]
    return json.loads(text.replace(f"{home}/", "").replace(home, "."))


def sayable(text: str) -> str:
    """Text that JSON can carry."""
    return text.encode("utf-8", "backslashreplace").decode()
