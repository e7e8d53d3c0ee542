"""Floors in a running service: what pools' sizings say, from the calendars and the history.

It is the ``floors`` of the pool manager. Each hour it lets the store count the requests of
the hour before and learns them; the calendars are read again when their files change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ..calendars.files import CalendarFiles
from ..model import Needs, Pool
from ..store import Store
from .inventory import Inventory
from .sizing import Floors
from .sizing.refill import refill_s
from .sizing.slots import SLOT_S, slot_of

HISTORY = timedelta(days=400)
"""How far back it learns from; older counts are forgotten after twice that."""
_LATE_S = 90.0
"""The requests of an hour are counted this long after it."""


class Sizer:
    """How many machines of each pool should be vacant."""

    def __init__(self, store: Store, inventory: Inventory) -> None:
        self._store = store
        self._inventory = inventory
        pools = inventory.catalogue.pools.values()
        self._files = CalendarFiles(
            {file for pool in pools for file in pool.sizing.files}, inventory.catalogue.folder
        )
        self._floors: Floors | None = None
        self._learnt = 0
        """The first slot that was not learnt yet."""

    async def __call__(self, pools: Sequence[Pool], now: datetime) -> Mapping[str, int]:
        """For each pool, by name, how many should be vacant now."""
        if self._files.look():
            self._floors = None  # which hours are alike depends on the calendars
        counted = slot_of(now.timestamp() - _LATE_S)
        if self._floors is None or self._learnt < counted:
            await self._learn(pools, now, counted)
        assert self._floors is not None  # noqa: S101 - _learn makes it
        return {pool.name: self._floors(pool, now) for pool in pools}

    async def _learn(self, pools: Sequence[Pool], now: datetime, until: int) -> None:
        """Learn the hours that came since; all of the history, the first time."""
        floors, first = self._floors, self._learnt
        self._floors = None  # if this fails half-way, all is learnt anew
        await self._store.history.gather(self._wanted)
        if floors is None:
            floors = Floors(dict(self._files.calendars))
            first = slot_of((now - HISTORY).timestamp())
            await self._store.history.forget(now - 2 * HISTORY)
        begin = datetime.fromtimestamp(first * SLOT_S, UTC)
        counts: dict[int, dict[str, int]] = {}
        for each in await self._store.history.arrivals(begin):
            counts.setdefault(slot_of(each.hour.timestamp()), {})[each.pool] = each.requests
        boots_s = await self._store.machines.boot_times_s()
        floors.refills_s = {
            pool.name: refill_s(boots_s[pool.name], rule.refill_quantile)
            for pool in pools
            if (rule := pool.sizing.forecast) is not None and boots_s.get(pool.name)
        }
        await asyncio.to_thread(_observe, floors, list(pools), counts, first, until)
        self._floors, self._learnt = floors, until

    def _wanted(self, needs: Needs, groups: Sequence[str]) -> str | None:
        """The pool that a request goes to when all are ready."""
        ranked = self._inventory.decide(needs, {}, groups).ranked
        return ranked[0].facts.name if ranked else None


def _observe(
    floors: Floors,
    pools: Sequence[Pool],
    counts: Mapping[int, Mapping[str, int]],
    first: int,
    until: int,
) -> None:
    """Learn slots in order; a year of many pools takes seconds."""
    for slot in range(first, until):
        floors.observe(pools, slot, counts.get(slot, {}))
