"""A production as its folder tells it: what was asked, which stages are finished, and whether their files are whole.

`production.json` is written after each stage. It holds all that is needed to go on, and to make the same again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from angen.audio import read_audio
from angen.enhancement import chain_for
from angen.enhancement.knobs import check_range
from angen.errors import MasteringError, ProductionError
from angen.export import Tags, lrc_text, parse_formats, parse_lrc
from angen.export.sidecar import LARGEST_BYTES, SideCarAdapter
from angen.files import content_hash, write_text
from angen.generation import GenerationRequest
from angen.mastering import MasterPreset
from angen.mastering.presets import preset_named, style_named

PRODUCTION = "production.json"
StageName = Literal["generate", "enhance", "master", "export"]


class ProductionStoppedError(ProductionError):
    """It was asked to stop, and did; finished stages are kept."""

    code = "stopped"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class TagChoices(_Record):
    """What the files are to say of themselves, as `angen.export.Tags`; `timed_lyrics` is an LRC text."""

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    bpm: float | None = None
    key: str = ""
    date: str = ""
    comment: str = ""
    copyright: str = ""
    licence: str = ""
    language: str = ""
    lyrics: str = ""
    timed_lyrics: str = ""

    @classmethod
    def of(cls, tags: Tags) -> Self:
        """The choices that make these tags, as far as they can be chosen."""
        plain = {name: getattr(tags, name) for name in cls.model_fields if name != "timed_lyrics"}
        return cls(**plain, timed_lyrics=lrc_text(tags.timed_lyrics) if tags.timed_lyrics else "")

    def tags(self) -> Tags:
        """The tags."""
        plain = {name: getattr(self, name) for name in type(self).model_fields if name != "timed_lyrics"}
        return Tags(**plain, timed_lyrics=parse_lrc(self.timed_lyrics))


class AdapterUse(_Record):
    """An adapter of the workspace and its strength."""

    name: str
    strength: float = 1.0


class Recording(_Record):
    """A recording that a production starts from."""

    name: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """A recording by its name and content.

        Raises:
            AudioError: If there is no file.
        """
        if not path.is_file():
            read_audio(path)  # says what is wrong
        return cls(name=path.name, sha256=content_hash(path))


class ProductionRequest(_Record):
    """A production that is wanted: all that decides its bytes.

    Attributes:
        generation: The fields of `GenerationRequest`; None where it starts from a recording.
        model: Id of the base model; empty for a recording.
        adapters: Those that act.
        recording: What it starts from instead.
        enhance: Strength of the enhancement, 0 to 1; None for none.
        upscale_hz: Rate to bring it to where its own is not higher; None leaves its rate.
        preset: Of mastering.
        style: Of mastering.
        intensity: Of mastering, 0 to 1.
        formats: As `parse_formats` reads them.
        tags: What the files say.
        ai_mark: Whether they say that a machine made them.
        draws_cover: Whether a cover is drawn.
    """

    generation: dict[str, JsonValue] | None = None
    model: str = ""
    adapters: list[AdapterUse] = Field(default_factory=list)
    recording: Recording | None = None
    enhance: float | None = None
    upscale_hz: int | None = None
    preset: str = "streaming"
    style: str = "balanced"
    intensity: float = 0.5
    formats: list[str] = Field(default_factory=lambda: ["wav24"])
    tags: TagChoices = Field(default_factory=TagChoices)
    ai_mark: bool = True
    draws_cover: bool = True

    @property
    def stages(self) -> tuple[StageName, ...]:
        """The stages it goes through, in order."""
        asks_enhancement = bool(self.enhance) or self.upscale_hz is not None
        return ("generate", "enhance", "master", "export") if asks_enhancement else (
            "generate", "master", "export",
        )  # fmt: skip

    @property
    def first_file(self) -> str:
        """Name of the first stage's file."""
        if self.recording is None:
            return "01-generated.wav"
        return f"01-recording{PurePosixPath(self.recording.name).suffix.lower()}"

    def generation_request(self) -> GenerationRequest:
        """What is asked of the model.

        Raises:
            GenerationError: If a value is out of range.
            ProductionError: If there is none, or it is damaged.
        """
        try:
            return GenerationRequest(**(self.generation or {}))  # type: ignore[arg-type]
        except (TypeError, AttributeError) as error:
            raise ProductionError(
                f"The request for music cannot be used: {error}.", remedy="Start from a prompt."
            ) from error

    def checked(self) -> MasterPreset:
        """Refuse what no stage could do, before the first begins; the preset of mastering.

        Raises:
            ProductionError: If it has both a prompt and a recording, or neither.
            AngenError: That of the room that could not do it.
        """
        if (self.generation is None) == (self.recording is None):
            raise ProductionError(
                "A production starts either from a prompt or from a recording.", remedy="Give one of them."
            )
        if self.recording is None:
            self.generation_request()
        chain_for("mix", self.enhance or 0.0)
        if self.upscale_hz is not None:
            check_range("upscale", {"rate_hz": self.upscale_hz}, rate_hz=(8000, 384_000))
        preset = preset_named(self.preset)
        if preset.needs_reference:
            raise MasteringError(
                f"The preset {self.preset!r} needs a reference, and a production has none.",
                remedy="Choose another preset, or master 02-enhanced.wav with `angen master --reference`.",
            )
        style_named(self.style)
        if not 0 <= self.intensity <= 1:
            raise MasteringError(f"The intensity is {self.intensity:g}.", remedy="Use 0 (least) to 1 (most).")
        parse_formats(",".join(self.formats))
        self.tags.tags()
        return preset


