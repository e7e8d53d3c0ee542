"""What a replay keeps: of each pool its machines, of each day and pool what came of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..allocation.facts import Counts, PoolFacts
from ..model import Needs
from ..store.records import MachineRow
from .one_pool import Outcome
from .trace import Request

_REMEMBERED = 50
"""Boot times of each pool that its refill time is taken from, the newest."""


@dataclass(slots=True)
class Day:
    """One day (UTC) of all pools, for the plot."""

    requests: int = 0
    misses: int = 0
    idle_s: float = 0.0
    leased_s: float = 0.0


@dataclass(slots=True)
class Told:
    """What a replay tells."""

    pools: dict[str, Outcome]
    """For each pool: requests count for the one that would serve them if all were ready."""
    days: dict[int, Day]
    """By days since 1970."""
    impossible: int = 0
    """Requests that no pool could ever serve."""
    since: float = 0.0
    until: float = 0.0


@dataclass(slots=True)
class Waiting:
    """One who waits."""

    request: Request
    needs: Needs
    pool: str


@dataclass(slots=True)
class Stock:
    """The machines of one pool."""

    facts: PoolFacts
    machines: dict[str, MachineRow] = field(default_factory=dict)
    vacant: dict[str, None] = field(default_factory=dict)
    booting: int = 0
    late: int = 0
    """On their way for too long."""
    leased: int = 0
    floor: int = 0
    counted_at: float = 0.0
    hold: bool = False
    boots_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    @property
    def counts(self) -> Counts:
        """What of it could serve somebody now."""
        return Counts(free=len(self.vacant), booting=self.booting)
