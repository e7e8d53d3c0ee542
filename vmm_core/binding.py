"""Binding: a lease's machine is made its user's.

A machine is probed when its lease is bound; one that does not answer is
replaced without a word to the user.

What is being bound is in the ledger from the beginning, and where it answers as
soon as it does. So the same bind may be asked of several replicas at once, or
again when one was killed in the middle: each asks the agent, which starts a
session once, and whoever hears that it answers tells the others.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress

from .errors import BindFailed, Conflict, Unavailable
from .logs import about
from .model import Handover, Lease, LeaseState, Machine, Session
from .pools.agents import AgentAway, Agents
from .pools.inventory import Inventory
from .store import Store

_log = logging.getLogger(__name__)

_GRACE_S = 10
"""For the account and the files, before a session's own times begin."""
_AWAY_S = 8
"""So long an agent may be away: its replica was killed, and it dials another one."""
_AWAY_LOOK_S = 0.1
"""Between two looks whether it is back."""


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
        with about(lease=lease_id):
            return await self._bound(lease_id, session, digest)

    async def _bound(self, lease_id: str, session: Session, digest: str) -> Handover:
        parts_s = session.timeout_s + sum(daemon.timeout_s for daemon in session.daemons)
        begun_on = ""
        while True:
            lease, binding = await self._store.bindings.begin(lease_id, digest)
            if lease.ended_at is not None and begun_on:
                raise await self._ended(lease)
            if binding is None:
                _held(lease)
            elif binding.session_sha256 != digest:
                raise Conflict(
                    f"lease {lease_id} is bound to another session: release it and acquire again"
                )
            elif binding.port is not None:
                return _handover(lease, binding.port)
            machine = await self._answering(lease, session.timeout_s)
            if machine.id != begun_on:
                end = asyncio.get_running_loop().time() + parts_s + _GRACE_S
                begun_on = machine.id
                await self._store.leases.tell(lease_id, "binding", 25, f"{machine.id} answers")
            try:
                with about(machine=machine.id):
                    async with asyncio.timeout_at(end):
                        await self._start(machine.id, lease_id, session)
            except AgentAway:
                await asyncio.sleep(_AWAY_LOOK_S)  # it may be back, here or elsewhere
            except (BindFailed, TimeoutError) as error:
                failed = BindFailed(
                    str(error)
                    or f"machine {machine.id} did not start the session within {parts_s:g} s"
                )
                await self._store.bindings.refused(lease_id, machine.id, str(failed))
                self._wake()
                raise failed from None

    async def _start(self, machine_id: str, lease_id: str, session: Session) -> None:
        """Let the agent start the session; return when the ledger has news of the lease.

        Raises:
            AgentAway: the agent is not connected, or lost its connection.
            BindFailed: it could not, with the agent's sentence.
        """

        async def progress(percent: int, message: str) -> None:
            share = 25 + round(0.7 * max(0, min(percent, 100)))
            await self._store.leases.tell(lease_id, "binding", share, message)

        asked = asyncio.create_task(self._agents.bind(machine_id, lease_id, session, progress))
        try:
            async with self._store.leases.following(lease_id) as told:
                while not asked.done():
                    told.clear()
                    lease, binding = await self._store.bindings.look(lease_id)
                    lost = lease.machine is None or lease.machine.id != machine_id
                    if lost or lease.ended_at or binding is None or binding.port is not None:
                        return
                    hear = asyncio.create_task(told.wait())
                    await asyncio.wait(
                        {asked, hear},
                        timeout=self._look_again_s,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    hear.cancel()
            await self._store.bindings.answers(lease_id, machine_id, asked.result().port)
        finally:
            asked.cancel()
            await asyncio.wait({asked})

    async def _answering(self, lease: Lease, timeout_s: float) -> Machine:
        """The lease's machine, which answers; another one if its own does not.

        Raises:
            Conflict: the lease ended meanwhile.
            Unavailable: no machine that answers came free in time; the lease waits.
        """
        now = asyncio.get_running_loop().time
        end = now() + timeout_s
        away_until = now() + _AWAY_S
        async with self._store.leases.following(lease.id) as told:
            while True:
                told.clear()
                pause_s = self._look_again_s
                if lease.state is not LeaseState.WAITING:
                    machine = _held(lease)
                    try:
                        answers = await self._agents.probe(machine.id)
                        away = False
                    except AgentAway:
                        answers, away = False, now() < away_until and not self._long_away(machine)
                    if answers:
                        return machine
                    if machine.kept_until is not None:  # taken back for what is on it
                        await self._give_time(lease, machine, end - now())
                    elif not away:
                        lease = await self._replaced(lease, machine)
                        away_until = now() + _AWAY_S
                        continue
                    pause_s = _AWAY_LOOK_S
                elif now() >= end:
                    await self._store.bindings.forget(lease.id)
                    raise Unavailable(
                        f"the machine of lease {lease.id} did not answer and no other is ready: "
                        f"it waits for the next one, bind again when it is claimed"
                    )
                else:
                    pause_s = min(pause_s, end - now())
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await told.wait()
                lease = await self._store.leases.get(lease.id)

    async def _give_time(self, lease: Lease, machine: Machine, left_s: float) -> None:
        """A machine that is being woken is waited for, and never replaced."""
        if left_s <= 0:
            await self._store.bindings.forget(lease.id)
            raise Unavailable(
                f"machine {machine.id} of lease {lease.id} is still being woken: bind again"
            )

    def _long_away(self, machine: Machine) -> bool:
        lost_at = machine.agent_lost_at
        return lost_at is not None and (self._store.now() - lost_at).total_seconds() >= _AWAY_S

    async def _replaced(self, lease: Lease, machine: Machine) -> Lease:
        _log.warning("%s did not answer at its bind", machine.id)
        replaced = await self._store.leases.replace_machine(
            lease.id,
            machine.id,
            reason="it did not answer when it was to be bound",
            decide=self._inventory.decide,
        )
        self._wake()
        return replaced

    async def _ended(self, lease: Lease) -> Conflict:
        events = await self._store.leases.events(lease.id)
        why = events[-1].message if events else "released"
        return Conflict(f"lease {lease.id} ended while it was bound ({why}): acquire again")


def _held(lease: Lease) -> Machine:
    """The machine that the lease holds.

    Raises:
        Conflict: it waits or has ended.
    """
    if lease.state is LeaseState.WAITING:
        raise Conflict(f"lease {lease.id} still waits for a machine: bind it when it is claimed")
    if lease.ended_at is not None or lease.machine is None:
        raise Conflict(f"lease {lease.id} has ended: acquire again")
    return lease.machine


def _handover(lease: Lease, port: int) -> Handover:
    machine = _held(lease)
    return Handover(
        lease=lease.id, address=machine.address or "", port=machine.ports.get(port, port)
    )