def _inside(name: str) -> str:
    """A name that stays within the production's folder."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise ValueError("a file must be named within the production's folder")
    return name


class StageRecord(_Record):
    """A finished stage.

    Attributes:
        stage: Which.
        files: Its files relative to the folder, with the sha256 of each.
        settings: What it was done with, and what was found.
        warnings: What the owner should know.
        versions: Of this program and the libraries that did it.
    """

    stage: StageName
    files: dict[Annotated[str, AfterValidator(_inside)], str]
    settings: dict[str, JsonValue]
    warnings: list[str] = Field(default_factory=list)
    versions: dict[str, str]


class ProductionRecord(_Record):
    """The content of `production.json`.

    Attributes:
        format_version: Of this record.
        created: ISO time of its beginning.
        asked: What was asked.
        request: The same with everything unsaid filled in; this decides the bytes.
        base_hash: sha256 of the base model; empty for a recording.
        adapters: Those that act, with the hashes of their weights.
        origin: The JSON that lay beside the recording it starts from.
        expected: Where it makes another production again, that one's files with their hashes.
        expected_versions: Of what made that one.
        stages: The finished ones, in order.
    """

    format_version: Literal[1] = 1
    created: str
    asked: ProductionRequest
    request: ProductionRequest
    base_hash: str = ""
    adapters: list[SideCarAdapter] = Field(default_factory=list)
    origin: dict[str, JsonValue] | None = None
    expected: dict[str, str] = Field(default_factory=dict)
    expected_versions: dict[str, str] = Field(default_factory=dict)
    stages: list[StageRecord] = Field(default_factory=list)

    @property
    def files(self) -> dict[str, str]:
        """The files of all finished stages with their hashes."""
        return {name: sha256 for stage in self.stages for name, sha256 in stage.files.items()}

    @property
    def differences(self) -> list[str]:
        """Finished files that are not those expected; side-cars, which hold their time, are not compared."""
        made = self.files
        return [name for name, sha256 in self.expected.items() if made.get(name, sha256) != sha256]


@dataclass(frozen=True)
class Production:
    """A folder and what its `production.json` says."""

    folder: Path
    record: ProductionRecord


def find_recording(wanted: Recording, places: list[Path]) -> Path:
    """The first of some places where a recording is, by its content.

    Raises:
        ProductionError: If it is in none of them.
    """
    for place in places:
        if place.is_file() and content_hash(place) == wanted.sha256:
            return place
    found = ", ".join(repr(str(place)) for place in places if place.is_file())
    raise ProductionError(
        f"The recording {wanted.name!r} ({wanted.sha256[:12]}) that this production starts from is "
        + (f"not the one in {found}." if found else "not there."),
        remedy="Give it again, as it was then.",
    )


def read_production(folder: Path) -> Production:
    """Open a production by its folder.

    Raises:
        ProductionError: If there is none, or its record is damaged.
    """
    path = folder / PRODUCTION
    try:
        return Production(folder, ProductionRecord.model_validate_json(_bytes_of(path)))
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        raise ProductionError(
            f"{str(path)!r} is no record of a production: {short_reason(error)}.",
            remedy="Name the folder of a production, or start a new one.",
        ) from error


def write_production(production: Production) -> None:
    """Write `production.json`, atomically."""
    write_text(production.folder / PRODUCTION, production.record.model_dump_json(indent=2) + "\n")


class SideCarProduction(_Record):
    """A production as the side-car of its export tells it."""

    request: ProductionRequest
    base_hash: str
    adapters: list[SideCarAdapter]
    origin: dict[str, JsonValue] | None
    files: dict[str, str]


def sidecar_production(record: ProductionRecord) -> dict[str, Any]:
    """What the side-car of an export tells of its production, so that it can be made again."""
    return SideCarProduction(
        request=record.request,
        base_hash=record.base_hash,
        adapters=record.adapters,
        origin=record.origin,
        files=record.files,
    ).model_dump(mode="json")


def whole_stages(production: Production) -> tuple[list[StageRecord], list[str]]:
    """The finished stages up to the first with a file that is missing or changed, and what is wrong with that."""
    whole: list[StageRecord] = []
    planned = production.record.request.stages
    for stage, expected in zip(production.record.stages, planned, strict=False):
        problems = [problem for name in stage.files if (problem := _problem(production.folder, stage, name))]
        if problems or stage.stage != expected:
            return whole, problems
        whole.append(stage)
    return whole, []


def set_aside_changed(production: Production) -> list[Path]:
    """Rename files that are not those of their stage any more, so that making them again loses nothing."""
    moved = []
    for name, sha256 in production.record.files.items():
        path = production.folder / name
        if path.is_file() and content_hash(path) != sha256:
            numbers = ("", *(f"-{number}" for number in range(2, 10_000)))
            names = (path.with_name(f"{path.stem}.changed{number}{path.suffix}") for number in numbers)
            target = next(place for place in names if not place.exists())
            path.rename(target)
            moved.append(target)
    return moved


def _problem(folder: Path, stage: StageRecord, name: str) -> str:
    path = folder / name
    if not path.is_file():
        return f"{name} is missing"
    return "" if content_hash(path) == stage.files[name] else f"{name} was changed or damaged"


def _bytes_of(path: Path) -> bytes:
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError("it is larger than 64 MB")
    return path.read_bytes()


def short_reason(error: Exception) -> str:
    """An error in a few words; of a record's many faults the first."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
