"""Makes the pools what the plan says: the order in which things are done.

One step: list the clouds, read the ledger once, reconcile the two, serve who waits,
plan (pure), act. A machine's row is written before its cloud is asked for
anything, under the name that it has there too, so that whatever is killed in between
is found again. What is asked of clouds runs beside the steps. A step that finds all
as it should be writes nothing.

Several managers may run; each works the pools whose lock it holds.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from ..clouds.base import CloudMachine, ResourceKind
from ..lifetimes.keeper import Keeper
from ..model import CloudStatus, ConsoleLog, PoolStatus
from ..model import MachineState as S
from ..store import Store
from ..store.records import Ledger, Stock
from .act import Acts
from .agents import Agents
from .asking import Asking
from .closing import close_down
from .effects import Effects
from .findings import Findings
from .floors import Floors, Targets
from .hands import Hands, draining, paused
from .held import Held
from .inventory import Inventory
from .keeping import Keeping
from .locks import Locks
from .orphans import Orphans
from .planning import Planning
from .policy import Policy
from .snapshot import PoolPlan
from .standby import Standby
from .status import cloud_statuses, pool_statuses
from .survey import Survey
from .tally import Tally, tally_of
from .tasks import Tasks
from .told import Told
from .waiting import Waiting
from .watch import Watch

_log = logging.getLogger(__name__)


class PoolManager:
    """Keeps machines ready, and gets them for people who wait.

    Args:
        store: the ledger.
        inventory: the catalogue with its clouds.
        agents: the connections to the machines.
        policy: the numbers to go by.
        holder: under which name the pools are worked here; None makes one.
        floors: how many machines should be vacant; None is what the catalogue says.
    """

    def __init__(
        self,
        store: Store,
        inventory: Inventory,
        agents: Agents,
        *,
        policy: Policy | None = None,
        holder: str | None = None,
        floors: Floors | None = None,
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._policy = policy = policy or Policy()
        holder = holder or f"manager-{uuid.uuid4().hex}"
        self._wake = asyncio.Event()
        self._stepping = asyncio.Lock()
        self._tasks = tasks = Tasks(self.wake)
        self._effects = Effects(store, inventory, policy, tasks, holder)
        self._standby = Standby(store, inventory, policy, tasks, self._effects)
        self._keeping = Keeping(store, inventory, policy, tasks)
        self._acts = Acts(store, self._effects, self._standby, self._keeping, holder)
        self._orphans = Orphans(store, inventory, policy, tasks)
        self._findings = Findings(
            store, agents, policy, self._effects, self._standby, self._orphans
        )
        self._survey = Survey(inventory.clouds, store.installation, policy, store.now)
        self._asking = Asking(inventory, policy)
        self._locks = Locks(store, policy, holder)
        self._waiting = Waiting(store, inventory, policy)
        self._watch = Watch(store, agents, policy, self.agent_ready)
        self._planning = Planning(
            inventory,
            self._survey,
            self._standby,
            Targets(floors, store.reservations.taken),
            policy,
        )
        self.held = Held(store, agents, policy, self.wake)
        self.keeper = Keeper(store, inventory, agents, self.wake)
        self._told = Told(store, inventory, self._effects, self.keeper, self.wake)
        self.hands = Hands(store, inventory, self.wake)
        self._held_before = True
        self._plans: dict[str, PoolPlan] = {}
        self._worked: frozenset[str] = frozenset()
        self._forget_at = store.now()
        self.stepped_at: datetime | None = None
        """When the last step ended."""

    # Called by others

    def wake(self) -> None:
        """Let the next step come at once."""
        self._wake.set()

    async def agent_ready(self, machine_id: str) -> None:
        """See :meth:`.told.Told.ready`."""
        await self._told.ready(machine_id)

    async def agent_failed(self, machine_id: str, reason: str) -> None:
        """See :meth:`.told.Told.failed`."""
        await self._told.failed(machine_id, reason)

    async def session_ended(self, machine_id: str, exit_status: int | None = None) -> None:
        """See :meth:`.told.Told.session_ended`."""
        await self._told.session_ended(machine_id, exit_status)

    async def status(self) -> list[PoolStatus]:
        """All pools: the catalogue's in its order, then those that only have machines left."""
        return pool_statuses(
            self._inventory,
            await self._store.machines.tally(),
            self._plans,
            await self._store.pools.backoffs(),
            await self._store.switches.all(),
        )

    async def clouds(self) -> list[CloudStatus]:
        """All clouds of the catalogue."""
        return cloud_statuses(
            self._inventory,
            await self._store.machines.tally(),
            await self._survey.limits(),
            {name: pause.reason for name, pause in self._survey.mute.items()},
            self.orphans(),
            await self._store.switches.all(),
        )

    async def console(self, machine_id: str) -> ConsoleLog:
        """See :meth:`.keeping.Keeping.console`."""
        return await self._keeping.console(machine_id)

    def orphans(self) -> dict[str, dict[ResourceKind, int]]:
        """For each cloud, what its last list showed that no ledger has, by kind."""
        return self._orphans.counts()

    async def run(self, stop: asyncio.Event) -> None:
        """Step until ``stop`` is set. Machines are left as they are."""
        for pool, backoff in (await self._store.pools.backoffs()).items():
            if backoff.until is None:  # a restart is an operator's "try again"
                await self._store.pools.resume(pool)
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._wake.clear()
                busy = False
                try:
                    busy = await self.step()
                except Exception:  # the store may be away for a while: the service runs on
                    _log.exception("a step of the pool manager failed; trying again")
                interval_s = self._policy.busy_interval_s if busy else self._policy.interval_s
                woken = asyncio.create_task(self._wake.wait())
                await asyncio.wait(
                    {woken, stopped}, timeout=interval_s, return_when=asyncio.FIRST_COMPLETED
                )
                woken.cancel()
        finally:
            stopped.cancel()
            await self._tasks.stop(timeout_s=2)
            await self.held.stop()
            await self.keeper.stop()
            await self.stop_asking()
            with suppress(Exception):  # the locks run out by themselves
                await self._locks.release()

    def failures(self) -> Mapping[str, int]:
        """For each pool, its machines that were of no use, since this process began."""
        return self._effects.failures

    def swept(self) -> Mapping[tuple[str, ResourceKind], int]:
        """By cloud and kind, the orphans that were deleted since this process began."""
        return self._orphans.swept

    async def settle(self) -> None:
        """Return when nothing is under way at a cloud or asked of an agent."""
        await self.held.settle()
        await self.keeper.settle()
        await self._tasks.settle()

    async def stop_asking(self) -> None:
        """End what asks slow clouds beside the steps; ``run`` does when it ends."""
        await self._survey.stop()
        await self._asking.stop()

    async def drain(self, timeout_s: float) -> list[str]:
        """End all leases and delete every machine; see :func:`.closing.close_down`."""
        return await close_down(
            self._store, self._inventory, self._survey, self._effects, self.held, timeout_s
        )

    async def step(self) -> bool:
        """One step; whether machines are on their way in or out."""
        async with self._stepping:
            busy = await self._step()
            self.stepped_at = self._store.now()
            return busy

    # The parts of a step

    async def _step(self) -> bool:
        await self._asking.ask()
        busy_before = self._tasks.names
        lists = await self._survey.lists()
        stock = await self._store.stock()
        tally = tally_of(stock.machines)
        self._inventory.tell_switches(paused(stock.switches), draining(stock.switches))
        held = await self._locks.take(
            {facts.name for facts in self._inventory.facts()} | tally.pools, stock.now
        )
        changed = await self._findings.take_in(
            lists, tally.by_cloud, held, busy_before | self._tasks.names, stock.now
        )
        for machine, why in await self._watch.step(stock.machines, held, stock.now):
            changed |= await self._findings.fail(machine, why)
        await self._keep(stock, tally, held, lists)
        changed |= not held <= self._worked  # who had them before may have acted since we read
        self._worked = held
        changed |= await self._waiting.serve(stock, tally.number(S.VACANT))
        if changed:
            stock = await self._store.stock()
            tally = tally_of(stock.machines)
        self._plans = await self._planning.plan(stock)
        await self._waiting.explain(stock, tally.counts(), tally.number(S.ACQUIRED))
        await self._act(stock, tally, held)
        await self._forget(stock)
        return bool(stock.waiting) or tally.moving

    async def _keep(
        self,
        stock: Stock,
        tally: Tally,
        held: Collection[str],
        lists: Mapping[str, Sequence[CloudMachine]],
    ) -> None:
        """What becomes of machines that are leased, or were."""
        if tally.held or self._held_before:
            self._held_before = bool(tally.held)
            machines = tuple(await self._store.machines.held()) if tally.held else ()
            ledger = Ledger(stock.now, machines, stock.waiting, stock.backoffs)
            await self.held.step(ledger, held)
        await self.keeper.step(stock.machines, held, lists)

    async def _act(self, stock: Stock, tally: Tally, held: Collection[str]) -> None:
        """Do what is planned, and go on with deletes."""
        plans = [each for each in self._plans.values() if each.pool in held and not each.rests]
        if plans:
            machines = {machine.id: machine for machine in stock.machines}
            facts = {each.name: each for each in self._inventory.facts()}
            for each in plans:
                await self._acts.carry_out(each, facts.get(each.pool), machines)
        for machine in tally.deleting:
            if machine.pool in held:
                self._effects.delete(machine)

    async def _forget(self, stock: Stock) -> None:
        if stock.now >= self._forget_at:
            self._forget_at = stock.now + timedelta(seconds=self._policy.forget_every_s)
            await self._store.forget(stock.now - timedelta(seconds=self._policy.keep_s))
            await self._store.audit.forget(stock.now - timedelta(seconds=self._policy.keep_audit_s))
            self._standby.forget({machine.id for machine in stock.machines})
