"""`angen assets`: soundfonts, weights and other files that tools need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from angen.cli.console import JsonOption, print_json, print_table, printable, say, show_progress
from angen.cli.stopping import stop_on_interrupt
from angen.settings import load_settings

if TYPE_CHECKING:
    from angen.workflows.assets import AssetState

app = typer.Typer(no_args_is_help=True, help="Soundfonts, weights and other files that tools need.")


@app.command("list")
def list_all(json: JsonOption = False) -> None:
    """List what can be fetched, and what is there."""
    from angen.workflows.assets import list_assets

    states = list_assets(load_settings())
    if json:
        print_json([_record(state) for state in states], indent=2)
        return
    rows = [
        [
            state.asset.id,
            state.asset.kind,
            f"{(state.asset.bytes or 0) / 1e6:.0f} MB",
            state.asset.licence,
            f"{state.origin}: {state.path}" if state.path else "-",
        ]
        for state in states
    ]
    print_table(["id", "kind", "fetch", "licence", "here"], rows)


@app.command()
def fetch(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID...]", help="Which; those marked as usual without.", show_default=False),
    ] = None,
    mirror: Annotated[str | None, typer.Option("--mirror", help="Fetch from this address instead.")] = None,
    from_file: Annotated[Path | None, typer.Option("--from", help="A file that was fetched by hand.")] = None,
    json: JsonOption = False,
) -> None:
    """Fetch assets, verify them, and keep them in the workspace."""
    from angen.catalogue.records import assets
    from angen.workflows.assets import fetch_asset

    known = assets()
    for id_ in ids or []:
        if id_ not in known:
            raise typer.BadParameter(f"{id_!r} is none of {', '.join(known)}.", param_hint="ID")
    chosen = [known[id_] for id_ in ids] if ids else [asset for asset in known.values() if asset.default]
    if from_file is not None and len(chosen) != 1:
        raise typer.BadParameter("name the one asset that it is.", param_hint="--from")
    states = []
    with (
        stop_on_interrupt("Stopping; what came so far is kept.") as should_stop,
        show_progress() as on_progress,
    ):
        for asset in chosen:
            say(
                f"{asset.title}, licence {asset.licence}, {(asset.bytes or 0) / 1e6:.0f} MB, sha256 {asset.sha256}"
            )
            states.append(
                fetch_asset(
                    load_settings(),
                    asset,
                    mirror=mirror,
                    from_file=from_file,
                    on_progress=on_progress,
                    should_stop=should_stop,
                )
            )
    if json:
        print_json([_record(state) for state in states], indent=2)
    else:
        for state in states:
            typer.echo(f"{state.asset.id}: {printable(str(state.path))}")


def _record(state: AssetState) -> dict[str, Any]:
    return {
        **state.asset.model_dump(mode="json"),
        "here": state.origin,
        "path": None if state.path is None else printable(str(state.path)),
        "seen_sha256": state.sha256,
        "is_verified": state.is_verified,
    }
