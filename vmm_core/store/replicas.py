"""What is done with the rows of the service's processes; each method is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from .queries import replicas
from .records import Replica
from .transactions import Rows


@dataclass(frozen=True, slots=True)
class Beat:
    """What a replica saw when it said that it lives."""

    known: bool
    """False: the others thought that it is gone, and took what it had; it has joined again."""
    others: int
    """How many others run."""
    buried: tuple[str, ...]
    """Those that it found gone."""


class ReplicaRows(Rows):
    """The processes of the service that run."""

    async def join(self, replica_id: str, url: str, *, gone_s: float) -> float:
        """Write a replica's row; by how many seconds its clock is ahead of the database's.

        Others that have not been seen for ``gone_s`` lose what they had.
        """
        async with self._transactions.write() as tx:
            ahead_s = await replicas.ahead_s(tx)
            await replicas.join(tx, replica_id, url)
            await replicas.bury(tx, seen_before=tx.now - timedelta(seconds=gone_s))
            await replicas.sweep(tx)
            return ahead_s

    async def beat(self, replica_id: str, url: str, *, gone_s: float) -> Beat:
        """Note that a replica lives, and take from those that are gone what they had."""
        async with self._transactions.write() as tx:
            known = await replicas.beat(tx, replica_id)
            if not known:
                await replicas.join(tx, replica_id, url)
            buried = await replicas.bury(tx, seen_before=tx.now - timedelta(seconds=gone_s))
            return Beat(known, len(await replicas.many(tx)) - 1, tuple(buried))

    async def sweep(self) -> int:
        """Take machines from replicas that have no row at all; how many."""
        async with self._transactions.write() as tx:
            return await replicas.sweep(tx)

    async def leave(self, replica_id: str) -> None:
        """Take from a replica that stops what it had: its agents dial another at once."""
        async with self._transactions.write() as tx:
            await replicas.leave(tx, replica_id)

    async def all(self) -> list[Replica]:
        """All that run, oldest first."""
        async with self._transactions.read() as tx:
            return await replicas.many(tx)

    async def of_machine(self, machine_id: str) -> Replica | None:
        """The replica that a machine's agent is connected to."""
        async with self._transactions.read() as tx:
            return await replicas.of_machine(tx, machine_id)
