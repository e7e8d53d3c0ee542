"""Leases: a user's hold on a machine, from the request to the release.

What is asked for is queued first and served at once if a machine is vacant,
so that nobody overtakes one who waits. A machine is probed when its lease is
bound; one that does not answer is replaced without a word to the user.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from builtins import list as list_of
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from .agent.protocol import Bound
from .allocation.offers import offers
from .catalogue import nearest
from .errors import BadRequest, BindFailed, Conflict, Unavailable
from .model import (
    Handover,
    Lease,
    LeaseEvent,
    LeaseState,
    Needs,
    Offer,
    Session,
)
from .pools.agents import Agents, OnProgress
from .pools.inventory import Inventory
from .store import Store
from .store.records import Binding

_log = logging.getLogger(__name__)

TERMINAL = frozenset({"refused", "released"})
"""Stages after which a lease has no more events."""


_GRACE_S = 10
"""For the account and the files, before a session's own times begin."""


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
        self._binds: dict[str, tuple[str, asyncio.Task[Handover]]] = {}

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
        """Make the lease's machine the user's; returns when the user's protocol answers.

        Asking again with the same session gives the same answer. The work goes
        on when the caller goes away.

        Raises:
            NotFound: there never was such a lease.
            Conflict: the lease waits, has ended, or is bound to another session.
            BindFailed: the session could not start; lease and machine are gone.
            Unavailable: the machine did not answer and no other came free in time;
                the lease waits for the next.
        """
        digest = hashlib.sha256(session.model_dump_json().encode()).hexdigest()
        if lease_id not in self._binds:
            task = asyncio.create_task(self._bind(lease_id, session, digest))
            self._binds[lease_id] = (digest, task)
            task.add_done_callback(lambda task: self._bind_ended(lease_id, task))
        begun, task = self._binds[lease_id]
        if begun != digest:
            raise Conflict(f"lease {lease_id} is being bound to another session: release it first")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Conflict(f"lease {lease_id} was released while it was bound") from None
            raise

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
        binding = self._binds.get(lease_id)
        if binding is not None:
            binding[1].cancel()
            await asyncio.wait({binding[1]})
        started = binding is not None or await self._store.leases.binding(lease_id) is not None
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

    def _bind_ended(self, lease_id: str, task: asyncio.Task[Handover]) -> None:
        self._binds.pop(lease_id, None)
        if not task.cancelled() and (error := task.exception()):  # its caller may be gone
            _log.info("bind of lease %s: %s", lease_id, error)

    async def _bind(self, lease_id: str, session: Session, digest: str) -> Handover:
        lease = await self._store.leases.get(lease_id)
        if (binding := await self._store.leases.binding(lease_id)) and lease.ended_at is None:
            if binding.session_sha256 != digest:
                raise Conflict(
                    f"lease {lease_id} is bound to another session: release it and acquire again"
                )
            return _handover(lease, binding.port)
        lease = await self._answering(_acquired(lease), session.timeout_s)
        machine = lease.machine
        assert machine is not None  # noqa: S101 - an acquired lease has one
        await self._store.leases.tell(lease_id, "binding", 25, f"{machine.id} answers")

        async def progress(percent: int, message: str) -> None:
            share = 25 + round(0.7 * max(0, min(percent, 100)))
            await self._store.leases.tell(lease_id, "binding", share, message)

        try:
            bound = await self._start(machine.id, lease_id, session, progress)
        except BindFailed as error:
            await self._store.machines.fail(
                machine.id, reason=str(error), message=f"the session did not start: {error}"
            )
            self._wake()
            raise
        kept = await self._store.leases.bound(
            lease_id, machine.id, Binding(digest, bound.port), "the session answers"
        )
        if not kept:
            raise Conflict(f"lease {lease_id} ended while it was bound: acquire again")
        return _handover(await self._store.leases.get(lease_id), bound.port)

    async def _start(
        self, machine_id: str, lease_id: str, session: Session, progress: OnProgress
    ) -> Bound:
        """Let the agent start the session, within the time that its parts may take."""
        most_s = session.timeout_s + sum(daemon.timeout_s for daemon in session.daemons)
        try:
            async with asyncio.timeout(most_s + _GRACE_S):
                return await self._agents.bind(machine_id, lease_id, session, progress)
        except TimeoutError:
            raise BindFailed(
                f"machine {machine_id} did not start the session within {most_s:g} s"
            ) from None

    async def _answering(self, lease: Lease, timeout_s: float) -> Lease:
        """The lease with a machine that answers: its own, or another."""
        end = asyncio.get_running_loop().time() + timeout_s
        async with self._store.leases.following(lease.id) as told:
            while True:
                told.clear()
                if lease.state is LeaseState.ACQUIRED and lease.machine is not None:
                    if await self._agents.probe(lease.machine.id):
                        return lease
                    _log.warning("%s did not answer at its bind", lease.machine.id)
                    lease = await self._store.leases.replace_machine(
                        lease.id,
                        lease.machine.id,
                        reason="it did not answer when it was to be bound",
                        decide=self._inventory.decide,
                    )
                    self._wake()
                    continue
                left_s = end - asyncio.get_running_loop().time()
                if left_s <= 0:
                    raise Unavailable(
                        f"the machine of lease {lease.id} did not answer and no other is ready: "
                        f"it waits for the next one, bind again when it is claimed"
                    )
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left_s, self._look_again_s)):
                        await told.wait()
                lease = await self._store.leases.get(lease.id)
                if lease.state is not LeaseState.WAITING:
                    _acquired(lease)


def _acquired(lease: Lease) -> Lease:
    """The lease, if it holds a machine.

    Raises:
        Conflict: it waits or has ended.
    """
    if lease.state is LeaseState.WAITING:
        raise Conflict(f"lease {lease.id} still waits for a machine: bind it when it is claimed")
    if lease.ended_at is not None or lease.machine is None:
        raise Conflict(f"lease {lease.id} has ended: acquire again")
    return lease


def _handover(lease: Lease, port: int) -> Handover:
    machine = _acquired(lease).machine
    assert machine is not None  # noqa: S101 - checked by _acquired
    return Handover(
        lease=lease.id, address=machine.address or "", port=machine.ports.get(port, port)
    )
