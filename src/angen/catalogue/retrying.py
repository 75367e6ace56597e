"""When to try again: waits that grow, and what the server itself asks for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class TransientError(Exception):
    """A failure that may pass. `wait_s` is what the server asks for, or None."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Patience:
    """How long to go on trying.

    Attributes:
        attempts: Failures in a row, none of which brought the file any further, after which to give up.
        first_wait_s: Seconds before the second attempt; each further one waits twice as long.
        longest_wait_s: No wait is longer, whatever the server asks for.
        timeout_s: Seconds without a byte after which a connection counts as broken.
    """

    attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 120.0
    timeout_s: float = 30.0

    def wait_s(self, failures: int, asked_s: float | None = None) -> float:
        """Seconds to wait after some failures in a row.

        Example:
            >>> [Patience().wait_s(failures) for failures in (1, 2, 3, 20)]
            [1.0, 2.0, 4.0, 120.0]
        """
        own_s = self.first_wait_s * 2.0 ** max(0, min(failures, 30) - 1)
        return min(self.longest_wait_s, max(own_s, asked_s or 0.0))

    def wait(self, failures: int, asked_s: float | None, should_stop: Callable[[], bool]) -> None:
        """Wait, unless asked to stop meanwhile."""
        until = time.monotonic() + self.wait_s(failures, asked_s)
        while not should_stop() and (left := until - time.monotonic()) > 0:
            time.sleep(min(0.1, left))


def retry_after_s(value: str | None) -> float | None:
    """The seconds of a `Retry-After` header, which holds a number or a date (RFC 9110, 10.2.3).

    Example:
        >>> retry_after_s("7"), retry_after_s("soon"), retry_after_s(None)
        (7.0, None, None)
    """
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
