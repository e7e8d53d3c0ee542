"""How things stand, for operators: read in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..model import Machine
from .queries import replicas, situation
from .records import Replica
from .transactions import Rows


@dataclass(frozen=True, slots=True)
class Situation:
    """How things stand."""

    now: datetime
    replicas: Sequence[Replica]
    leased: int
    waiting_since: Sequence[datetime]
    held: Sequence[Machine]


class SituationRows(Rows):
    """What operators look at."""

    async def now(self) -> Situation:
        """How things stand now."""
        async with self._transactions.read() as tx:
            return Situation(
                now=tx.now,
                replicas=await replicas.many(tx),
                leased=await situation.leased(tx),
                waiting_since=await situation.waiting_since(tx),
                held=await situation.held(tx),
            )
