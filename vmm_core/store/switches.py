"""Operators' hands on pools and clouds; each method is one transaction."""

from __future__ import annotations

from ..model import Switch
from .queries import audit, pools, switches
from .records import Actor
from .transactions import Rows


class SwitchRows(Rows):
    """What operators paused or drain: it outlives the service and counts for all replicas."""

    async def all(self) -> tuple[Switch, ...]:
        """All that are set."""
        async with self._transactions.read() as tx:
            return await switches.many(tx)

    async def pause(self, pool: str, by: Actor, reason: str) -> None:
        """Let a pool make nothing until it is resumed."""
        async with self._transactions.write() as tx:
            await switches.put(tx, "pool", pool, "paused", by.name, reason)
            await audit.note(tx, by, "pause", subject=pool, detail=reason)

    async def resume(self, pool: str, by: Actor, reason: str) -> None:
        """Let a pool go on, and try again what it backs off from."""
        async with self._transactions.write() as tx:
            await switches.remove(tx, "pool", pool)
            await pools.resume(tx, pool)
            await audit.note(tx, by, "resume", subject=pool, detail=reason)

    async def drain(self, cloud: str, by: Actor, reason: str) -> None:
        """Let a cloud be emptied of what nobody has, and serve nobody."""
        async with self._transactions.write() as tx:
            await switches.put(tx, "cloud", cloud, "draining", by.name, reason)
            await audit.note(tx, by, "drain", subject=cloud, detail=reason)

    async def undrain(self, cloud: str, by: Actor, reason: str) -> None:
        """Let a cloud serve again."""
        async with self._transactions.write() as tx:
            await switches.remove(tx, "cloud", cloud)
            await audit.note(tx, by, "undrain", subject=cloud, detail=reason)
