"""The studio page: Gradio over the workflows and jobs, one file for each tab.

Doors call `mount(app, settings, auth=...)`; nothing else of this room is for others. Gradio is imported when they do.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from angen.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

__all__ = ["PATH", "mount", "prepare_environment"]

PATH = "/ui"
MAX_UPLOAD = "2gb"


def mount(
    app: FastAPI, settings: Settings, *, auth: Callable[[Request], str | None] | None = None
) -> FastAPI:
    """Put the page on an app, at `/ui`; `/` leads there.

    Args:
        app: Ours, or a bare one; its middleware guards the page too.
        settings: The workspace.
        auth: Names the user of a request, or None for one who may not come in; without it everybody may.
    """
    prepare_environment(settings)
    import gradio
    from fastapi.responses import RedirectResponse

    from angen.ui.page import build_page
    from angen.ui.theme import CSS, HEAD, theme

    blocks = build_page(settings)
    blocks.queue(max_size=64, default_concurrency_limit=4, api_open=False)
    blocks.has_launched = True  # else Gradio takes any path of the server for an uploaded file

    async def to_page() -> RedirectResponse:
        return RedirectResponse(PATH + "/")

    app.add_api_route("/", to_page, include_in_schema=False)
    gradio.mount_gradio_app(
        app, blocks, path=PATH, root_path=PATH, auth_dependency=auth, max_file_size=MAX_UPLOAD, show_error=False,
        footer_links=[], run_history=False, mcp_server=False, ssr_mode=False, enable_monitoring=False, pwa=False,
        allowed_paths=[], theme=theme(), css=CSS, head=HEAD,
    )  # fmt: skip
    return app


def prepare_environment(settings: Settings) -> None:
    """Import Gradio with no analytics, no hub, and a private folder for files.

    The first call of a process counts: Gradio keeps what it has read. The hub is out of reach for Gradio alone: the
    jobs that this process starts may fetch models.

    Raises:
        ImportError: If the page's packages are not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    if "GRADIO_TEMP_DIR" not in os.environ:
        root = settings.cache / "page"
        root.mkdir(parents=True, exist_ok=True)
        os.environ["GRADIO_TEMP_DIR"] = str(Path(tempfile.mkdtemp(prefix="files-", dir=root)))
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import gradio  # noqa: F401 - it reads the environment now
        import huggingface_hub.constants  # noqa: F401
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
