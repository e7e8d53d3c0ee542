"""Leases: a user's hold on a machine, from the request to the release.

What is asked for is queued first and served at once if a machine is vacant,
so that nobody overtakes one who waits.
"""

from __future__ import annotations

import asyncio
import logging
from builtins import list as list_of
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from .allocation.offers import offers
from .binding import Binder
from .catalogue import nearest
from .errors import BadRequest
from .model import (
    Handover,
    Lease,
    LeaseEvent,
    Needs,
    Offer,
    Session,
)
from .pools.agents import Agents
from .pools.inventory import Inventory
from .store import Store

_log = logging.getLogger(__name__)

TERMINAL = frozenset({"refused", "released"})
"""Stages after which a lease has no more events."""


class Leases:
    """Everything a frontend does with leases."""

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        agents: Agents,
        *,
        wake: Callable[[], None],
        unbind_s: float = 5,
        look_again_s: float = 1,
    ) -> None:
        """Wire the parts.

        Args:
            store: the ledger.
            inventory: the catalogue with its clouds.
            agents: the connections to the machines.
            wake: lets the pool manager step at once.
            unbind_s: how long a release waits for the machine to end the session.
            look_again_s: how often followers look for events of other processes.
        """
        self._store = store
        self._inventory = inventory
        self._agents = agents
        self._wake = wake
        self._unbind_s = unbind_s
        self._look_again_s = look_again_s
        self._binder = Binder(store, inventory, agents, wake=wake, look_again_s=look_again_s)

    async def acquire(self, *, owner: str, frontend: str, key: str, needs: Needs) -> Lease:
        """The lease of this key: the one that lasts, or a new one, acquired or waiting.

        Raises:
            BadRequest: an environment or location that the catalogue does not have.
            Impossible: no pool can ever give that; nothing is queued.
        """
        self._check(needs)
        lease = await self._store.leases.request(
            owner=owner, frontend=frontend, key=key, needs=needs, decide=self._inventory.decide
        )
        self._wake()
        return lease

    async def get(self, lease_id: str) -> Lease:
        """One lease, also after its end.

        Raises:
            NotFound: there never was such a lease.
        """
        return await self._store.leases.get(lease_id)

    async def list(
        self, owner: str | None = None, *, ended: bool = False, held: bool = False
    ) -> list_of[Lease]:
        """Leases, oldest first; those that ended only if ``ended``.

        ``held``: instead, those of which the machine is kept for what is on it only.
        """
        return await self._store.leases.all(owner=owner, ended=ended, held=held)

    async def bind(self, lease_id: str, session: Session) -> Handover:
        """See :meth:`vmm_core.binding.Binder.bind`."""
        return await self._binder.bind(lease_id, session)

    async def release(self, lease_id: str) -> Lease:
        """End a lease: its session is ended, its machine will be deleted. Idempotent.

        A session that takes longer to end, or holds what is nowhere else, keeps its
        machine a while (*held*); the lease ends all the same.

        Raises:
            NotFound: there never was such a lease.
        """
        lease = await self._store.leases.get(lease_id)
        if lease.ended_at is not None:
            return lease
        begun = await self._binder.give_up(lease_id)
        started = begun or await self._store.leases.binding(lease_id) is not None
        settled = not started
        if started and lease.machine and self._agents.connected(lease.machine.id):
            settled = await self._agents.unbind(lease.machine.id, lease_id, self._unbind_s)
        await self._store.leases.end(lease_id, "released", settled=settled)
        self._wake()
        return await self._store.leases.get(lease_id)

    async def offers(self, needs: Needs | None = None) -> list_of[Offer]:
        """What is offered now, in the catalogue's order; only what fits ``needs``, if given.

        Raises:
            BadRequest: an environment or location that the catalogue does not have.
        """
        wanted = needs or Needs()
        self._check(wanted)
        ledger = await self._store.ledger()
        return offers(
            wanted,
            self._inventory.facts(),
            silent=self._inventory.unanswered(),
            machines=ledger.machines,
            waiting=[waiting.needs for waiting in ledger.waiting],
            boot_times_s=await self._store.machines.boot_times_s(),
            now=ledger.now,
        )

    async def events(self, lease_id: str, since: int = 0) -> AsyncIterator[LeaseEvent]:
        """The lease's events from number ``since`` on, then those to come, until its end.

        Raises:
            NotFound: there never was such a lease.
        """
        async with self._store.leases.following(lease_id) as told:
            while True:
                told.clear()
                lease = await self._store.leases.get(lease_id)
                for event in await self._store.leases.events(lease_id, since):
                    yield event
                    since = event.number + 1
                    if event.stage in TERMINAL:
                        return
                if lease.ended_at is not None:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._look_again_s):
                        await told.wait()

    def _check(self, needs: Needs) -> None:
        catalogue = self._inventory.catalogue
        if needs.environment is not None and needs.environment not in catalogue.environments:
            raise BadRequest(
                f"there is no environment {needs.environment!r}: "
                f"{nearest(needs.environment, catalogue.environments)}"
            )
        for location in (*needs.locations, *needs.prefer):
            if location not in catalogue.locations:
                raise BadRequest(
                    f"there is no location {location!r}: {nearest(location, catalogue.locations)}"
                )
