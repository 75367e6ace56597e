"""`angen studio`: the page, and the HTTP API under it, in the browser of this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from angen.cli.console import JsonOption, print_json, say
from angen.cli.server_options import HostOption, NameOption, PortOption, TokenFileOption
from angen.errors import SettingsError
from angen.settings import load_settings


def studio(
    host: HostOption = "127.0.0.1",
    port: PortOption = 7860,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    token_file: TokenFileOption = None,
    name: NameOption = None,
    json: JsonOption = False,
) -> None:
    """Open the studio page. Ctrl-C stops the server; jobs go on, and the page finds them again.

    The HTTP API is at the same address. With --json the address is printed as JSON.
    """
    settings = load_settings()
    try:
        from angen.api import Access, create_app, serve
        from angen.ui import PATH, mount, prepare_environment

        prepare_environment(settings)
    except ImportError as error:
        raise SettingsError(
            f"The page's packages are not installed: {error.name}.", remedy="pip install 'angen[ui]'"
        ) from error
    access = Access.of(settings, host, port, token_file=token_file, names=tuple(name or ()))
    app = create_app(settings, access)
    mount(app, settings, auth=access.user_of)

    def on_ready(url: str) -> None:
        page = f"{url}{PATH}/"
        if json:
            print_json({"url": page, "api": url, "needs_token": access.token is not None})
        say(f"The studio is at {page}  (Ctrl-C stops it; jobs go on)")
        if not no_browser:
            import webbrowser

            webbrowser.open(page)

    serve(app, access, on_ready=on_ready)
