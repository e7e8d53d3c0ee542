"""Simulated clouds in a real service: machines that nobody boots still answer.

A machine's agent is at the other end of the switchboard, unless its cloud is a
simulated one that plays the agents itself. Of several replicas, one plays the
agent of each simulated machine: the first that takes it in the ledger.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from .agent.protocol import Bound
from .clouds.base import CloudError
from .clouds.simulated import SimulatedCloud
from .model import Session
from .pools.agents import OnProgress
from .pools.inventory import Inventory
from .pools.simulated import SimulatedAgents
from .replicas.answering import Here
from .store import Store

log = logging.getLogger(__name__)

LOOK_S = 0.2
"""How often simulated clouds are looked at for machines that have booted."""
OTHERS_S = 2.0
"""How often it is asked whether a machine that another replica plays is free."""


class HereAndSimulated:
    """The agents of this process, real and simulated."""

    def __init__(self, real: Here, inventory: Inventory, store: Store, replica_id: str) -> None:
        """``replica_id`` is who we are."""
        self._real = real
        self._store = store
        self._id = replica_id
        clouds = [
            cloud
            for cloud in inventory.clouds.values()
            if isinstance(cloud, SimulatedCloud) and cloud.options.agents
        ]
        self._simulated = SimulatedAgents(clouds, store.installation) if clouds else None
        self._others: set[str] = set()
        self._asked_at = 0.0

    async def simulate(self, ready: Callable[[str], Awaitable[None]]) -> None:
        """Let simulated machines report ``ready`` as they boot; never ends if there are any."""
        while self._simulated is not None:
            try:
                await self._simulated.step(ready, self._take)
            except CloudError:  # the pool manager asks the same cloud, and says it
                pass
            except Exception:  # the store may be away for a while
                log.exception("simulated machines could not report")
            await asyncio.sleep(LOOK_S)

    async def reclaim(self) -> None:
        """The other replicas thought that we are gone: play what nobody plays by now."""
        if self._simulated is not None:
            self._simulated.drop_all()

    def connected(self, machine_id: str) -> bool:
        """See :class:`Here`."""
        played = self._simulated is not None and self._simulated.plays(machine_id)
        return played or self._real.connected(machine_id)

    async def probe(self, machine_id: str, timeout_s: float = 2) -> bool:
        """See :class:`Here`."""
        return await self._of(machine_id).probe(machine_id, timeout_s)

    async def bind(
        self, machine_id: str, lease_id: str, session: Session, progress: OnProgress
    ) -> Bound:
        """See :class:`Here`."""
        return await self._of(machine_id).bind(machine_id, lease_id, session, progress)

    async def unbind(self, machine_id: str, lease_id: str, timeout_s: float = 10) -> bool:
        """See :class:`Here`."""
        return await self._of(machine_id).unbind(machine_id, lease_id, timeout_s)

    async def _take(self, new: set[str]) -> set[str]:
        """Those of the machines that have no agent yet, which are ours from now on."""
        now = time.monotonic()
        if now - self._asked_at >= OTHERS_S:
            self._asked_at = now
            self._others.clear()
        asked = new - self._others
        taken = await self._store.agents.take(asked, self._id) if asked else set()
        self._others |= asked - taken
        return taken

    def _of(self, machine_id: str) -> Here | SimulatedAgents:
        if self._simulated is not None and self._simulated.plays(machine_id):
            return self._simulated
        return self._real
