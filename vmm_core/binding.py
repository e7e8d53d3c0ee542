"""Binding: a lease's machine is made its user's.

A machine is probed when its lease is bound; one that does not answer is
replaced without a word to the user.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress

from .agent.protocol import Bound
from .errors import BindFailed, Conflict, Unavailable
from .model import Handover, Lease, LeaseState, Session
from .pools.agents import Agents, OnProgress
from .pools.inventory import Inventory
from .store import Store
from .store.records import Binding

_log = logging.getLogger(__name__)

_GRACE_S = 10
"""For the account and the files, before a session's own times begin."""


class Binder:
    """Binds leases to sessions, each once."""

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        agents: Agents,
        *,
        wake: Callable[[], None],
        look_again_s: float = 1,
    ) -> None:
        """Arguments are those of :class:`vmm_core.leases.Leases`."""
        self._store = store
        self._inventory = inventory
        self._agents = agents
        self._wake = wake
        self._look_again_s = look_again_s
        self._binds: dict[str, tuple[str, asyncio.Task[Handover]]] = {}

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

    async def give_up(self, lease_id: str) -> bool:
        """End a bind that is under way; whether one was."""
        binding = self._binds.get(lease_id)
        if binding is None:
            return False
        binding[1].cancel()
        await asyncio.wait({binding[1]})
        return True

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
