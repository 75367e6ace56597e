"""What can go wrong, as a tree. A door renders these; nothing else parses their prose.

    AngenError
    ├── AudioError            a recording cannot be used: names the file
    │   ├── MissingFileError
    │   ├── NotAFileError         a folder or device where a file was expected
    │   ├── EmptyFileError        zero bytes, or no samples
    │   ├── UnreadableAudioError  not a sound file, or a damaged one
    │   ├── TruncatedAudioError   shorter than its own header says
    │   ├── SilentAudioError
    │   └── TooShortError
    ├── DatasetError          a dataset is missing, empty or inconsistent
    ├── ModelError            weights missing, damaged, or of another shape
    ├── AdapterError          an adapter is missing, foreign, or named twice
    ├── TrainingError         a run cannot start or go on
    ├── GenerationError       a request for music cannot be met
    ├── LyricsError           lyrics cannot be written or sung
    │   └── EndpointError         a language model did not answer as it should
    │       ├── EndpointUnreachableError, EndpointTimeoutError, EndpointKeyError, EndpointModelError
    │       └── EndpointBusyError, EndpointFailedError, EndpointReplyError
    ├── TimelineError         a project is damaged, or an edit impossible
    ├── EnhancementError      a recording cannot be enhanced or upscaled so
    │   ├── StoppedError          it was asked to stop
    │   └── PluginError           a program could not be started, or failed
    │       └── PluginTimeoutError, PluginOutputError
    ├── MasteringError        a recording cannot be mastered so
    ├── ExportError           music cannot be written in that format or place
    ├── ProductionError       a production cannot begin, go on, or be made again
    └── SettingsError         a path or variable of the environment is unusable

`EndpointError`, `PluginError`, `StoppedError` and what is under them are defined in their rooms
(`angen.lyrics.endpoint`, `angen.enhancement`). Every message says what was given and what was expected; `remedy`
says what to do about it.
"""

from __future__ import annotations

from pathlib import Path


class AngenError(Exception):
    """Anything Angen refuses to do, with its remedy.

    Args:
        message: What was given and what was expected.
        remedy: What the reader can do now, as a sentence.
    """

    code = "error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def as_dict(self) -> dict[str, str]:
        """The error as a record for `--json` output: `type`, `message`, `remedy`."""
        return {"type": self.code, "message": self.message, "remedy": self.remedy}


class AudioError(AngenError):
    """A recording that cannot be used.

    Args:
        path: The file at fault.
        message: What is wrong with it, without its name.
        remedy: What to do about it.
    """

    code = "audio"

    def __init__(self, path: str | Path, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{str(path)!r}: {message}", remedy=remedy)
        self.path = str(path)


class MissingFileError(AudioError):
    """There is nothing at this path."""

    code = "audio-missing"


class NotAFileError(AudioError):
    """A folder or device stands where a file was expected."""

    code = "audio-not-a-file"


class EmptyFileError(AudioError):
    """The file has no bytes, or no samples."""

    code = "audio-empty"


class UnreadableAudioError(AudioError):
    """Not a sound file we know, or a damaged one."""

    code = "audio-unreadable"


class TruncatedAudioError(AudioError):
    """The file ends before its own header says it should."""

    code = "audio-truncated"


class SilentAudioError(AudioError):
    """Nothing is to be heard in it."""

    code = "audio-silent"


class TooShortError(AudioError):
    """Too short to learn from."""

    code = "audio-too-short"


class DatasetError(AngenError):
    """A dataset is missing, empty, or does not fit what is asked of it."""

    code = "dataset"


class ModelError(AngenError):
    """Weights are missing, damaged, or of another shape than their configuration."""

    code = "model"


class AdapterError(AngenError):
    """An adapter is missing, foreign to this base, or its name is taken."""

    code = "adapter"


class TrainingError(AngenError):
    """A training run cannot start or go on."""

    code = "training"


class GenerationError(AngenError):
    """A request for music cannot be met."""

    code = "generation"


class LyricsError(AngenError):
    """Lyrics cannot be written, read or sung."""

    code = "lyrics"


class TimelineError(AngenError):
    """A project is missing or damaged, or an edit of it is impossible."""

    code = "timeline"


class EnhancementError(AngenError):
    """A recording cannot be enhanced or upscaled as asked."""

    code = "enhancement"


class MasteringError(AngenError):
    """A recording cannot be mastered as asked."""

    code = "mastering"


class ExportError(AngenError):
    """Music cannot be written in this format or to this place."""

    code = "export"


class ProductionError(AngenError):
    """A production cannot begin, go on, or be made again."""

    code = "production"


class SettingsError(AngenError):
    """A path or variable of the environment cannot be used."""

    code = "settings"
