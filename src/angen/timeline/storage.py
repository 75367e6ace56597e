"""Projects on disk: one folder each.

    projects/NAME/
        project.json            the project
        project.previous.json   the last good copy before the last save
        history.json            what can be undone and redone
        audio/                  recordings that were copied in

Every file is written whole or not at all. A damaged project is never overwritten and never guessed at: loading
names the field that is wrong, and `recover_project` sets the damaged file aside and goes back to the last good one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from angen.errors import TimelineError
from angen.files import safe_name, write_text
from angen.timeline.edits import first_problem
from angen.timeline.history import MOST_STEPS, History, Step
from angen.timeline.records import FORMAT_VERSION, Clip, Project

PROJECT, PREVIOUS, HISTORY = "project.json", "project.previous.json", "history.json"
LARGEST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Loaded:
    """A project as it was found.

    Attributes:
        history: The project and what can be undone.
        folder: Its folder.
        notes: What its owner should know: a history that could not be read.
    """

    history: History
    folder: Path
    notes: tuple[str, ...] = ()

    @property
    def project(self) -> Project:
        """The project in force."""
        return self.history.project


def project_folder(root: Path, name: str) -> Path:
    """The folder of a project by its name.

    Raises:
        TimelineError: If the name is no plain file name.
    """
    if not name or safe_name(name) != name:
        raise TimelineError(
            f"{name!r} cannot be the name of a project.", remedy=f"Use a name like {safe_name(name)!r}."
        )
    return root / name


def list_projects(root: Path) -> list[str]:
    """Names of the projects in a folder, sorted."""
    if not root.is_dir():
        return []
    return sorted(folder.name for folder in root.iterdir() if (folder / PROJECT).is_file())


def project_json(project: Project) -> str:
    """The project as readable JSON."""
    return json.dumps(project.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def save_project(folder: Path, history: History) -> None:
    """Save a project and its history, atomically; the project that was there is kept as the last good copy.

    A crash at any moment leaves a project that loads: the old one or the new one.
    """
    current = folder / PROJECT
    if current.is_file():
        try:
            old = _read(current)
        except TimelineError:
            old = None  # a damaged file never becomes the good copy
        if old is not None and old != history.project:
            write_text(folder / PREVIOUS, project_json(old))
    write_text(current, project_json(history.project))
    write_text(folder / HISTORY, _history_json(history))


def load_project(folder: Path) -> Loaded:
    """Load a project with its history.

    A history that is missing, damaged, or behind the project (a crash between two files, an edit by hand) costs
    nothing but steps of undo; the notes say so.

    Raises:
        TimelineError: If there is no project, or it is damaged: the message names the field.
    """
    path = folder / PROJECT
    if not path.is_file() and not (folder / PREVIOUS).is_file():
        raise TimelineError(
            f"There is no project {folder.name!r} in {str(folder.parent)!r}.",
            remedy="`angen timeline list` names those that are there; `angen timeline new` makes one.",
        )
    project = _read(path)
    try:
        history = _read_history(folder / HISTORY)
    except FileNotFoundError:
        return Loaded(History.of(project, "opened"), folder)
    except (OSError, ValueError, KeyError, TypeError, IndexError, TimelineError) as error:
        note = f"The history of {folder.name!r} is damaged and begins anew ({type(error).__name__})."
        return Loaded(History.of(project, "opened"), folder, (note,))
    if history.project == project:
        return Loaded(history, folder)
    return Loaded(history.done(project, "changed outside"), folder)


def recover_project(folder: Path) -> Loaded:
    """Go back to the last good copy of a project that is damaged; the damaged file is kept beside it.

    Raises:
        TimelineError: If the project is not damaged, or there is no good copy.
    """
    path, previous = folder / PROJECT, folder / PREVIOUS
    try:
        _read(path)
    except TimelineError:
        pass
    else:
        raise TimelineError(
            f"The project {folder.name!r} is not damaged.", remedy="Use `angen timeline undo`."
        )
    good = _read(previous)
    if path.exists():
        number = next(n for n in range(1, 10**6) if not (folder / f"project.damaged-{n}.json").exists())
        path.rename(folder / f"project.damaged-{number}.json")
    write_text(path, project_json(good))
    return load_project(folder)


def _read(path: Path) -> Project:
    """A project from a file; every fault names its place."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise _damaged(path, "it is larger than any project")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise _damaged(path, "it is missing") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, f"it cannot be read ({error})") from error
    try:
        version = json.loads(text).get("format_version")
    except (ValueError, AttributeError, RecursionError) as error:
        raise _damaged(path, f"it is no JSON object ({error})") from error
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise TimelineError(
            f"{str(path)!r} has format {version}; this Angen knows {FORMAT_VERSION}.",
            remedy="Open it with a newer Angen.",
        )
    try:
        return Project.model_validate_json(text)
    except ValidationError as error:
        raise _damaged(path, first_problem(error)) from error


def _damaged(path: Path, what: str) -> TimelineError:
    good = path.name == PROJECT and (path.parent / PREVIOUS).is_file()
    return TimelineError(
        f"The project file {str(path)!r} is damaged: {what}.",
        remedy=f"`angen timeline recover {path.parent.name}` goes back to the last good copy."
        if good
        else "Mend the file by hand or from a copy.",
    )


class _HistoryFile(BaseModel):
    """All states of a project, each clip written once: a state refers to its clips by number."""

    model_config = ConfigDict(extra="forbid", strict=True)

    at: int
    labels: list[str]
    clips: list[dict[str, Any]]
    states: list[dict[str, Any]]


def _history_json(history: History) -> str:
    clips: list[Clip] = []
    numbers: dict[Clip, int] = {}
    states = []
    for step in history.steps:
        for clip in step.project.clips():
            if numbers.setdefault(clip, len(clips)) == len(clips):
                clips.append(clip)
        tracks = [
            {
                **track.model_dump(mode="json", exclude={"clips"}),
                "clips": [numbers[clip] for clip in track.clips],
            }
            for track in step.project.tracks
        ]
        states.append({**step.project.model_dump(mode="json", exclude={"tracks"}), "tracks": tracks})
    written = _HistoryFile(
        at=history.at,
        labels=[step.label for step in history.steps],
        clips=[clip.model_dump(mode="json") for clip in clips],
        states=states,
    )
    return json.dumps(written.model_dump(), ensure_ascii=False) + "\n"


def _read_history(path: Path) -> History:
    found = _HistoryFile.model_validate_json(path.read_text(encoding="utf-8"))
    steps = []
    for label, state in zip(found.labels, found.states, strict=True):
        tracks = [
            {**track, "clips": [found.clips[number] for number in track["clips"]]}
            for track in state["tracks"]
        ]
        steps.append(Step(Project.model_validate_json(json.dumps({**state, "tracks": tracks})), label))
    if not 0 <= found.at < len(steps) <= MOST_STEPS + 1:
        raise ValueError("no such step")
    return History(tuple(steps), found.at)
