"""Options of the commands that serve: where to listen, and who may come in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HostOption = Annotated[str, typer.Option(help="Address to listen at; beyond this machine a token is needed.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any that is free.")]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        help="File with the token, made if it is not there.",
        show_default="none here, the workspace's beyond",
    ),
]
NameOption = Annotated[
    list[str] | None, typer.Option(help="A further name of this machine; may be given again.")
]
