"""Carries out what a pool's plan says: rows first, then the clouds.

Every change of a row is made only from the state that was planned in, and only as
long as the pool is ours: a plan that is late does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..allocation.facts import PoolFacts
from ..model import MachineState as S
from ..store import Store
from ..store.records import Fence, MachineRow
from .effects import Effects
from .keeping import Keeping
from .snapshot import PoolPlan, Removal
from .standby import Standby


class Acts:
    """The hands of the pool manager.

    Args:
        store: the ledger.
        effects: creates and deletes.
        standby: suspends and resumes.
        keeping: holds failed machines.
        holder: under which name the pools are worked here.
    """

    def __init__(
        self, store: Store, effects: Effects, standby: Standby, keeping: Keeping, holder: str
    ) -> None:
        self._store = store
        self._effects = effects
        self._standby = standby
        self._keeping = keeping
        self._holder = holder

    async def carry_out(
        self, plan: PoolPlan, facts: PoolFacts | None, machines: Mapping[str, MachineRow]
    ) -> None:
        """Do it.

        Args:
            plan: of a pool that is worked here.
            facts: the pool; None if the catalogue has it no more.
            machines: those of the ledger, by name.
        """
        for machine_id in plan.resume:
            await self._standby.resume(machines[machine_id])
        if facts is not None:
            for _ in range(plan.create):
                await self._effects.create(facts)
        for removal in plan.remove:
            await self._remove(removal, machines[removal.machine])
        for machine_id in plan.suspend:
            await self._standby.suspend(machines[machine_id])
        for machine_id in plan.keep:
            self._keeping.keep(machines[machine_id])

    async def _remove(self, removal: Removal, machine: MachineRow) -> None:
        moved = await self._store.machines.move(
            machine.id,
            S.DELETING,
            reason=removal.why,
            only_from={removal.state},
            fence=Fence(machine.pool, self._holder),
        )
        if not moved:
            return
        if removal.failure:
            await self._effects.failed(
                machine.pool, machine.fingerprint, f"{machine.id}: {removal.why}"
            )
        self._effects.delete(replace(machine, reason=removal.why))
