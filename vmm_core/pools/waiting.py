"""What the pool manager does for those who wait: gives, explains, and in the end refuses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from ..allocation.facts import Counts
from ..store import Store
from ..store.records import Stock
from .inventory import Inventory
from .policy import Policy


class Waiting:
    """Those who wait, seen from the pools."""

    def __init__(self, store: Store, inventory: Inventory, policy: Policy) -> None:
        self._store = store
        self._inventory = inventory
        self._policy = policy
        self._explained: object = None

    async def serve(self, stock: Stock, vacant: int) -> bool:
        """Give them what is vacant, and refuse who waits for too long; whether any was."""
        if not stock.waiting:
            return False
        served = 0
        if vacant:
            served = await self._store.leases.serve(self._inventory.decide)
        limit_s, refused = self._policy.wait_limit_s, False
        for waiting in stock.waiting:
            if stock.now - waiting.since < timedelta(seconds=limit_s):
                break  # the oldest come first
            refused |= await self._store.leases.refuse(
                waiting.lease,
                f"no machine came free within {limit_s:g} s: ask again, or for something else",
                waits_for=timedelta(seconds=limit_s),
            )
        return bool(served) or refused

    async def explain(
        self,
        stock: Stock,
        counts: Mapping[str, Counts],
        leased: int,
    ) -> None:
        """Tell them when a place that could serve them gets into trouble, or out.

        Nothing is asked of the store as long as nothing changed that it would tell of.
        """
        if not stock.waiting:
            return
        key = (
            tuple(waiting.lease for waiting in stock.waiting),
            tuple(sorted(self._inventory.silent.items())),
            frozenset(pool for pool, found in counts.items() if found != Counts()),
            self._inventory.facts(),
            leased,
        )
        if key != self._explained:
            self._explained = key
            await self._store.leases.explain_all(self._inventory.decide)
