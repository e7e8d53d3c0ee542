"""How fast transfers are, from what they told lately. Pure: the caller has the clock."""

from __future__ import annotations

from collections import deque

from dms_core.model import Transfer

WINDOW_S = 5.0
"""A rate is the mean of this time, so that it can be read but follows."""


class Rates:
    """The rate of each transfer that is under way."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def take(self, transfer: Transfer, now_s: float) -> None:
        """A transfer as it is at ``now_s``, by any clock that only goes forward."""
        if transfer.state != "running":
            self._seen.pop(transfer.id, None)
            return
        points = self._seen.setdefault(transfer.id, deque())
        points.append((now_s, transfer.done_bytes))
        while len(points) > 2 and points[1][0] <= now_s - WINDOW_S:
            points.popleft()

    def of(self, transfer_id: str) -> float | None:
        """Bytes per second; None while it cannot be told."""
        points = self._seen.get(transfer_id, deque())
        if len(points) < 2 or points[-1][0] <= points[0][0]:
            return None
        (from_s, from_bytes), (to_s, to_bytes) = points[0], points[-1]
        return max(to_bytes - from_bytes, 0) / (to_s - from_s)
