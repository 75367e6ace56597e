"""What the Generate tab asks for, as one record, and the jobs that come of it.

With *compare*, two jobs with one seed: the base and the base with its adapters. What the adapters would fill in by
themselves (tempo, noise, guidance) is filled in for both, so that the adapter's weights are all that differs.
"""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from angen.errors import AngenError, GenerationError, ModelError
from angen.files import safe_name
from angen.jobs import Job
from angen.settings import Settings
from angen.ui.context import Page
from angen.ui.history import Piece
from angen.workflows.production import PRODUCTION

__all__ = ["BASES", "Wish", "base_choices", "submit_wish", "wish_of"]

BASES = ("angen-tiny", "diffrhythm2")


@dataclass(frozen=True)
class Wish:
    """Everything the tab asks for.

    Attributes:
        prompt: What it should be.
        lyrics: What is sung; empty for nothing.
        model: One of `BASES`.
        adapters: Names and strengths.
        seconds: Length.
        seed: Of the noise.
        tempo_bpm: None for the prompt's, else the adapter's.
        guidance: None for the adapter's, else the model's.
        steps: Of the sampler.
        noise_scale: Deviation of the starting noise; None for the adapter's, else the model's.
        form: Sections in proportion.
        ending: Whether it ends within its length.
        style_file: A recording whose style is taken, from the root.
        style_dataset: A dataset whose mean style is taken.
        compare: Whether the base is made too.
        produce: Whether it is enhanced, mastered and exported too.
        enhance: Strength of the enhancement; 0 for none.
        preset: Of mastering.
        style: Of mastering.
        intensity: Of mastering.
        formats: Of the export.
    """

    prompt: str
    lyrics: str = ""
    model: str = "angen-tiny"
    adapters: tuple[tuple[str, float], ...] = ()
    seconds: float = 30.0
    seed: int = 0
    tempo_bpm: float | None = None
    guidance: float | None = None
    steps: int = 16
    noise_scale: float | None = None
    form: str = ""
    ending: bool = False
    style_file: str | None = None
    style_dataset: str | None = None
    compare: bool = False
    produce: bool = False
    enhance: float = 0.5
    preset: str = "streaming"
    style: str = "balanced"
    intensity: float = 0.5
    formats: tuple[str, ...] = ("wav24",)

    def checked(self, settings: Settings) -> None:
        """Refuse what cannot be, before anything is queued.

        Raises:
            AngenError: Naming the field.
        """
        if self.model not in BASES:
            raise ModelError(
                f"There is no model {self.model!r}.", remedy=f"Choose one of {', '.join(BASES)}."
            )
        if self.model == "angen-tiny" and self.lyrics.strip():
            raise GenerationError(
                "angen-tiny makes music without singing, and cannot take the lyrics.",
                remedy="Choose diffrhythm2 as the model, or empty the lyrics.",
            )
        if self.model == "angen-tiny" and (self.style_file or self.style_dataset):
            raise GenerationError(
                "angen-tiny takes no style reference: its style comes from words and adapters.",
                remedy="Take the reference away, train an adapter on that music, or choose diffrhythm2.",
            )
        if self.style_file and self.style_dataset:
            raise GenerationError("There are two style references.", remedy="Keep the file or the dataset.")
        if self.produce and (self.style_file or self.style_dataset):
            raise GenerationError(
                "A finished production takes no style reference.",
                remedy="Switch “Finish it” off, and master the piece afterwards.",
            )
        if self.compare and not self.acting:
            raise GenerationError(
                "There is nothing to compare: no adapter acts.",
                remedy="Choose an adapter, or switch comparing off.",
            )
        if len({name for name, _ in self.adapters}) < len(self.adapters):
            raise GenerationError("One adapter is chosen twice.", remedy="Choose it once, with one strength.")
        self._ready(settings)

    @property
    def acting(self) -> tuple[tuple[str, float], ...]:
        """The adapters whose strength is not 0."""
        return tuple((name, strength) for name, strength in self.adapters if strength)

    def _ready(self, settings: Settings) -> None:
        if self.model == "angen-tiny":
            return
        from angen.workflows.models import list_models

        status = next(one for one in list_models(settings) if one.id == self.model)
        if not status.is_ready:
            raise ModelError(
                f"{self.model} is not here yet: {status.detail}.", remedy=f"In a terminal: {status.remedy}."
            )

    def request(self) -> dict[str, Any]:
        """The request as a job takes it."""
        names = (
            "prompt",
            "seconds",
            "seed",
            "tempo_bpm",
            "steps",
            "guidance",
            "noise_scale",
            "form",
            "ending",
            "lyrics",
        )
        return {name: getattr(self, name) for name in names}


