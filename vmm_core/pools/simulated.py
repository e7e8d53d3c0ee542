"""Agents for simulated machines: pools become vacant, sessions bind, nothing runs.

Call :meth:`SimulatedAgents.step` as often as the manager steps: every machine
that its cloud says runs gets an agent, which reports ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from ..agent.protocol import Bound
from ..clouds.base import CloudState
from ..clouds.simulated import SimulatedCloud
from ..errors import BindFailed
from ..model import Session
from .agents import AgentAway, OnProgress, Placed


class SimulatedAgents:
    """The Agents of simulated clouds."""

    def __init__(self, clouds: Iterable[SimulatedCloud], owner: str) -> None:
        """``owner`` is the installation whose machines have agents."""
        self._clouds = tuple(clouds)
        self._owner = owner
        self._connected: set[str] = set()
        self.bound: dict[str, str] = {}
        """Machine -> the user it was bound for."""
        self._leases: dict[str, str] = {}
        self.silent: set[str] = set()
        """Machines whose agents have a connection but do not answer."""
        self.refusing: set[str] = set()
        """Machines on which a bind fails."""
        self.asked = asyncio.Event()
        """Set when a bind has begun."""
        self.hesitate: asyncio.Event | None = None
        """Binds end when this is set, if there is one."""

    def drop(self, machine_id: str) -> None:
        """Let a machine's agent lose its connection; it comes back at the next step."""
        self._connected.discard(machine_id)

    def drop_all(self) -> None:
        """Let all of them lose their connections."""
        self._connected.clear()

    async def step(
        self,
        ready: Callable[[str], Awaitable[None]],
        take: Callable[[set[str]], Awaitable[set[str]]] | None = None,
    ) -> None:
        """Let agents of newly running machines report ready, and those of deleted ones go.

        ``take`` says for which of the new machines the agents are to be here; None: for all.
        """
        running = set()
        for cloud in self._clouds:
            for machine in cloud.machines(self._owner):
                if machine.state is CloudState.RUNNING:
                    running.add(machine.name)
        new = running - self._connected
        self._connected &= running
        if take is not None and new:
            new = await take(new)
        self._connected |= new
        for machine_id in sorted(new):
            await ready(machine_id)

    def connected(self, machine: Placed) -> bool:
        """See :class:`.agents.Agents`."""
        return machine.id in self._connected

    def plays(self, machine_id: str) -> bool:
        """Whether the machine's agent is here."""
        return machine_id in self._connected

    async def probe(self, machine_id: str, timeout_s: float = 2) -> bool:
        """See :class:`.agents.Agents`; answers at once."""
        return machine_id in self._connected and machine_id not in self.silent

    async def bind(
        self, machine_id: str, lease_id: str, session: Session, progress: OnProgress
    ) -> Bound:
        """See :class:`.agents.Agents`; a machine that is another lease's refuses."""
        if not self.plays(machine_id):
            raise AgentAway(f"machine {machine_id} is not connected")
        if machine_id in self.refusing:
            raise BindFailed(f"machine {machine_id} refuses to be bound, as a test wants it to")
        if machine_id in self.bound and self._leases.get(machine_id) != lease_id:
            raise BindFailed(f"machine {machine_id} is bound to {self.bound[machine_id]} already")
        self.asked.set()
        if self.hesitate is not None:
            await self.hesitate.wait()
        await progress(50, "made the account")
        self.bound[machine_id] = session.user
        self._leases[machine_id] = lease_id
        return Bound(lease=lease_id, port=session.port)

    async def unbind(self, machine_id: str, lease_id: str, timeout_s: float = 10) -> bool:
        """See :class:`.agents.Agents`."""
        self.bound.pop(machine_id, None)
        self._leases.pop(machine_id, None)
        return self.plays(machine_id)
