"""How many requests came for each pool, hour by hour; each method is one transaction.

It is counted from the leases, hour by hour when an hour is over, and outlives them.
"""

from __future__ import annotations

from datetime import datetime

from .queries import history
from .queries.history import Wanted
from .records import Arrivals
from .transactions import Rows


class HistoryRows(Rows):
    """Counts of requests."""

    async def gather(self, wanted: Wanted) -> datetime | None:
        """Count the requests of hours that are over; until when they are counted now.

        ``wanted`` tells the pool that a request goes to when all are ready. Requests for
        reserved machines do not count. Any replica may do it, as often as it likes.
        """
        async with self._transactions.write() as tx:
            return await history.gather(tx, wanted)

    async def counted_until(self) -> datetime | None:
        """The end of the last hour that was counted; None if none was."""
        async with self._transactions.read() as tx:
            return await history.counted_until(tx)

    async def arrivals(self, since: datetime) -> list[Arrivals]:
        """What came from a time on, oldest first; hours without requests are left out."""
        async with self._transactions.read() as tx:
            return await history.since(tx, since)

    async def forget(self, before: datetime) -> None:
        """Remove hours before a time."""
        async with self._transactions.write() as tx:
            await history.forget(tx, before)