def base_choices(settings: Settings) -> list[tuple[str, str]]:
    """The bases with what has to be known of each."""
    from angen.model.hub import DIFFRHYTHM2, cached_folder

    words = "" if cached_folder(DIFFRHYTHM2) else f", {DIFFRHYTHM2.size_bytes / 1e9:.0f} GB to fetch first"
    return [
        ("angen-tiny (music, any computer)", "angen-tiny"),
        (f"diffrhythm2 (songs{words})", "diffrhythm2"),
    ]


def submit_wish(page: Page, wish: Wish) -> list[Job]:
    """Queue what is wished for: one job, or two with the same seed.

    Raises:
        AngenError: If it cannot begin; nothing is queued then.
    """
    wish.checked(page.settings)
    stem = f"{safe_name(wish.prompt)[:48].rstrip('-._')}-"
    if not wish.compare:
        return [_submit(page, wish, wish.request(), wish.adapters, f"{stem}{secrets.token_hex(4)}")]
    request, take = _shared_request(page.settings, wish), f"{stem}take-{secrets.token_hex(4)}"
    base = _submit(page, wish, request, (), f"{take}-base")
    try:
        return [base, _submit(page, wish, request, wish.adapters, f"{take}-adapter")]
    except AngenError:
        page.store.cancel(base.id)
        raise


def _shared_request(settings: Settings, wish: Wish) -> dict[str, Any]:
    """The request with what the adapters would fill in, so that the base is asked for exactly the same."""
    from angen.adapters import adapter_folder, read_info
    from angen.generation import GenerationRequest
    from angen.workflows.generate import with_adapter_defaults

    infos = [read_info(adapter_folder(settings.loras, name)) for name, _ in wish.acting]
    return with_adapter_defaults(GenerationRequest(**wish.request()), infos).as_dict()


def _submit(
    page: Page, wish: Wish, request: dict[str, Any], adapters: tuple[tuple[str, float], ...], name: str
) -> Job:
    used = [{"name": one, "strength": float(strength)} for one, strength in adapters]
    params: dict[str, Any] = {"request": request, "adapters": used, "model": wish.model}
    place = page.settings.outputs / f"{datetime.now(UTC):%Y-%m-%d}" / name
    who = " + ".join(one for one, strength in adapters if strength) or "base"
    title = f"{wish.prompt[:50]} ({who}, seed {wish.seed})"
    if wish.produce:
        params |= {
            "enhance": wish.enhance or None, "upscale_hz": 48_000, "preset": wish.preset, "style": wish.style,
            "intensity": wish.intensity, "formats": list(wish.formats), "out": str(place),
        }  # fmt: skip
        return page.submit("produce", params, title=f"Produce {title}")
    params |= {
        "style_file": wish.style_file, "style_dataset": wish.style_dataset,
        "out": f"{place}.wav",
    }  # fmt: skip
    return page.submit("generate", params, title=f"Generate {title}")


def wish_of(piece: Piece) -> Wish:
    """The settings a piece was made with, from the files beside it.

    Raises:
        GenerationError: If nothing beside it says so.
    """
    request = piece.request
    if not isinstance(request.get("prompt"), str):
        raise GenerationError(
            f"Nothing beside {piece.path.name!r} says how it was made.", remedy="Choose a generated piece."
        )
    known = {field.name: field for field in dataclasses.fields(Wish)}
    values = {name: request[name] for name in request if name in known and request[name] is not None}
    values["lyrics"] = request.get("lyrics") or ""
    model = piece.record.get("model")
    wish = Wish(
        **{**values, "adapters": tuple(piece.adapters), "model": model if model in BASES else "angen-tiny"}
    )
    return _with_production(piece, wish)


def _with_production(piece: Piece, wish: Wish) -> Wish:
    if not (piece.path.parent / PRODUCTION).is_file():
        return wish
    from angen.workflows.production import read_production

    try:
        asked = read_production(piece.path.parent).record.asked
    except AngenError:  # damaged: the piece itself can still be made again
        return wish
    return dataclasses.replace(
        wish, produce=True, enhance=asked.enhance or 0.0, preset=asked.preset, style=asked.style,
        intensity=asked.intensity, formats=tuple(asked.formats),
    )  # fmt: skip
