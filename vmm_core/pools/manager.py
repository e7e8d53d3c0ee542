"""Makes the pools what the plan says.

One step: list the clouds, read the ledger, reconcile the two, serve who waits,
plan (pure), act. A machine's row is written before its cloud is asked for it,
under the name that it has there too, so that whatever is killed in between is
found again. Creates and deletes run beside the steps (:mod:`.effects`).

Several managers may run; each works the pools whose lock it holds.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

from ..allocation.facts import BOOTING, Counts
from ..allocation.trouble import Trouble
from ..clouds.base import CloudError, CloudMachine
from ..errors import CatalogueError
from ..model import Machine
from ..model import MachineState as S
from ..store import Store
from ..store.records import Ledger
from .agents import Agents
from .effects import Effects
from .held import Held
from .inventory import Inventory
from .plan import Pause, PoolPlan, Snapshot, plan
from .policy import Policy
from .reconcile import reconcile
from .status import PoolStatus
from .survey import Survey

_log = logging.getLogger(__name__)


class PoolManager:
    """Keeps machines ready, and gets them for people who wait."""

    def __init__(
        self, store: Store, inventory: Inventory, agents: Agents, *, policy: Policy | None = None
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._agents = agents
        self._policy = policy or Policy()
        self._holder = f"manager-{uuid.uuid4().hex}"
        self._wake = asyncio.Event()
        self._stepping = asyncio.Lock()
        self._effects = Effects(store, inventory, self._policy, self.wake)
        self._survey = Survey(inventory.clouds, store.installation, self._policy, store.now)
        self.held = Held(store, agents, self._policy, self.wake)
        self._asking: asyncio.Task[None] | None = None
        self._plans: dict[str, PoolPlan] = {}
        self._forget_at = store.now()
        self._missing_since: dict[str, datetime] = {}
        self._lost_since: dict[str, datetime] = {}

    # Called by others

    def wake(self) -> None:
        """Let the next step come at once."""
        self._wake.set()

    async def agent_ready(self, machine_id: str) -> None:
        """The machine's agent says that it can be bound."""
        self._lost_since.pop(machine_id, None)
        if await self._store.agents.ready(machine_id, self._inventory.decide):
            await self._effects.succeeded(machine_id)
        self.wake()

    async def agent_failed(self, machine_id: str, reason: str) -> None:
        """The machine can never be ready: it goes, and its pool pauses."""
        failed = await self._store.machines.fail(
            machine_id, reason=reason, message=reason, only_from=BOOTING
        )
        if failed:
            machine = await self._store.machines.get(machine_id)
            await self._effects.failed(machine.pool, machine.fingerprint, f"{machine_id}: {reason}")
        self.wake()

    async def agent_lost(self, machine_id: str) -> None:
        """The machine's agent has no connection any more; it may come back."""
        self._lost_since.setdefault(machine_id, self._store.now())

    async def session_ended(self, machine_id: str, exit_status: int | None = None) -> None:
        """The session's program ended by itself: so does the lease."""
        lease_id = await self._store.leases.holder_of(machine_id)
        if lease_id is not None:
            how = "" if exit_status is None else f" with exit status {exit_status}"
            await self._store.leases.end(
                lease_id, f"the session ended by itself{how}", settled=False
            )
            self.wake()

    async def resume(self, pool: str) -> None:
        """Let a pool that backs off try again now."""
        await self._store.pools.resume(pool)
        self.wake()

    async def status(self) -> list[PoolStatus]:
        """All pools: the catalogue's in its order, then those that only have machines left."""
        ledger = await self._store.ledger()
        catalogue = self._inventory.catalogue
        states: dict[str, Counter[S]] = {name: Counter() for name in catalogue.pools}
        location = {}
        for machine in ledger.machines:
            states.setdefault(machine.pool, Counter())[machine.state] += 1
            location[machine.pool] = machine.location
        found = []
        for name, counted in states.items():
            pool = catalogue.pools.get(name)
            if pool is not None:
                location[name] = catalogue.clouds[pool.cloud].location
            planned = self._plans.get(name)
            backoff = ledger.backoffs.get(name)
            silent = self._inventory.silent.get(pool.cloud) if pool else None
            found.append(
                PoolStatus(
                    name=name,
                    pool=pool,
                    location=location[name],
                    machines=dict(counted),
                    failures=backoff.failures if backoff else 0,
                    hold=silent.reason if silent else planned.hold if planned else "",
                    hold_until=planned.until if planned else None,
                )
            )
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Step until ``stop`` is set. Machines are left as they are."""
        for pool, backoff in (await self._store.ledger()).backoffs.items():
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
            await self._effects.stop(timeout_s=2)
            await self.held.stop()
            await self.stop_asking()
            with suppress(Exception):  # the locks run out by themselves
                await self._store.pools.unlock(self._holder)

    async def settle(self) -> None:
        """Return when no create and no delete is in flight."""
        await self._effects.settle()

    async def step(self) -> bool:
        """One step; whether machines are on their way in or out."""
        async with self._stepping:
            return await self._step()

    async def drain(self, timeout_s: float) -> list[str]:
        """End all leases and delete every machine, for a service that goes for good.

        Sessions are ended first, so that what they hold can be sent; what is not
        sent by then is lost, and said. Call it when ``run`` has ended. Returns the
        names of machines that are left.
        """
        for lease in await self._store.leases.all():
            settled = await self._store.leases.binding(lease.id) is None
            await self._store.leases.end(lease.id, "the service was shut down", settled=settled)
        end = asyncio.get_running_loop().time() + timeout_s
        await self.held.end_all(await self._store.machines.all(), timeout_s / 2)
        for machine in await self._store.machines.all():
            if machine.holding:
                _log.error("machine %s is deleted with %s", machine.id, machine.holding)
        while True:
            for machine in (await self._store.ledger()).machines:
                await self._store.machines.move(machine.id, S.DELETING, reason="shut down")
                self._effects.delete(machine)
            left = await self._left()
            if not left or asyncio.get_running_loop().time() >= end:
                return left
            await asyncio.sleep(0.2)

    # The parts of a step

    async def _step(self) -> bool:
        await self._ask_sizes()
        busy_before = self._effects.in_flight
        lists = await self._survey.lists()
        ledger = await self._store.ledger()
        pools = {f.name for f in self._inventory.facts()} | {m.pool for m in ledger.machines}
        held = await self._store.pools.lock(pools, self._holder, self._policy.lock_s)
        in_flight = busy_before | self._effects.in_flight
        for cloud, listed in lists.items():
            await self._reconcile(cloud, listed, ledger, held, in_flight)
        await self._check_agents(ledger, held)
        await self.held.step(ledger, held)
        await self._store.leases.serve(self._inventory.decide)
        await self._refuse_overdue(ledger)
        await self._forget(ledger.now)
        ledger = await self._store.ledger()
        snapshot = await self._snapshot(ledger)
        self._plans = plan(snapshot, self._policy)
        self._inventory.troubles = {
            **{name: (Trouble.FULL, False) for name, each in self._plans.items() if each.full},
            **self._inventory.troubles,
        }
        await self._explain(ledger)
        for pool, planned in self._plans.items():
            if pool in held:
                await self._act(planned, ledger)
        ledger = await self._store.ledger()
        for machine in ledger.machines:
            if machine.state is S.DELETING and machine.pool in held:
                self._effects.delete(machine)
        moving = {S.DELETING, S.FAILED, *BOOTING}
        return bool(ledger.waiting) or any(m.state in moving for m in ledger.machines)

    async def _ask_sizes(self) -> None:
        """Ask clouds that have not told their sizes; one that is slow keeps no step waiting."""
        if not self._inventory.silent:
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._inventory.ask())
        done, _ = await asyncio.wait({self._asking}, timeout=self._policy.slow_s)
        for each in done:
            with suppress(CatalogueError):  # told in the status of the pools
                each.result()

    async def stop_asking(self) -> None:
        """End what asks slow clouds beside the steps; ``run`` does when it ends."""
        await self._survey.stop()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _explain(self, ledger: Ledger) -> None:
        """Tell those who wait when a place that could serve them gets into trouble, or out."""
        states: dict[str, Counter[S]] = {}
        for machine in ledger.machines:
            states.setdefault(machine.pool, Counter())[machine.state] += 1
        counts = {
            pool: Counts(free=found[S.VACANT], booting=sum(found[state] for state in BOOTING))
            for pool, found in states.items()
        }
        for waiting in ledger.waiting:
            explanation = self._inventory.decide(waiting.needs, counts).waiting()
            if explanation.trouble != waiting.trouble:
                await self._store.leases.explain(waiting.lease, explanation)

    async def _reconcile(
        self,
        cloud: str,
        listed: list[CloudMachine],
        ledger: Ledger,
        held: Collection[str],
        in_flight: Collection[str],
    ) -> None:
        mine = [m for m in ledger.machines if m.cloud == cloud]
        findings = reconcile(
            mine,
            listed,
            in_flight=in_flight,
            missing_since=self._missing_since,
            now=ledger.now,
            policy=self._policy,
        )
        for machine in mine:
            if machine.id in findings.missing:
                self._missing_since.setdefault(machine.id, ledger.now)
            else:
                self._missing_since.pop(machine.id, None)
        for machine, seen in findings.found:
            if machine.pool in held:
                await self._effects.observe(machine.id, seen)
        for machine, why in findings.failed:
            if machine.pool in held and not self._agents.connected(machine.id):
                await self._fail(machine, why)
        confirmed = await self._store.pools.sight_orphans(
            cloud, findings.orphans, again_after_s=self._policy.orphan_gap_s
        )
        for cloud_id in confirmed:
            _log.warning("cloud %s: deleting %s, which the ledger does not have", cloud, cloud_id)
            try:
                async with asyncio.timeout(self._policy.delete_deadline_s):
                    await self._inventory.clouds[cloud].delete(cloud_id)
            except (CloudError, TimeoutError) as error:
                _log.warning("cloud %s: orphan %s stays: %s", cloud, cloud_id, error)

    async def _check_agents(self, ledger: Ledger, held: Collection[str]) -> None:
        """A vacant machine whose agent stays away is of no use."""
        grace = timedelta(seconds=self._policy.agent_grace_s)
        vacant = {m.id: m for m in ledger.machines if m.state is S.VACANT and m.pool in held}
        for machine in vacant.values():
            if self._agents.connected(machine.id):
                self._lost_since.pop(machine.id, None)
            elif ledger.now - self._lost_since.setdefault(machine.id, ledger.now) >= grace:
                await self._fail(machine, "its agent has been away for too long")
        known = {m.id for m in ledger.machines}
        for gone in [machine_id for machine_id in self._lost_since if machine_id not in known]:
            del self._lost_since[gone]

    async def _fail(self, machine: Machine, why: str) -> None:
        failed = await self._store.machines.fail(
            machine.id, reason=why, message=f"the machine is gone: {why}", only_from={machine.state}
        )
        if failed and machine.state not in (S.ACQUIRED, S.HELD):
            await self._effects.failed(machine.pool, machine.fingerprint, f"{machine.id}: {why}")

    async def _refuse_overdue(self, ledger: Ledger) -> None:
        limit = timedelta(seconds=self._policy.wait_limit_s)
        for waiting in ledger.waiting:
            if ledger.now - waiting.since >= limit:
                await self._store.leases.refuse(
                    waiting.lease,
                    f"no machine came free within {self._policy.wait_limit_s:g} s: "
                    f"ask again, or for something else",
                )

    async def _forget(self, now: datetime) -> None:
        if now >= self._forget_at:
            self._forget_at = now + timedelta(seconds=self._policy.forget_every_s)
            await self._store.forget(now - timedelta(seconds=self._policy.keep_s))

    async def _snapshot(self, ledger: Ledger) -> Snapshot:
        pauses = {}
        for facts in self._inventory.facts():
            backoff = ledger.backoffs.get(facts.name)
            if backoff and backoff.fingerprint == facts.fingerprint:
                pauses[facts.name] = Pause(
                    backoff.reason, backoff.until, backoff.until is None, backoff.trouble
                )
            if facts.pool.cloud in self._survey.mute:
                pauses[facts.name] = self._survey.mute[facts.pool.cloud]
        self._inventory.troubles = {
            name: (
                pause.trouble,
                pause.trouble.lasting or (pause.open_end and not pause.silent),
            )
            for name, pause in pauses.items()
            if pause.trouble is not None and pause.lasts(ledger.now)
        }
        return Snapshot(
            now=ledger.now,
            pools=self._inventory.facts(),
            machines=ledger.machines,
            waiting=tuple(waiting.needs for waiting in ledger.waiting),
            pauses=pauses,
            limits=await self._survey.limits(),
        )

    async def _act(self, planned: PoolPlan, ledger: Ledger) -> None:
        by_id = {machine.id: machine for machine in ledger.machines}
        for removal in planned.remove:
            moved = await self._store.machines.move(
                removal.machine, S.DELETING, reason=removal.why, only_from={removal.state}
            )
            if moved and removal.failure:
                machine = by_id[removal.machine]
                await self._effects.failed(
                    machine.pool, machine.fingerprint, f"{machine.id}: {removal.why}"
                )
        facts = {f.name: f for f in self._inventory.facts()}
        for _ in range(planned.create):
            await self._effects.create(facts[planned.pool])

    async def _left(self) -> list[str]:
        """Names of machines of ours that still are at a cloud; those not in the ledger go now."""
        left = {m.id for m in (await self._store.ledger()).machines}
        known = set(left)
        for name, listed in (await self._survey.lists()).items():
            for seen in listed:
                left.add(seen.name)
                if seen.name not in known:
                    with suppress(CloudError):
                        await self._inventory.clouds[name].delete(seen.id)
        return sorted(left)
