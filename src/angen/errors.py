"""What can go wrong, as a tree. A door renders these; nothing else parses their prose.

    AngenError
    ├── AudioError            a recording cannot be used: names the file
    │   ├── MissingFileError
    │   ├── NotAFileError         a folder or device where a file was expected
    │   ├── EmptyFileError        zero bytes, or no samples
    │   ├── UnreadableAudioError  not a sound file, or a damaged one
    │   ├── TruncatedAudioError   shorter than its own header says
    │   ├── SilentAudioError
    │   ├── TooShortError
    │   └── TooLongError
    ├── DatasetError          a dataset is missing, empty or inconsistent
    ├── MetadataError         what a user says of a recording is not possible, or cannot be read
    ├── DownloadError         a file cannot be fetched from where it is said to be
    │   ├── LicenceNotAcceptedError  its licence has to be accepted first
    │   ├── DownloadStoppedError  it was asked to stop; what came so far is kept
    │   ├── DownloadRefusedError  the server says no: `status`
    │   ├── WebPageError          a page came in place of the file: a quota, a login
    │   ├── WrongFileError        not the size or the hash that is expected
    │   ├── DamagedArchiveError   an archive that cannot be unpacked
    │   └── UnsafeArchiveError    an archive that would write where it should not, or without end
    ├── ScoreError            a MIDI file cannot be used: `reason` is a word to count by
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
    ├── JobError              a job cannot be queued, changed or followed
    │   ├── JobNotFoundError      there is none of this id
    │   └── JobStoreError         the database of jobs is damaged, full, newer, or not to be written to
    ├── UploadError           a file that is handed in cannot be taken
    │   └── TooLargeError         it is larger, or lasts longer, than is allowed
    ├── ConflictError         what is to be changed was changed by someone else meanwhile
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


class TooLongError(AudioError):
    """Longer than is taken."""

    code = "audio-too-long"


class DatasetError(AngenError):
    """A dataset is missing, empty, or does not fit what is asked of it."""

    code = "dataset"


class MetadataError(AngenError):
    """What a user says of a recording is not possible, or a file of such words cannot be read."""

    code = "metadata"


class DownloadError(AngenError):
    """A file cannot be fetched, or is not what it should be."""

    code = "download"


class LicenceNotAcceptedError(DownloadError):
    """The licence of a collection has to be accepted before its first byte is fetched."""

    code = "licence-not-accepted"


class DownloadStoppedError(DownloadError):
    """The user asked to stop; what came so far is kept."""

    code = "download-stopped"


class DownloadRefusedError(DownloadError):
    """The server refuses the file, and asking again would not help.

    Args:
        message: What was asked for, and the answer.
        status: The HTTP status.
        remedy: What to do about it.
    """

    code = "download-refused"

    def __init__(self, message: str, *, status: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class WebPageError(DownloadError):
    """A web page came in place of the file: a quota is used up, or a login is asked for."""

    code = "download-web-page"


class WrongFileError(DownloadError):
    """A file of another size or hash than is expected."""

    code = "download-wrong-file"


class DamagedArchiveError(DownloadError):
    """An archive that cannot be read to its end, or lacks what it should hold."""

    code = "archive-damaged"


class UnsafeArchiveError(DownloadError):
    """An archive with links, devices, names that leave its folder, or far more inside than outside."""

    code = "archive-unsafe"


class ScoreError(AngenError):
    """A MIDI file that cannot be used.

    Args:
        reason: Why, as a word to count by: "broken", "drums-only".
        message: What was found and what was expected.
    """

    code = "score"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


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


class JobError(AngenError):
    """A job cannot be queued, changed or followed."""

    code = "job"


class JobNotFoundError(JobError):
    """There is no job of this id."""

    code = "job-missing"


class JobStoreError(JobError):
    """The database of jobs is damaged, full, of a newer Angen, or cannot be written to."""

    code = "job-store"


class UploadError(AngenError):
    """A file that is handed in cannot be taken: its set, its name, or what is in it."""

    code = "upload"


class TooLargeError(UploadError):
    """A file that is handed in is larger, or lasts longer, than is allowed."""

    code = "upload-too-large"


class ConflictError(AngenError):
    """What is to be changed was changed by someone else since it was read."""

    code = "conflict"


class SettingsError(AngenError):
    """A path or variable of the environment cannot be used."""

    code = "settings"
