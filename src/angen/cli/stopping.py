"""Ctrl-C as a wish to stop well: the first one is noted, a second one interrupts at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from angen.cli.console import say


@contextmanager
def stop_on_interrupt(
    what_follows: str = "Stopping after this step, with a checkpoint.",
) -> Iterator[Callable[[], bool]]:
    """While the block runs, SIGINT and SIGTERM only set what the function given tells.

    An exception from a signal can be lost where a library calls back into Python; a wish that is noted cannot.
    """
    asked: list[int] = []

    def note(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        say(f"{what_follows} Once more to stop at once.")

    former = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
