"""Which cached files go when room is needed. Pure: a snapshot in, names out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """What eviction needs to know of one cached file."""

    name: str
    cached_bytes: int
    last_used_s: float
    pinned: bool = False
    busy: bool = False  # open, or bytes on their way into it


@dataclass(frozen=True, slots=True)
class Watermarks:
    """When to start and how far to go, as fractions of the limit.

    Between the two nothing is evicted, so that a full cache does not evict at
    every block.
    """

    limit_bytes: int
    high: float = 0.95
    low: float = 0.85

    def excess(self, used_bytes: int, wanted_bytes: int) -> int:
        """How much must go before ``wanted_bytes`` may come; 0 if there is room as it is."""
        if used_bytes + wanted_bytes <= self.high * self.limit_bytes:
            return 0
        return max(used_bytes + wanted_bytes - int(self.low * self.limit_bytes), 0)


def choose(candidates: Iterable[Candidate], excess_bytes: int) -> list[str]:
    """The least recently used files that free ``excess_bytes``, or all that may go.

    Pinned and busy files are never named.
    """
    chosen: list[str] = []
    if excess_bytes <= 0:
        return chosen
    free = [one for one in candidates if one.cached_bytes and not (one.pinned or one.busy)]
    for one in sorted(free, key=lambda one: (one.last_used_s, one.name)):
        if excess_bytes <= 0:
            break
        chosen.append(one.name)
        excess_bytes -= one.cached_bytes
    return chosen
