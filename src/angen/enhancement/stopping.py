"""Work that was asked to stop."""

from __future__ import annotations

from angen.errors import EnhancementError


class StoppedError(EnhancementError):
    """It was asked to stop, and did; nothing already written is lost."""

    code = "stopped"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was stopped.", remedy="Start it again when you want it to go on.")
