"""Files by id: uploads in, whatever the studio made out, with ranges."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as InPath
from starlette.concurrency import run_in_threadpool

from angen.api.bytes_out import BINARY, FileBytes
from angen.api.problems import Refused, responses
from angen.api.records import (
    AssetView,
    IdempotencyKey,
    IfNoneMatch,
    Page,
    PageQuery,
    asset_view,
    is_unchanged,
    page_of,
)
from angen.api.shelf import AssetKind
from angen.api.studio import Studio, StudioDep
from angen.api.uploads import BODY, Received, received

router = APIRouter(prefix="/api/v1/assets", tags=["assets"], responses=responses())

LONGEST_S = 6 * 3600.0
AssetIdPath = Annotated[str, InPath(pattern=r"^[0-9a-f]{20}$", description="Id of an asset.")]
_INLINE = ("audio/", "image/png", "image/jpeg", "application/json", "text/plain")


class AssetsQuery(PageQuery):
    """Which assets."""

    kind: AssetKind | None = None


@router.get("")
def list_assets(studio: StudioDep, query: Annotated[AssetsQuery, Query()]) -> Page[AssetView]:
    """List files, the newest first."""
    found, after = page_of(
        studio.shelf.list(query.kind), query, lambda one: f"{2**63 - one.changed_ns:020d}{one.id}"
    )
    return Page(items=[asset_view(one) for one in found], next=after)


@router.post("", status_code=201, openapi_extra=BODY, responses={200: {"model": AssetView}})
async def upload_asset(
    studio: StudioDep,
    request: Request,
    response: Response,
    name: Annotated[str | None, Query(min_length=1, max_length=200, description="Of the file.")] = None,
    key: IdempotencyKey = None,
) -> AssetView:
    """Upload a recording: decoded to its end before it is kept. The same key and bytes give the same asset (200)."""
    async with received(studio, request, name) as upload:
        view, is_new = await run_in_threadpool(_keep, studio, upload, key)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/api/v1/assets/{view.id}"
    return view


@router.get("/{asset_id}")
def get_asset(studio: StudioDep, asset_id: AssetIdPath) -> AssetView:
    """What is known of a file."""
    return asset_view(studio.shelf.get(asset_id))


@router.get(
    "/{asset_id}/content",
    response_class=FileBytes,
    responses=BINARY,
)
def get_content(
    studio: StudioDep,
    asset_id: AssetIdPath,
    if_none_match: IfNoneMatch = None,
    range_: Annotated[str | None, Header(alias="Range", max_length=200, description="bytes=0-1023")] = None,
) -> Response:
    """A file's bytes, or a part of them. What a browser might run comes as a download."""
    asset = studio.shelf.get(asset_id)
    headers = {"ETag": asset.etag, "Content-Security-Policy": "sandbox", "Cache-Control": "private, no-cache"}
    if is_unchanged(asset.etag, if_none_match):
        return Response(status_code=304, headers=headers)
    is_harmless = asset.media_type.startswith(_INLINE)
    return FileBytes(
        asset.path, stat_result=asset.path.stat(), media_type=asset.media_type, filename=asset.path.name,
        headers=headers,
        content_disposition_type="inline" if is_harmless else "attachment",
    )  # fmt: skip


@router.delete("/{asset_id}", status_code=204, response_class=Response)
def delete_asset(studio: StudioDep, asset_id: AssetIdPath) -> Response:
    """Delete an upload, or an output; what belongs to a project or an adapter goes with that."""
    asset = studio.shelf.get(asset_id)
    if asset.kind not in ("upload", "output"):
        raise Refused(
            409,
            "asset-kept",
            f"Its {asset.kind} keeps this file.",
        )
    asset.path.unlink(missing_ok=True)
    if asset.kind == "upload":
        shutil.rmtree(asset.path.parent, ignore_errors=True)
    return Response(status_code=204)


def _keep(studio: Studio, upload: Received, key: str | None) -> tuple[AssetView, bool]:
    """Move an upload to its place, once it is known to be sound."""
    from angen.audio import check_audio
    from angen.errors import AudioError
    from angen.files import content_hash

    named = upload.path.with_name(upload.name)
    upload.path.rename(named)
    try:
        check_audio(named, max_duration_s=LONGEST_S)
    except AudioError as error:  # its path is not what its sender calls it
        error.message = error.message.replace(error.path, upload.name)
        raise
    folder = studio.shelf.uploads / (
        secrets.token_hex(8) if key is None else hashlib.sha256(key.encode()).hexdigest()[:16]
    )
    with studio.edits:
        there = _only_file(folder)
        if there is None:
            folder.mkdir(exist_ok=True)
            named.rename(folder / upload.name)
            studio.counts.uploaded_bytes += upload.size
    if there is not None and content_hash(there) != content_hash(named):
        raise Refused(
            409, "key-used", "This idempotency key stands for another upload.", remedy="Use a new key."
        )
    asset = studio.shelf.asset_of(there or folder / upload.name)
    assert asset is not None
    return asset_view(asset), there is None


def _only_file(folder: Path) -> Path | None:
    return next((path for path in folder.glob("*") if path.is_file()), None) if folder.is_dir() else None
