"""Machines that are kept after their lease: something of their user's is nowhere else yet.

A machine is deleted when its session has ended and its agent says that it holds
nothing. Until then it is *held*: its agent is asked to end the session, again
after each time that it was away; what the machine holds is told in its row. A
machine whose agent stays away with nothing known to be held is let go in the
end; one that is known to hold something is deleted by an operator only.

One whose lease can be taken back is held besides until that time is over: what
becomes of it meanwhile is :mod:`vmm_core.lifetimes.keeper`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

from ..errors import Conflict
from ..model import Machine
from ..model import MachineState as S
from ..store import Store
from ..store.records import Actor, Kept, Ledger
from .agents import Agents
from .policy import Policy

_log = logging.getLogger(__name__)


class Held:
    """What becomes of machines whose lease ended.

    Args:
        store: the ledger.
        agents: the connections to the machines.
        policy: how long to wait.
        wake: lets the pool manager step at once.
    """

    def __init__(
        self, store: Store, agents: Agents, policy: Policy, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._agents = agents
        self._policy = policy
        self._wake = wake
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._silent_since: dict[str, datetime] = {}
        """Since when this process sees that an agent is away."""

    async def holding(self, machine_id: str, what: str) -> None:
        """The agent says what of its user's is on the machine only; empty: nothing."""
        if what:
            _log.warning("machine %s holds what is nowhere else: %s", machine_id, what)
        await self._store.machines.hold(machine_id, what)

    async def settled(self, machine_id: str) -> None:
        """The agent says that the session ended."""
        if await self._store.machines.settle(machine_id):
            self._wake()

    async def step(
        self, ledger: Ledger, pools: Collection[str], kept: Mapping[str, Kept] | None = None
    ) -> None:
        """Have the sessions of held machines of these pools ended; let go who stays silent.

        Args:
            ledger: has the machines that are held.
            pools: that are worked here.
            kept: those that a lease names, by name; None reads them.
        """
        if kept is None:
            kept = await self._store.lifetimes.kept()
        held = {
            m.id: m
            for m in ledger.machines
            if m.state is S.HELD and m.pool in pools and m.id in kept
        }
        for machine in list(held.values()):
            if machine.kept_until and machine.kept_until > ledger.now and kept[machine.id].settled:
                del held[machine.id]  # it rests until it is taken back, or its time is over
        for machine_id in [each for each in self._asked if each not in held]:
            self._asked.pop(machine_id).cancel()
        silent = timedelta(seconds=self._policy.held_silent_s)
        looked = timedelta(seconds=min(self._policy.held_look_s, self._policy.held_silent_s))
        known = self._silent_since
        self._silent_since = {
            m.id: known.get(m.id, ledger.now)
            for m in held.values()
            if not self._agents.connected(m)
        }
        for machine in held.values():
            if self._agents.connected(machine):
                asked = self._asked.get(machine.id)
                if asked is None or (asked.done() and not machine.holding):
                    self._asked[machine.id] = asyncio.create_task(
                        self._end_session(machine, self._policy.unbind_s)
                    )
            else:
                if task := self._asked.pop(machine.id, None):
                    task.cancel()
                since = max(machine.changed_at, machine.kept_until or machine.changed_at)
                seen = ledger.now - self._silent_since[machine.id] >= looked
                if not machine.holding and seen and ledger.now - since >= silent:
                    _log.warning("machine %s: its agent did not come back", machine.id)
                    await self._store.machines.settle(machine.id)

    async def end_all(self, machines: Iterable[Machine], timeout_s: float) -> None:
        """End the sessions of these held machines, as far as their agents answer in time."""
        kept = await self._store.lifetimes.kept()
        held = [m for m in machines if m.state is S.HELD and m.id in kept]
        running = [m for m in held if m.holding or not kept[m.id].settled]
        await asyncio.gather(*(self._end_session(m, timeout_s) for m in running))

    async def remove(self, machine_id: str, *, discard: bool, by: Actor | None = None) -> Machine:
        """Have a machine deleted that nobody leases, also one that could be taken back.

        Args:
            machine_id: which.
            discard: also if it holds what is nowhere else.
            by: who wants it, for the audit log.

        Raises:
            NotFound: the ledger never had it.
            Conflict: it is leased, or holds something and ``discard`` is not given.
        """
        machine = await self._store.machines.get(machine_id)
        if machine.lease is not None:
            raise Conflict(
                f"machine {machine_id} is leased: release lease {machine.lease}, "
                "which deletes the machine"
            )
        if machine.holding and machine.state is S.HELD and not discard:
            raise Conflict(
                f"machine {machine_id} holds what is nowhere else ({machine.holding}): "
                "wait until it is sent, or lose it with `vmm delete --discard`"
            )
        await self._store.lifetimes.remove(machine_id, "deleted by an operator", by)
        self._wake()
        return await self._store.machines.get(machine_id)

    async def settle(self) -> None:
        """Return when no machine is asked to end its session any more."""
        while asked := [task for task in self._asked.values() if not task.done()]:
            await asyncio.wait(asked)

    async def stop(self) -> None:
        """Wait for no machine any more; the next manager asks again."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _end_session(self, machine: Machine, timeout_s: float) -> None:
        lease_id = await self._store.leases.last_of(machine.id)
        if lease_id is None:
            return
        if await self._agents.unbind(machine.id, lease_id, timeout_s):
            await self.settled(machine.id)
        else:
            _log.warning("machine %s did not end its session yet", machine.id)
