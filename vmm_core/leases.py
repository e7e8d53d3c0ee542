"""Leases: a user's hold on a machine, from the request to the release.

What is asked for is decided together with what others wait for, in fair order,
so that nobody overtakes one who waits without reason.
"""

from __future__ import annotations

import asyncio
import logging
from builtins import list as list_of
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from .allocation.rules import may_use
from .binding import Binder
from .claims import Clerk
from .errors import BadRequest, NotAllowed
from .lifetimes.rules import kept_until
from .mistakes import nearest
from .model import (
    Handover,
    Lease,
    LeaseEvent,
    LeaseState,
    Needs,
    Offer,
    Session,
)
from .outlook import Outlook
from .pools.agents import Agents
from .pools.inventory import Inventory
from .store import Store
from .store.claims import Asked, Request
from .store.records import Actor

_log = logging.getLogger(__name__)

_REFILL_S = 0.25
"""After a claim; people's requests come before the stock."""

TERMINAL = frozenset({"refused", "released"})
"""Stages after which a lease has no more events, unless it is taken back."""


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
        self._clerk = Clerk(store, lambda: inventory.decide)
        self._outlook = Outlook(store, inventory)
        self._refill: asyncio.TimerHandle | None = None
        self._binder = Binder(store, inventory, agents, wake=wake, look_again_s=look_again_s)

    async def acquire(
        self, *, owner: str, frontend: str, key: str, needs: Needs, groups: Sequence[str] = ()
    ) -> Lease:
        """See :meth:`ask`; the lease alone."""
        asked = await self.ask(Request(owner, frontend, key, needs, tuple(groups)))
        return asked.lease

    async def ask(self, request: Request) -> Asked:
        """The lease of this key: the one that lasts, or a new one, acquired or waiting.

        Raises:
            BadRequest: an environment or location that the catalogue does not have.
            NotAllowed: an environment that the owner's groups may not use.
            Impossible: no pool can ever give that; nothing is queued.
            LimitReached: the owner has as much as the owner may have; nothing is queued.
        """
        self.check(request.needs, request.groups)
        asked = await self._clerk.ask(request)
        if asked.lease.state is LeaseState.WAITING:
            self._wake()
            (lease,) = await self._outlook.placed([asked.lease])
            return replace(asked, lease=lease)
        if asked.new:
            self._refill_soon()
        return asked

    async def get(self, lease_id: str) -> Lease:
        """One lease, also after its end.

        Raises:
            NotFound: there never was such a lease.
        """
        (lease,) = await self._outlook.placed([await self._store.leases.get(lease_id)])
        return lease

    async def list(
        self, owner: str | None = None, *, ended: bool = False, held: bool = False
    ) -> list_of[Lease]:
        """Leases, oldest first; those that ended only if ``ended``.

        ``held``: instead, those of which the machine is kept for what is on it only.
        """
        found = await self._store.leases.all(owner=owner, ended=ended, held=held)
        return await self._outlook.placed(found)

    async def bind(self, lease_id: str, session: Session) -> Handover:
        """See :meth:`vmm_core.binding.Binder.bind`."""
        return await self._binder.bind(lease_id, session)

    async def release(self, lease_id: str, *, by: Actor | None = None) -> Lease:
        """End a lease: its session is ended, its machine will be deleted. Idempotent.

        Where its lifetime allows, the machine is kept for a time in which the lease can be
        taken back. ``by``: who else than its owner releases it, for the audit log.

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
        if started and lease.machine and self._agents.connected(lease.machine):
            settled = await self._agents.unbind(lease.machine.id, lease_id, self._unbind_s)
        await self._store.leases.end(
            lease_id, "released", settled=settled, kept_until=self._kept_until(lease), by=by
        )
        self._wake()
        return await self._store.leases.get(lease_id)

    async def offers(
        self,
        needs: Needs | None = None,
        *,
        groups: Sequence[str] | None = None,
        at: datetime | None = None,
        for_h: float = 0,
    ) -> list_of[Offer]:
        """What is offered, see :meth:`vmm_core.outlook.Outlook.offers`.

        Raises:
            BadRequest: an environment or location that the catalogue does not have.
            NotAllowed: an environment that none of ``groups`` may use.
        """
        wanted = needs or Needs()
        self.check(wanted, groups)
        return await self._outlook.offers(wanted, groups=groups, at=at, for_h=for_h)

    async def events(self, lease_id: str, since: int = 0) -> AsyncIterator[LeaseEvent]:
        """The lease's events from number ``since`` on, then those to come, until its end.

        Raises:
            NotFound: there never was such a lease.
        """
        async with self._store.leases.following(lease_id) as told:
            while True:
                told.clear()
                lease = await self._store.leases.get(lease_id)
                new = await self._store.leases.events(lease_id, since)
                for event in new:
                    yield event
                    since = event.number + 1
                # One that was taken back goes on after an end.
                if lease.ended_at is not None or (new and new[-1].stage in TERMINAL):
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._look_again_s):
                        await told.wait()

    def _kept_until(self, lease: Lease) -> datetime | None:
        """Until when the lease can be taken back if it ends now."""
        if lease.machine is None:
            return None
        lifetimes = self._inventory.catalogue.lifetimes
        return kept_until(lifetimes, lease.group, lease.machine.environment, self._store.now())

    def check(self, needs: Needs, groups: Sequence[str] | None = None) -> None:
        """Refuse what the catalogue does not have, or not for members of ``groups``.

        Raises:
            BadRequest: an environment or location that is not there.
            NotAllowed: an environment that is for others; None as ``groups`` asks nothing.
        """
        catalogue = self._inventory.catalogue
        environment = catalogue.environments.get(needs.environment or "")
        if needs.environment is not None and environment is None:
            known = catalogue.environments.values()
            told = [each.name for each in known if groups is None or may_use(each, groups)]
            raise BadRequest(
                f"there is no environment {needs.environment!r}: {nearest(needs.environment, told)}"
            )
        for location in (*needs.locations, *needs.prefer):
            if location not in catalogue.locations:
                raise BadRequest(
                    f"there is no location {location!r}: {nearest(location, catalogue.locations)}"
                )
        if environment is not None and groups is not None and not may_use(environment, groups):
            raise NotAllowed(
                f"the environment {environment.name!r} is for certain groups, and you are in none "
                "of them: ask the facility's support to let you in, or ask for something else"
            )

    async def close(self) -> None:
        """Answer nobody any more: who waits for a decision is told to ask again."""
        if self._refill is not None:
            self._refill.cancel()
        await self._clerk.close()

    def _refill_soon(self) -> None:
        """Let the pool be filled again, but not among the claims of a rush."""
        if self._refill is None:

            def wake() -> None:
                self._refill = None
                self._wake()

            self._refill = asyncio.get_running_loop().call_later(_REFILL_S, wake)
