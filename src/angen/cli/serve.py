"""`angen serve`: the HTTP API for scripts and other programs; `angen studio` has the page too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from angen.cli.console import JsonOption, print_json, say
from angen.settings import load_settings


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen at; beyond this machine a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any that is free.")] = 7860,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token, made if it is not there.",
            show_default="none here, the workspace's beyond",
        ),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="A further name of this machine; may be given again.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="An origin whose pages may use the API; may be given again.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Serve the HTTP API until Ctrl-C. Jobs go on without it. With --json the address is printed as JSON.

    The documentation is at /docs, the schema at /openapi.json.
    """
    settings = load_settings()
    try:
        from angen.api import Access, create_app
        from angen.api import serve as listen
    except ImportError as error:
        from angen.errors import SettingsError

        raise SettingsError(
            f"The server's packages are not installed: {error.name}.", remedy="pip install 'angen[server]'"
        ) from error

    access = Access.of(
        settings, host, port, token_file=token_file, names=tuple(name or ()), origins=tuple(origin or ())
    )

    def on_ready(url: str) -> None:
        if json:
            print_json({"url": url, "docs": f"{url}/docs", "needs_token": access.token is not None})
        say(f"The API listens at {url}; its documentation is at {url}/docs")

    listen(create_app(settings, access), access, on_ready=on_ready)
