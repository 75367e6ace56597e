"""What comes before training, as jobs: a folder of recordings heard, a collection of the catalogue fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from angen.errors import DownloadStoppedError, LicenceNotAcceptedError
from angen.jobs.kinds import AbsolutePath, Context, Params, Stopped
from angen.settings import Settings

if TYPE_CHECKING:
    from angen.catalogue.choosing import Choice

__all__ = ["Annotate", "Collect", "annotate", "check_annotate", "check_collect", "collect"]


class Annotate(Params):
    """As `workflows.annotate.annotate_folder`; `ai` adds the AI pass."""

    folder: AbsolutePath
    ai: bool = False
    engine: Literal["angen", "librosa"] = "angen"


class Collect(Params):
    """As `workflows.curated.download_collection`, and with `prepare` a dataset of it after that.

    `dataset` is its name, the collection's id without; `style` are words that lead every prompt of it.
    """

    collection: str
    subset: str | None = None
    singers: int | None = Field(None, ge=1)
    hours: float | None = Field(None, gt=0)
    pieces: int | None = Field(None, ge=1)
    licences: list[str] = Field(default_factory=list)
    styles: list[str] = Field(default_factory=list)
    seed: int = Field(0, ge=0)
    accept_licence: bool = False
    mirror: str | None = None
    from_file: AbsolutePath | None = None
    prepare: bool = True
    dataset: str | None = None
    style: str = ""
    replace: bool = False

    @property
    def choice(self) -> Choice:
        """Which part."""
        from angen.catalogue.choosing import Choice

        return Choice(
            self.subset,
            self.singers,
            self.hours,
            self.pieces,
            tuple(self.licences),
            tuple(self.styles),
            self.seed,
        )


def check_annotate(settings: Settings, params: Annotate) -> None:
    """Refuse a folder without recordings, or with a damaged table."""
    from angen.workflows.metadata import open_metadata

    open_metadata(settings, Path(params.folder))


def annotate(settings: Settings, params: Annotate, context: Context) -> Any:
    """Hear a folder into its table; each recording that is done is an event."""
    from angen.workflows.analyze import Listening
    from angen.workflows.annotate import annotate_folder

    def on_heard(record: Any) -> None:
        context.event("heard", {"file": Path(record["path"]).name, "error": record.get("error")})

    done = annotate_folder(
        settings, Path(params.folder), Listening(params.engine, params.ai, settings), on_heard=on_heard,
        on_progress=context.report,
    )  # fmt: skip
    return {"folder": str(done.place), "heard": done.heard, "failed": done.failed}


def check_collect(settings: Settings, params: Collect) -> None:
    """Refuse an unknown collection or part of it, a licence not accepted, and a name that is taken."""
    from angen.catalogue.folder import is_licence_accepted
    from angen.catalogue.records import collection
    from angen.dataset import new_name
    from angen.dataset.store import refuse_taken_name

    chosen = collection(params.collection)
    params.choice.refuse_unknown(chosen.filters, chosen.title)
    if not params.accept_licence and not is_licence_accepted(settings.collections, chosen):
        raise LicenceNotAcceptedError(
            f"The licence of {chosen.title} ({chosen.licence or 'none stated'}) has to be accepted first.",
            remedy="Read it, then say that you accept it.",
        )
    if params.prepare:
        refuse_taken_name(
            settings.training_data, new_name(params.dataset or chosen.id), replace=params.replace
        )


def collect(settings: Settings, params: Collect, context: Context) -> Any:
    """Download a collection, on from where it was, and prepare it."""
    from angen.catalogue.records import collection
    from angen.workflows.curated import download_collection
    from angen.workflows.curated_gathering import PrepareOptions
    from angen.workflows.curated_prepare import prepare_collection

    chosen = collection(params.collection)
    try:
        done = download_collection(
            settings, chosen, params.choice, accepts_licence=params.accept_licence, mirror=params.mirror,
            from_file=Path(params.from_file) if params.from_file else None, on_progress=context.show,
            should_stop=context.should_stop,
        )  # fmt: skip
    except DownloadStoppedError:
        context.checkpointed("what came so far is kept")
        raise Stopped from None
    result: dict[str, Any] = {"folder": str(done.folder), "files": done.record.files, "notes": done.notes}
    if params.prepare:
        options = PrepareOptions(style=params.style, replace=params.replace)
        made = prepare_collection(
            settings, chosen, options, name=params.dataset, subset=params.subset, on_progress=context.report
        )
        result["dataset"] = {"folder": str(made.folder), **made.info.model_dump(mode="json")}
    return result
