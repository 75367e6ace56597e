"""Undo and redo: the states a project went through, newest last, bounded.

Projects are immutable and share what did not change, so keeping a hundred of them costs little more than one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from angen.errors import TimelineError
from angen.timeline.records import Project

MOST_STEPS = 100


@dataclass(frozen=True)
class Step:
    """A state of the project, and the edit that led to it in a word or two."""

    project: Project
    label: str


@dataclass(frozen=True)
class History:
    """Where the project is among its states.

    Attributes:
        steps: States in order, at least one, at most `limit` + 1.
        at: The one that is in force.
        limit: How many edits can be undone.

    Example:
        >>> history = History.of(Project(name="a")).done(Project(name="b"), "rename")
        >>> history.undone().project.name, history.undone().redone().project.name
        ('a', 'b')
    """

    steps: tuple[Step, ...]
    at: int
    limit: int = MOST_STEPS

    @classmethod
    def of(cls, project: Project, label: str = "new", *, limit: int = MOST_STEPS) -> History:
        """A history that begins with this project."""
        return cls((Step(project, label),), 0, limit)

    @property
    def project(self) -> Project:
        """The project in force."""
        return self.steps[self.at].project

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier state."""
        return self.at > 0

    @property
    def can_redo(self) -> bool:
        """Whether an edit was undone and none was made since."""
        return self.at + 1 < len(self.steps)

    def done(self, project: Project, label: str) -> History:
        """After an edit: what was undone before is forgotten, and so is the oldest state beyond the limit.

        An edit that changes nothing is no step.
        """
        if project == self.project:
            return self
        kept = (*self.steps[: self.at + 1], Step(project, label))[-self.limit - 1 :]
        return replace(self, steps=kept, at=len(kept) - 1)

    def undone(self) -> History:
        """One edit back.

        Raises:
            TimelineError: If there is none.
        """
        if not self.can_undo:
            raise TimelineError("There is nothing to undo.", remedy=f"The last {self.limit} edits are kept.")
        return replace(self, at=self.at - 1)

    def redone(self) -> History:
        """One undone edit forward.

        Raises:
            TimelineError: If there is none.
        """
        if not self.can_redo:
            raise TimelineError(
                "There is nothing to redo.", remedy="Only what was just undone can be redone."
            )
        return replace(self, at=self.at + 1)
