"""One pool alone on a virtual clock: fast, for trying many floors on the same requests.

The pool manager's rules for a pool that shares nothing: a request takes a vacant
machine or waits in turn; machines are made until those vacant and on their way
cover the floor and who waits, within the maximum; vacant ones above that go; a
machine serves once. :mod:`.replay` lets the manager's own functions decide the same;
a test holds the two against each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf


@dataclass(slots=True)
class Outcome:
    """How a pool did, from ``since`` on."""

    requests: int = 0
    hits: int = 0
    """Served at once from vacant machines."""
    refused: int = 0
    """Waited too long."""
    waits_s: list[float] = field(default_factory=list)
    """Of those served later."""
    vacant_s: float = 0.0
    """Machine-seconds ready and unused."""
    booting_s: float = 0.0
    """Machine-seconds on their way."""
    leased_s: float = 0.0
    """Machine-seconds with a user."""

    @property
    def misses(self) -> int:
        """Requests that found no machine ready."""
        return self.requests - self.hits

    @property
    def idle_h(self) -> float:
        """Machine-hours that existed and served nobody: vacant or on their way."""
        return (self.vacant_s + self.booting_s) / 3600


def run(
    requests: Sequence[tuple[float, float]],
    floors: Sequence[tuple[float, int]],
    boots: Iterator[float],
    *,
    maximum: int,
    end: float,
    since: float = 0.0,
    wait_limit_s: float = 1800.0,
) -> Outcome:
    """Let the pool answer ``requests``.

    Args:
        requests: (time, duration in seconds), in order of time.
        floors: (time, floor from then on), in order of time; the first tells when to begin.
        boots: seconds that each machine takes to be vacant, in the order of making.
        maximum: machines of the pool at any time.
        end: when to stop.
        since: what is before is played and not counted.
        wait_limit_s: who waits for longer is refused.
    """
    told = Outcome()
    booting: list[float] = []  # when each will be vacant
    leased: list[float] = []  # when each lease ends
    waiting: deque[tuple[float, float]] = deque()
    vacant = floor = next_request = next_floor = 0
    now = floors[0][0]
    while True:
        at_request = requests[next_request][0] if next_request < len(requests) else inf
        at_floor = floors[next_floor][0] if next_floor < len(floors) else inf
        at_boot = booting[0] if booting else inf
        at_end = leased[0] if leased else inf
        at_refusal = waiting[0][0] + wait_limit_s if waiting else inf
        at = min(at_request, at_floor, at_boot, at_end, at_refusal, end)
        counted = at - max(now, since)
        if counted > 0:
            told.vacant_s += vacant * counted
            told.booting_s += len(booting) * counted
            told.leased_s += len(leased) * counted
        now = at
        if at >= end:
            return told
        if at_boot == at:
            heappop(booting)
            if waiting:
                asked, duration = waiting.popleft()
                if asked >= since:
                    told.waits_s.append(at - asked)
                heappush(leased, at + duration)
            else:
                vacant += 1
        elif at_end == at:
            heappop(leased)
        elif at_floor == at:
            floor = floors[next_floor][1]
            next_floor += 1
        elif at_request == at:
            next_request += 1
            if at >= since:
                told.requests += 1
            duration = requests[next_request - 1][1]
            if vacant:
                vacant -= 1
                if at >= since:
                    told.hits += 1
                heappush(leased, at + duration)
            else:
                waiting.append((at, duration))
        else:
            waiting.popleft()
            if at - wait_limit_s >= since:
                told.refused += 1
        lacks = floor + len(waiting) - vacant - len(booting)
        room = maximum - vacant - len(booting) - len(leased)
        for _ in range(min(lacks, room)):
            heappush(booting, now + next(boots))
        surplus = vacant - floor - len(waiting)
        if surplus > 0:
            vacant -= surplus
