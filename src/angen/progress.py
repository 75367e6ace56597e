"""How long work reports itself: a record, a callback, and the time that is left.

Work of any room calls `on_progress(Progress(...))`; a door draws it. Nothing here knows of a terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Eta", "Progress", "ProgressCallback", "no_progress"]


@dataclass(frozen=True)
class Progress:
    """How far one stage of a longer work is.

    Attributes:
        stage: What is being done, as a word or two: "analysing", "training".
        done: How much of it is done, in any unit; 0 at the start.
        total: How much there is to do in the same unit; 0 or less where that is not known.
        note: A few words about this moment: the file, the loss.

    Example:
        >>> Progress("training", 25, 100).fraction
        0.25
    """

    stage: str
    done: float
    total: float
    note: str = ""

    @property
    def fraction(self) -> float:
        """The part that is done, in [0, 1]; 0 where the total is not known."""
        if self.total <= 0:
            return 0.0
        return min(1.0, max(0.0, self.done / self.total))


ProgressCallback = Callable[[Progress], None]


def no_progress(progress: Progress) -> None:
    """Report to nobody."""


@dataclass
class Eta:
    """Says when a stage will end, from its mean speed since it began.

    A new stage, or a stage that starts again, starts the clock again. What was already done when the clock
    started (a resumed run) does not count as speed.

    Args:
        clock: Seconds that only grow; a test brings its own.

    Example:
        >>> now = iter([0.0, 10.0])
        >>> eta = Eta(clock=lambda: next(now))
        >>> eta.remaining_s(Progress("training", 0, 100)), eta.remaining_s(Progress("training", 20, 100))
        (None, 40.0)
    """

    clock: Callable[[], float] = time.monotonic
    _stage: str | None = field(default=None, init=False)
    _total: float = field(default=0.0, init=False)
    _first_done: float = field(default=0.0, init=False)
    _last_done: float = field(default=0.0, init=False)
    _started_s: float = field(default=0.0, init=False)

    def remaining_s(self, progress: Progress) -> float | None:
        """Seconds until the stage of `progress` ends; `None` while that cannot be said."""
        now = self.clock()
        is_new = progress.stage != self._stage or progress.total != self._total
        if is_new or progress.done < self._last_done:
            self._stage, self._total = progress.stage, progress.total
            self._first_done, self._started_s = progress.done, now
        self._last_done = progress.done
        gained = progress.done - self._first_done
        if progress.total <= 0 or gained <= 0:
            return None
        return max(0.0, (progress.total - progress.done) * (now - self._started_s) / gained)
