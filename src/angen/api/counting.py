"""What the server counts of itself, and how `/metrics` tells it: the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

from starlette.types import Scope

__all__ = ["MEDIA_TYPE", "Counts", "metric"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Counts:
    """Requests by method, route and status, how long they took, and open streams."""

    def __init__(self) -> None:
        self.started = time.time()
        self.streams = 0
        self.uploaded_bytes = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._below = [0] * (len(_BOUNDS_S) + 1)
        self._total_s = 0.0
        self._guard = threading.Lock()

    def request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request. Its route, never its path: a label must not take values without end."""
        route = getattr(scope.get("route"), "path", "") or "other"
        with self._guard:
            self._requests[scope["method"], route, status] += 1
            if not route.endswith("/events"):
                self._below[bisect_left(_BOUNDS_S, seconds)] += 1
                self._total_s += seconds

    def lines(self) -> Iterable[str]:
        """All counts, in the format of Prometheus."""
        with self._guard:
            requests, below, total_s = dict(self._requests), list(self._below), self._total_s
        labelled = {
            f'method="{method}",route="{route}",status="{status}"': count
            for (method, route, status), count in sorted(requests.items())
        }
        yield from metric("angen_http_requests_total", "counter", "Requests answered.", labelled)
        name = "angen_http_request_seconds"
        yield from (
            f"# HELP {name} Time to the end of an answer, streams aside.",
            f"# TYPE {name} histogram",
        )
        count = 0
        for bound, one in zip((*_BOUNDS_S, "+Inf"), below, strict=True):
            count += one
            yield f'{name}_bucket{{le="{bound}"}} {count}'
        yield from (f"{name}_sum {total_s:.6f}", f"{name}_count {count}")
        yield from metric("angen_http_streams", "gauge", "Open event streams.", {"": self.streams})
        yield from metric(
            "angen_uploaded_bytes_total", "counter", "Bytes of uploads kept.", {"": self.uploaded_bytes}
        )
        up = {"": round(time.time() - self.started, 3)}
        yield from metric("angen_uptime_seconds", "gauge", "Since the server began.", up)


def metric(name: str, kind: str, about: str, values: Mapping[str, float]) -> Iterable[str]:
    """Lines of one metric, its values by their labels.

    Example:
        >>> list(metric("angen_jobs", "gauge", "Jobs.", {'state="queued"': 2}))[-1]
        'angen_jobs{state="queued"} 2'
    """
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values.items():
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"
