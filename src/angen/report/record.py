"""The report of a run as a record: what `report.json` holds, and what a page or an API reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from angen.errors import AdapterError
from angen.files import write_text

REPORT = "report.json"

Level = Literal["clear", "watch", "alarm"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Verdict(_Record):
    """What a gauge says.

    Attributes:
        level: `clear`, `watch` (listen with care) or `alarm`.
        words: Why, for a musician, with its numbers.
    """

    level: Level
    words: str


class TrainPoint(_Record):
    """A logged step: its loss, the mean of the last twenty, and the rate."""

    step: int = Field(ge=1)
    loss: float
    mean_loss: float
    rate: float


class ValidationPoint(_Record):
    """Held-out loss at a step, as a whole and by flow time."""

    step: int = Field(ge=0)
    loss: float
    loss_by_time: dict[str, float]


class StyleGauge(_Record):
    """How near the music comes to the clips; smaller is nearer.

    Attributes:
        base: Fréchet distance of the base's pieces to the clips, in style features.
        adapter: The same of the adapter's.
        floor: The same for as many windows of the songs against each other.
        codec: The same for clips sent through the model's codec alone.
        latent_base: Fréchet distance of the base's latent frames to the clips'.
        latent_adapter: The same of the adapter's.
        latent_floor: The same of as many frames of the songs against each other.
        windows: Windows measured on each side.
        verdict: In words.
    """

    base: float
    adapter: float
    floor: float
    codec: float
    latent_base: float
    latent_adapter: float
    latent_floor: float
    windows: int
    verdict: Verdict


class Near(_Record):
    """The place in the training songs a piece comes nearest to.

    Attributes:
        space: `latent`, or `sound` (log-mel bands).
        distance: 1 minus the correlation of the two windows: 0 a copy, about 1 unrelated.
        usual: The distance that is near even between different songs (see `MemorisationGauge`).
        song: The training song.
        clip: The clip of it.
        song_s: Where the window starts in the song.
        piece_s: Where it starts in the piece.
        semitones: How much faster than the song the piece plays it.
        level: What `distance / usual` says.
    """

    space: Literal["latent", "sound"]
    distance: float
    usual: float
    song: str
    clip: str
    song_s: float
    piece_s: float
    semitones: int = 0
    level: Level

    @property
    def ratio(self) -> float:
        """Distance as a share of what is usual."""
        return self.distance / max(self.usual, 1e-9)


class MemorisationGauge(_Record):
    """Whether the adapter plays its training songs back.

    Attributes:
        window_s: Length of the windows compared.
        usual_latent: The 10 % quantile of how near pieces of other songs, and of the base, come in latents.
        usual_sound: The same in sound.
        songs_compared: Pieces of real songs behind it.
        alarms: Samples that ring.
        watches: Samples to listen to.
        gap_base: Held-out loss less training loss of the base, measured alike.
        gap_adapter: The same of the adapter.
        gap_grown: By how much the gap grew, as a share of the base's held-out loss.
        verdict: In words.
    """

    window_s: float
    usual_latent: float
    usual_sound: float
    songs_compared: int
    alarms: int
    watches: int
    gap_base: float
    gap_adapter: float
    gap_grown: float
    verdict: Verdict


class ForgettingGauge(_Record):
    """Whether the adapter still knows what the base did.

    Attributes:
        base_loss: Loss of the base on its own music, fixed noise and times; None for a base without.
        adapter_loss: The same with the adapter.
        change: Their relation, 0 for no change.
        pieces: Pieces of the base's own music.
        pull_inside: How far the adapter moves pieces of its own style towards the clips, 0 not at all, 1 all the way.
        pull_outside: The same for pieces of other styles.
        outside: The prompts of those.
        verdict: In words.
    """

    base_loss: float | None
    adapter_loss: float | None
    change: float | None
    pieces: int
    pull_inside: float
    pull_outside: float
    outside: list[str]
    verdict: Verdict


class SamplePair(_Record):
    """A request played by base and adapter from the same seed, and where the adapter's comes near to a song.

    Attributes:
        prompt: What was asked for.
        seed: Of the noise.
        tempo_bpm: As asked for, if it was.
        seconds: Length.
        base: File name of the base's piece, beside the report.
        adapter: File name of the adapter's.
        at_strength: File names of the adapter's at other strengths, by strength.
        nearest: In latents and in sound; empty for prompts outside the style.
        is_outside: Whether the prompt is of another style.
    """

    prompt: str
    seed: int
    tempo_bpm: float | None
    seconds: float
    base: str
    adapter: str
    at_strength: dict[str, str] = {}
    nearest: list[Near] = []
    is_outside: bool = False


class RunReport(_Record):
    """Everything a report tells, but the sound."""

    format_version: Literal[1] = 1
    created: str
    adapter: str
    measured: str
    base: str
    base_hash: str
    base_licence: str
    dataset: str
    dataset_hash: str
    licence: str | None
    non_commercial: bool | None = None
    attribution: list[str] = []
    style_words: str
    songs: int
    clips: int
    clip_seconds: float
    config: dict[str, Any]
    versions: dict[str, str]
    steps: int
    best_step: int
    seconds_training: float
    seconds_report: float
    noise_scale: float
    guidance: float | None
    train: list[TrainPoint]
    validations: list[ValidationPoint]
    learning: Verdict
    style: StyleGauge
    memorisation: MemorisationGauge
    forgetting: ForgettingGauge
    samples: list[SamplePair]
    notes: list[str] = []

    @property
    def base_score(self) -> ValidationPoint:
        """Held-out loss at step 0."""
        return self.validations[0]

    @property
    def best_score(self) -> ValidationPoint:
        """Held-out loss of `best/`."""
        return next(point for point in self.validations if point.step == self.best_step)


def write_record(folder: Path, report: RunReport) -> None:
    """Write `report.json` into a folder, atomically."""
    write_text(folder / REPORT, report.model_dump_json(indent=2) + "\n")


def read_report(folder: Path) -> RunReport:
    """Read the report in a folder.

    Raises:
        AdapterError: If there is none, or it is damaged.
    """
    try:
        return RunReport.model_validate_json((folder / REPORT).read_text(encoding="utf-8"))
    except FileNotFoundError as problem:
        raise AdapterError(
            f"There is no report in {folder}.", remedy="Write one with `angen adapter report NAME`."
        ) from problem
    except (OSError, ValueError) as problem:
        raise AdapterError(
            f"The report in {folder} cannot be read: {str(problem)[:200]}.",
            remedy="Write it again with `angen adapter report NAME`.",
        ) from problem
