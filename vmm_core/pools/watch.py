"""Looks whether the agents of machines that nobody has yet are there, by the ledger.

A vacant machine whose agent stays away is of no use. One that was resumed is ready
again when its agent answers, whether or not that noticed that it was suspended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime, timedelta

from ..model import MachineState as S
from ..store import Store
from ..store.records import MachineRow
from .agents import AgentAway, Agents
from .policy import Policy


class Watch:
    """What the agents' connections mean.

    Args:
        store: the ledger.
        agents: the connections to the machines.
        policy: how long an agent may be away.
        ready: called with the id of a machine that was resumed and answers.
    """

    def __init__(
        self,
        store: Store,
        agents: Agents,
        policy: Policy,
        ready: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._agents = agents
        self._policy = policy
        self._ready = ready
        self._since: datetime | None = None
        """When this process looked first: who was away with the service has to find back."""

    async def step(
        self, machines: Iterable[MachineRow], held: Collection[str], now: datetime
    ) -> list[tuple[MachineRow, str]]:
        """Look at the machines of the pools ``held``; those of no use any more, with why."""
        grace = timedelta(seconds=self._policy.agent_grace_s)
        self._since = min(self._since or now, now)
        useless, resumed = [], []
        for machine in machines:
            if machine.pool not in held:
                continue
            if machine.state is S.VACANT:
                if self._agents.connected(machine):
                    continue
                if machine.agent_lost_at is None:
                    await self._store.agents.lost(machine.id)
                elif now - max(machine.agent_lost_at, self._since) >= grace:
                    useless.append((machine, "its agent has been away for too long"))
            elif machine.state is S.PROVISIONED and machine.vacant_at is not None:
                resumed.append(machine)
        await asyncio.gather(*(self._greet(machine) for machine in resumed))
        return useless

    async def _greet(self, machine: MachineRow) -> None:
        """A machine that goes on where it was does not always say that it is ready."""
        if machine.address is None or not self._agents.connected(machine):
            return
        try:
            answers = await self._agents.probe(machine.id, 1)
        except AgentAway:
            return
        if answers:
            await self._ready(machine.id)
