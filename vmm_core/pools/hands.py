"""Operators' hands: a pool is paused and resumed, a cloud drained and taken into use again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import NotFound
from ..mistakes import nearest
from ..model import Switch
from ..store import Store
from ..store.records import Actor
from .inventory import Inventory


class Hands:
    """What operators do to pools and clouds.

    Args:
        store: the ledger.
        inventory: the catalogue with its clouds.
        wake: lets the pool manager step at once.
    """

    def __init__(self, store: Store, inventory: Inventory, wake: Callable[[], None]) -> None:
        self._store = store
        self._inventory = inventory
        self._wake = wake

    async def pause(self, pool: str, by: Actor, reason: str = "") -> None:
        """Let a pool make no machine until it is resumed; leases go on, what is ready is leased.

        Raises:
            NotFound: the catalogue has no such pool.
        """
        self._known("pool", pool, self._inventory.catalogue.pools)
        await self._store.switches.pause(pool, by, reason)
        self._wake()

    async def resume(self, pool: str, by: Actor, reason: str = "") -> None:
        """Let a pool go on, also one that backs off or was stopped after failures: try again now.

        Raises:
            NotFound: the catalogue has no such pool.
        """
        self._known("pool", pool, self._inventory.catalogue.pools)
        await self._store.switches.resume(pool, by, reason)
        self._wake()

    async def drain(self, cloud: str, by: Actor, reason: str = "") -> None:
        """Empty a cloud: it serves nobody, what nobody has is deleted, leases go on to their end.

        Raises:
            NotFound: the catalogue has no such cloud.
        """
        self._known("cloud", cloud, self._inventory.catalogue.clouds)
        await self._store.switches.drain(cloud, by, reason)
        self._wake()

    async def undrain(self, cloud: str, by: Actor, reason: str = "") -> None:
        """Take a cloud into use again.

        Raises:
            NotFound: the catalogue has no such cloud.
        """
        self._known("cloud", cloud, self._inventory.catalogue.clouds)
        await self._store.switches.undrain(cloud, by, reason)
        self._wake()

    @staticmethod
    def _known(kind: str, name: str, known: Iterable[str]) -> None:
        if name not in known:
            raise NotFound(f"there is no {kind} {name!r}: {nearest(name, known)}")


def paused(switches: Iterable[Switch]) -> dict[str, str]:
    """The pools that operators paused, with who did and why."""
    return {s.name: f"paused by {_said(s)}" for s in switches if s.kind == "pool"}


def draining(switches: Iterable[Switch]) -> dict[str, str]:
    """The clouds that operators drain, with who does and why."""
    return {
        s.name: f"cloud {s.name} is drained by {_said(s)}" for s in switches if s.kind == "cloud"
    }


def _said(switch: Switch) -> str:
    since = f"{switch.by} since {switch.since:%Y-%m-%d %H:%M} UTC"
    return f"{since}: {switch.reason}" if switch.reason else since
