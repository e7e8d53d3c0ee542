"""The store: opens the ledger; what is done with each kind of rows is a part of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from .agents import AgentRows
from .audit import AuditRows
from .bindings import BindingRows
from .engine import Clock, Database, utc_now
from .history import HistoryRows
from .leases import LeaseRows
from .lifetimes import LifetimeRows
from .machines import MachineRows
from .members import MemberRows
from .pools import PoolRows
from .queries import leases, machines, members, pools, reservations, stock, switches
from .records import Ledger, Stock
from .replicas import ReplicaRows
from .reservations import ReservationRows
from .situation import SituationRows
from .switches import SwitchRows
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
        self.bindings = BindingRows(self.transactions)
        self.pools = PoolRows(self.transactions)
        self.replicas = ReplicaRows(self.transactions)
        self.switches = SwitchRows(self.transactions)
        self.lifetimes = LifetimeRows(self.transactions)
        self.members = MemberRows(self.transactions)
        self.audit = AuditRows(self.transactions)
        self.reservations = ReservationRows(self.transactions)
        self.history = HistoryRows(self.transactions)
        self.situation = SituationRows(self.transactions)
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

    async def stock(self) -> Stock:
        """Everything that a step of the pool manager goes by, as one state."""
        async with self.transactions.read() as tx:
            return Stock(
                now=tx.now,
                machines=tuple(await stock.rows(tx)),
                waiting=tuple(await leases.waiting(tx)),
                backoffs=await pools.backoffs(tx),
                switches=await switches.many(tx),
            )

    async def forget(self, before: datetime) -> None:
        """Remove what ended before a time: leases, their events, deleted machines."""
        async with self.transactions.write() as tx:
            await members.forget(tx, before)
            await leases.forget(tx, before)
            await reservations.forget(tx, before)
            await machines.forget(tx, before)
