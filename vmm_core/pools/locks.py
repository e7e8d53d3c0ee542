"""Which pools are worked here: a lock for each in the ledger, which runs out by itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from ..store import Store
from .policy import Policy


class Locks:
    """The locks of one manager."""

    def __init__(self, store: Store, policy: Policy, holder: str) -> None:
        self._store = store
        self._policy = policy
        self._holder = holder
        self._held: frozenset[str] = frozenset()
        self._taken_at: datetime | None = None

    async def take(self, pools: Collection[str], now: datetime) -> frozenset[str]:
        """Take or keep the locks of these pools; those that are ours.

        What was read before of pools that are ours since now is out of date.

        The ledger is not asked as long as all are, and are good for a while yet.
        """
        lock_s = self._policy.lock_s
        age = now - self._taken_at if self._taken_at is not None else None
        fresh = age is not None and timedelta(0) <= age < timedelta(seconds=lock_s / 4)
        if not fresh or not self._held.issuperset(pools):  # not fresh if the clock was set back
            self._held = frozenset(await self._store.pools.lock(pools, self._holder, lock_s))
            self._taken_at = now
        return self._held

    async def release(self) -> None:
        """Let go of all."""
        self._held = frozenset()
        await self._store.pools.unlock(self._holder)
