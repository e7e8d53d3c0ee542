"""What the agents say of their machines, as far as pools and leases are concerned."""

from __future__ import annotations

from collections.abc import Callable

from ..allocation.facts import BOOTING
from ..lifetimes.keeper import Keeper
from ..store import Store
from .effects import Effects
from .inventory import Inventory


class Told:
    """Notes it in the ledger.

    Args:
        store: the ledger.
        inventory: the catalogue with its clouds.
        effects: counts successes and failures of pools.
        keeper: says for how long an ended lease can be taken back.
        wake: lets the pool manager step at once.
    """

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        effects: Effects,
        keeper: Keeper,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._effects = effects
        self._keeper = keeper
        self._wake = wake

    async def ready(self, machine_id: str) -> None:
        """The machine's agent says that it can be bound."""
        if await self._store.agents.ready(machine_id, self._inventory.decide):
            await self._effects.succeeded(machine_id)
        self._wake()

    async def failed(self, machine_id: str, reason: str) -> None:
        """The machine can never be ready: it goes, and its pool pauses."""
        failed = await self._store.machines.fail(
            machine_id, reason=reason, message=reason, only_from=BOOTING
        )
        if failed:
            machine = await self._store.machines.get(machine_id)
            await self._effects.failed(machine.pool, machine.fingerprint, f"{machine_id}: {reason}")
        self._wake()

    async def session_ended(self, machine_id: str, exit_status: int | None) -> None:
        """The session's program ended by itself: so does the lease, if it was its session."""
        lease_id = await self._store.leases.holder_of(machine_id)
        if lease_id is not None:
            how = "" if exit_status is None else f" with exit status {exit_status}"
            lease, binding = await self._store.bindings.look(lease_id)
            if binding is None and lease.machine and lease.machine.kept_until:
                return  # of its life before: the lease was taken back, and is not bound yet
            await self._store.leases.end(
                lease_id,
                f"the session ended by itself{how}",
                settled=False,
                kept_until=self._keeper.kept_until(lease),
            )
            self._wake()
