"""What the tab "User audio training" does: plain functions of the workspace and of what is on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angen.errors import AngenError, JobError, UploadError
from angen.settings import Settings
from angen.ui.cuts import cuts_html
from angen.ui.problems import Told
from angen.ui.table import Desk, Sheet, open_sheet, save_sheet
from angen.workflows.analyze import Listening, analyze_files
from angen.workflows.metadata import open_metadata
from angen.workflows.uploads import (
    UploadLimits,
    add_recording,
    create_set,
    list_sets,
    open_set,
    recording_path,
)

__all__ = [
    "FIRST_SET", "PrepareWishes", "add_files", "add_sample", "cuts_of", "files_of", "known_set", "load_sheet",
    "prepare_params", "sample_songs", "save_table", "set_names", "state_words",
]  # fmt: skip

FIRST_SET = "my-music"
SAMPLE_SET = "sample-songs"
LONGEST_CLIP_S = 30.0
WHOLE_SONGS_S = 3600.0


@dataclass(frozen=True)
class PrepareWishes:
    """What the page asks of a preparation, unchecked.

    Attributes:
        dataset: Its name.
        splits: Whether songs are cut into clips.
        min_s: Shortest clip.
        max_s: Longest clip.
        stems: Whether to separate the voice first.
        replace: Whether to take the place of a dataset of that name.
    """

    dataset: str
    splits: bool = True
    min_s: float = 10.0
    max_s: float = LONGEST_CLIP_S
    stems: bool = False
    replace: bool = False


def set_names(settings: Settings) -> list[str]:
    """Names of the sets there are."""
    return [one.name for one in list_sets(settings)]


def known_set(settings: Settings, name: str | None) -> str:
    """This set if it is there, else the first; "" where there is none."""
    names = set_names(settings)
    return name if name in names else (names[0] if names else "")


def files_of(settings: Settings, name: str) -> list[str]:
    """The recordings of a set."""
    return [recording.file for recording in open_set(settings, name).files] if name else []


def add_files(
    settings: Settings, name: str, files: Sequence[Path], limits: UploadLimits | None = None
) -> tuple[str, Told]:
    """Put uploaded files into a set, made if there is none; what cannot be taken is told, and the others stay.

    Returns:
        The name of the set, and what became of the files.
    """
    if not files:
        raise UploadError("Nothing was uploaded.", remedy="Drop sound files on the field, or click it.")
    name = name or FIRST_SET
    if name not in set_names(settings):
        name = create_set(settings, name).name
    problems: list[AngenError] = []
    taken = 0
    for file in files:
        try:
            add_recording(settings, name, file, file.name, limits)
            taken += 1
        except AngenError as error:
            problems.append(_named(error, file))
    words = f"{taken} recording{'s' * (taken != 1)} added to {name}." if taken else ""
    return name, Told(words, problems=problems)


def add_sample(settings: Settings) -> tuple[str, list[dict[str, Any]]]:
    """Make the set of sample songs: those of the repository, or else jobs that generate some.

    Returns:
        The name of the set, and the parameters of the jobs that are to be submitted for it.
    """
    if SAMPLE_SET not in set_names(settings):
        create_set(settings, SAMPLE_SET)
    folder = open_set(settings, SAMPLE_SET).folder
    songs = sample_songs()
    for song in songs:
        add_recording(settings, SAMPLE_SET, song, song.name)
    there = set(files_of(settings, SAMPLE_SET))
    wanted = (
        [] if songs else [prompt for prompt in _SAMPLE_PROMPTS if f"{prompt.split()[0]}.wav" not in there]
    )
    jobs = [
        {
            "request": {"prompt": prompt, "seconds": 20.0, "seed": number},
            "out": str(folder / f"{prompt.split()[0]}.wav"),
        }
        for number, prompt in enumerate(wanted, start=1)
    ]
    return SAMPLE_SET, jobs


_SAMPLE_PROMPTS = (
    "calypso with steel drums, happy, 112 bpm",
    "waltz for piano, calm, 90 bpm",
    "funk, lively, 105 bpm",
)


def sample_songs() -> list[Path]:
    """The sample songs of the repository, where Angen runs from one."""
    import angen

    folder = Path(angen.__file__).parents[2] / "examples" / "calypso"
    return sorted(folder.glob("*.ogg")) if folder.is_dir() else []


def load_sheet(settings: Settings, name: str, desk: Desk) -> Sheet | None:
    """What is stored of a set, with what this browser has typed; None where the set is empty or there is none."""
    if not name or not files_of(settings, name):
        return None
    return open_sheet(open_metadata(settings, open_set(settings, name).folder), desk.sheets.get(name))


def save_table(settings: Settings, name: str, sheet: Sheet) -> Told:
    """Store what was typed; see `table.save_sheet`."""
    if not name:
        raise UploadError("There is no set of recordings yet.", remedy="Upload recordings first.")
    count = sheet.unsaved
    if not count:
        return Told("There was nothing to save.")
    save_sheet(open_metadata(settings, open_set(settings, name).folder), sheet)
    return Told(f"Saved {count} change{'s' * (count != 1)}.")


def cuts_of(settings: Settings, name: str, file: str) -> tuple[Path, str]:
    """A recording, and the drawing of where it would be cut."""
    path = recording_path(settings, name, file)
    metadata = open_metadata(settings, open_set(settings, name).folder)
    record = next((one for one in metadata.draft.records if one.file == file), None)
    clips: list[list[float]] = []
    if record is not None and record.sha256 is not None:  # it was heard, so this is read from the cache
        heard = next(iter(analyze_files([path], how=Listening(settings=settings))))
        clips = heard.get("segments", [])
    return path, cuts_html(path, clips)


def prepare_params(settings: Settings, name: str, wishes: PrepareWishes) -> dict[str, Any]:
    """The parameters of the job that prepares a dataset of a set.

    Raises:
        AngenError: If there is nothing to prepare, or a wish is not possible.
    """
    if not files_of(settings, name):
        raise UploadError("There are no recordings to prepare.", remedy="Upload some first.")
    if not str(wishes.dataset or "").strip():
        raise JobError("The dataset has no name.", remedy="Write one into 'Name of the dataset'.")
    shortest, longest = _lengths(wishes)
    params: dict[str, Any] = {
        "name": str(wishes.dataset).strip(), "files": [str(open_set(settings, name).folder)], "min_s": shortest,
        "max_s": longest, "stems": bool(wishes.stems), "replace": bool(wishes.replace),
    }  # fmt: skip
    return params


def state_words(settings: Settings, name: str) -> str:
    """What there is of a set, and what is to be done next, as a sentence or two."""
    if not name:
        return (
            "There are no recordings yet. Drop some on the field above: the more songs of one style, the better; "
            "ten minutes in all is a good beginning. Or try the sample songs."
        )
    files = open_set(settings, name).files
    if not files:
        return f"The set {name} is empty. Drop recordings on the field above."
    seconds = sum(recording.duration_s or 0.0 for recording in files)
    metadata = open_metadata(settings, open_set(settings, name).folder)
    heard = sum(record.sha256 is not None for record in metadata.draft.records)
    begun = f"{len(files)} recording{'s' * (len(files) != 1)}, {seconds / 60:.1f} minutes."
    if heard < len(files):
        return f"{begun} {heard} analysed. Next: Analyze & Generate Metadata."
    return (
        f"{begun} All are analysed. Correct the table where it is wrong, save it, then prepare the dataset."
    )


def _lengths(wishes: PrepareWishes) -> tuple[float, float]:
    try:
        shortest, longest = float(wishes.min_s), float(wishes.max_s)
    except (TypeError, ValueError) as error:
        raise JobError("The lengths of clips are not numbers.", remedy="Give seconds.") from error
    if not wishes.splits:
        return 1.0, WHOLE_SONGS_S
    if not 1.0 <= shortest <= longest <= 600.0:
        raise JobError(
            f"Clips of {shortest:g} to {longest:g} s are not possible.",
            remedy="The shortest is at least 1 s, the longest at most 600 s and not below the shortest.",
        )
    return shortest, longest


def _named(error: AngenError, file: Path) -> AngenError:
    """The error with the file's own name where it names our copy of it."""
    return AngenError(error.message.replace(repr(str(file)), repr(file.name)), remedy=error.remedy)
