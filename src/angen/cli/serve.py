"""`angen serve`: the HTTP API for scripts and other programs; `angen studio` has the page too."""

from __future__ import annotations

from typing import Annotated

import typer

from angen.cli.console import JsonOption, print_json, say
from angen.cli.server_options import HostOption, NameOption, PortOption, TokenFileOption
from angen.settings import load_settings


def serve(
    host: HostOption = "127.0.0.1",
    port: PortOption = 7860,
    token_file: TokenFileOption = None,
    name: NameOption = None,
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
