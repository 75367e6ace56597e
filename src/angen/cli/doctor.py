"""`angen doctor`: what is missing on this machine."""

from __future__ import annotations

import typer

from angen.cli.console import JsonOption, print_json, printable


def doctor(json: JsonOption = False) -> None:
    """Look for what Angen needs on this machine, and say what to do about what is missing.

    The exit code is 1 if something essential is missing or broken.
    """
    from angen.workflows.doctor import examine_machine

    checks = []
    for check in examine_machine():
        checks.append(check)
        if not json:
            mark = "ok" if check.is_ok else "FAIL" if check.is_essential else "warn"
            typer.echo(f"{mark:5} {check.name}: {printable(check.found)}")
            if not check.is_ok:
                typer.echo(f"      {printable(check.remedy)}")
    is_able = all(check.is_ok for check in checks if check.is_essential)
    if json:
        print_json({"is_able": is_able, "checks": [check.as_dict() for check in checks]}, indent=2)
    if not is_able:
        raise typer.Exit(1)
