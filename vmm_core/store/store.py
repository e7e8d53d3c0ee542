"""The store: opens the ledger; what is done with each kind of rows is a part of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from .agents import AgentRows
from .engine import Clock, Database, utc_now
from .leases import LeaseRows
from .machines import MachineRows
from .pools import PoolRows
from .queries import leases, machines, pools
from .records import Ledger
from .transactions import Transactions


class Store:
    """The ledger in a database, ``sqlite+aiosqlite:///…`` or ``postgresql+asyncpg://…``."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock = utc_now,
        transactions: Callable[[Database], Transactions] = Transactions,
    ) -> None:
        """``transactions`` gives out those of the database."""
        self.now = clock
        self._database = Database(url, clock)
        self.transactions = transactions(self._database)
        self.machines = MachineRows(self.transactions)
        self.agents = AgentRows(self.transactions)
        self.leases = LeaseRows(self.transactions)
        self.pools = PoolRows(self.transactions)
        self._installation = ""

    @property
    def installation(self) -> str:
        """The name under which this installation tags its machines; known once open."""
        return self._installation

    async def open(self) -> None:
        """Connect and migrate.

        Raises:
            Unavailable: the database cannot be used, with the remedy.
        """
        await self._database.open()
        async with self.transactions.write() as tx:
            self._installation = await pools.installation_id(tx)

    async def close(self) -> None:
        """Close all connections."""
        await self._database.close()

    async def ledger(self) -> Ledger:
        """Everything that plans are made of, as one state."""
        async with self.transactions.read() as tx:
            return Ledger(
                now=tx.now,
                machines=tuple(await machines.many(tx)),
                waiting=tuple(await leases.waiting(tx)),
                backoffs=await pools.backoffs(tx),
            )

    async def forget(self, before: datetime) -> None:
        """Remove what ended before a time: leases, their events, deleted machines."""
        async with self.transactions.write() as tx:
            await leases.forget(tx, before)
            await machines.forget(tx, before)
