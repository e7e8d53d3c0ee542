"""What can be had now and later, and where those stand who wait: answered from the ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from .allocation.bookings import due, hold_back
from .allocation.offers import Supply, offers, supply
from .allocation.queue import standings
from .errors import BadRequest
from .model import Lease, LeaseState, Needs, Offer, QueuePlace
from .pools.inventory import Inventory
from .store import Store
from .store.claims import Line

MOST_AHEAD = timedelta(days=366)


class Outlook:
    """Offers and queue places."""

    def __init__(self, store: Store, inventory: Inventory) -> None:
        self._store = store
        self._inventory = inventory
        self._looking: asyncio.Task[dict[str, QueuePlace]] | None = None

    async def offers(
        self,
        needs: Needs,
        *,
        groups: Sequence[str] | None = None,
        at: datetime | None = None,
        for_h: float = 0,
    ) -> list[Offer]:
        """What is offered now, in the catalogue's order.

        Args:
            needs: what is looked for.
            groups: who looks: what none of them may use is left out; None: all is shown.
            at: also say what will be free then.
            for_h: for so many hours from then on.

        Raises:
            BadRequest: ``at`` has gone by, or is too far ahead.
        """
        line, source = await self._now()
        free_ahead = None
        if at is not None:
            if not line.now - timedelta(minutes=1) <= at <= line.now + MOST_AHEAD:
                raise BadRequest(
                    "at is a time from now on until a year ahead: give such a one, or leave it out"
                )
            free_ahead = partial(line.taken.free, start=at, end=at + timedelta(hours=for_h))
        return offers(
            needs,
            self._inventory.facts(),
            _beside(_bookings_of_others(line, groups or ()), source),
            silent=self._inventory.unanswered(),
            waiting=line.asks,
            groups=groups,
            free_ahead=free_ahead,
        )

    async def placed(self, leases: Sequence[Lease]) -> list[Lease]:
        """The leases; those that wait with their place in the queue and an estimate."""
        if not any(lease.state is LeaseState.WAITING for lease in leases):
            return list(leases)
        places = await self._places()
        return [
            lease.model_copy(update={"queue": places.get(lease.id, lease.queue)})
            if lease.state is LeaseState.WAITING
            else lease
            for lease in leases
        ]

    async def _places(self) -> dict[str, QueuePlace]:
        """Everybody's place; who asks while one looks already shares what is seen."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> dict[str, QueuePlace]:
        line, source = await self._now()
        rules = self._inventory.decide
        arrivals = {facts.name: source.arrivals_s(facts) for facts in rules.facts}
        return {
            each.ask.lease: QueuePlace(place=each.place, estimate_s=each.estimate_s(arrivals))
            for each in standings(line.asks, rules, source.counts, line.usage, line.now)
        }

    async def _now(self) -> tuple[Line, Supply]:
        line = await self._store.leases.line(self._inventory.decide)
        source = supply(
            line.machines,
            boot_times_s=line.boot_times_s,
            ends=line.taken.held_until,
            now=line.now,
        )
        return line, source


def _bookings_of_others(line: Line, groups: Sequence[str]) -> Counter[str]:
    """How many machines of each pool are kept for bookings that no member of ``groups`` may use."""
    theirs = set(groups)
    others = (
        each
        for each in line.taken.reservations
        if not (each.is_open(line.now) and each.group in theirs)
    )
    return due(others, line.now)


def _beside(kept: Mapping[str, int], source: Supply) -> Supply:
    """What there is without what is kept: what is ready first, then what comes first."""
    counts = hold_back(source.counts, kept)
    late = {
        pool: sorted(ages)[: counts[pool].booting] if pool in counts else ages
        for pool, ages in source.ages_s.items()
    }
    return replace(source, counts=counts, ages_s=late)
