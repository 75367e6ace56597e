"""Recordings apart, as a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from angen.jobs.kinds import Context, Stopped
from angen.jobs.music import Files, own_place
from angen.jobs.training import expect_some
from angen.settings import Settings

__all__ = ["Separate", "check_separate", "separate"]


class Separate(Files):
    """As `workflows.stems.separate_files`; `out` is a folder."""

    model: Literal["spleeter", "htdemucs"] = "spleeter"


def check_separate(settings: Settings, params: Separate) -> None:
    """Refuse recordings that are not there, and a model whose package is missing."""
    from angen.workflows.stems import require_model

    expect_some(params.files)
    require_model(params.model)


def separate(settings: Settings, params: Separate, context: Context) -> Any:
    """Take recordings apart; the weights are fetched the first time."""
    from angen.enhancement import StoppedError
    from angen.workflows.stems import separate_files

    out = Path(params.out) if params.out else own_place(settings, context, "-stems")
    try:
        done = separate_files(
            params.paths, out, model=params.model, on_progress=context.report, should_stop=context.should_stop
        )
    except StoppedError as error:
        raise Stopped from error
    return {"folder": str(done.folder), "files": done.records}
