"""How long one step of the pool manager takes, and how much memory, by the number of machines.

A step is everything that the service does over and over: list the clouds, read the
ledger, reconcile the two, plan, act. The machines are on a simulated cloud and in
a real ledger, SQLite and PostgreSQL, 50 to a pool; nine in ten are leased, the
others vacant. A *still* step finds all as it should be; a *busy* one follows an
hour in which one machine in a hundred was given back. Times are the median of
several steps; ``cpu`` is what this process took of a processor for one, whatever else
ran. Memory is what the largest step adds to what is there before
(tracemalloc, in a run of its own), and the process's peak.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from sqlalchemy import insert

from vmm_core.allocation.facts import PoolFacts
from vmm_core.catalogue import Catalogue
from vmm_core.clouds.base import MachineSpec
from vmm_core.clouds.simulated import SimulatedCloud
from vmm_core.model import (
    CloudAccount,
    Environment,
    Location,
    MachineState,
    Needs,
    Pool,
)
from vmm_core.pools.inventory import Inventory
from vmm_core.pools.manager import PoolManager
from vmm_core.pools.plan import Snapshot, Wanted, plan
from vmm_core.pools.policy import Policy
from vmm_core.pools.simulated import SimulatedAgents
from vmm_core.store import Store
from vmm_core.store.tables import machines

from . import report
from .postgres import Postgres

SIZES = (10, 1_000, 10_000, 100_000)
PER_POOL = 50
VACANT = 5
"""Of those."""
STEPS = 5
AIM_S = 2.0
"""For 10,000 machines."""
POLICY = Policy(booting_per_cloud=10_000, lock_s=3600)


def catalogue(pools: int) -> Catalogue:
    """One cloud, one location, so many pools of one environment each."""
    names = [f"env-{number}" for number in range(pools)]
    made = [
        Pool(environment=name, cloud="sim", size="small", ready=VACANT, maximum=2 * PER_POOL)
        for name in names
    ]
    return Catalogue(
        locations={"ral": Location(name="ral", title="Rutherford")},
        clouds={"sim": CloudAccount(name="sim", kind="simulated", location="ral")},
        environments={name: Environment(name=name, title=name) for name in names},
        pools={pool.name: pool for pool in made},
    )


class Bench:
    """A ledger and a cloud with so many machines, and a manager."""

    def __init__(self, store: Store, number: int) -> None:
        self.store = store
        self.number = number
        self.cloud = SimulatedCloud("sim", SimulatedCloud.Options())
        self.inventory = Inventory(
            catalogue(max(1, number // PER_POOL)),
            {"sim": self.cloud},
            service_url="http://127.0.0.1:1",
            public_key="bench",
        )
        self.agents = SimulatedAgents([self.cloud], store.installation)
        self.manager = PoolManager(store, self.inventory, self.agents, policy=POLICY)

    async def fill(self) -> None:
        """Make the machines at the cloud, and their rows."""
        await self.inventory.ask()
        now = self.store.now()
        rows = []
        for pool in self.inventory.facts():
            for place in range(min(PER_POOL, self.number)):
                rows.append(await self._machine(pool, place, now))
        for start in range(0, len(rows), 2000):
            async with self.store.transactions.write() as tx:
                await tx.connection.execute(insert(machines), rows[start : start + 2000])

        async def known(machine_id: str) -> None:
            """The ledger says already that it is ready."""

        await self.agents.step(known)

    async def _machine(self, pool: PoolFacts, place: int, now: datetime) -> dict[str, object]:
        name = f"vmm-{pool.environment.name}-{place}"
        made = await self.cloud.create(
            MachineSpec(name, self.store.installation, "", pool.size, "", (8888,))
        )
        leased = place >= VACANT and self.number > PER_POOL
        return {
            "id": name,
            "pool": pool.name,
            "cloud": "sim",
            "location": "ral",
            "environment": pool.environment.name,
            "size": pool.size.model_dump(mode="json"),
            "state": MachineState.ACQUIRED if leased else MachineState.VACANT,
            "fingerprint": pool.fingerprint,
            "cloud_id": made.id,
            "address": made.address,
            "ports": {"8888": 8888},
            "root": "/",
            "isolation": "simulated",
            "reason": "",
            "created_at": now - timedelta(hours=1),
            "changed_at": now - timedelta(hours=1),
            "vacant_at": now - timedelta(hours=1),
        }

    async def give_back(self) -> int:
        """Let one machine in a hundred be given back; how many that were."""
        used = [m for m in await self.store.machines.all() if m.state is MachineState.ACQUIRED]
        ended = used[: max(1, self.number // 100)]
        for machine in ended:
            await self.store.machines.move(machine.id, MachineState.DELETING, reason="released")
        return len(ended)


@asynccontextmanager
async def bench(url: str, number: int) -> AsyncIterator[Bench]:
    """A filled one."""
    store = Store(url)
    await store.open()
    try:
        made = Bench(store, number)
        await made.fill()
        yield made
        await made.manager.settle()
    finally:
        await store.close()


async def timed(step: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Seconds that it takes, and of the processor that this process takes for it."""
    began, used = time.perf_counter(), time.process_time()
    await step()
    return time.perf_counter() - began, time.process_time() - used


async def measure(url: str, number: int) -> dict[str, float]:
    """The figures of one ledger with so many machines."""
    async with bench(url, number) as made:
        await made.manager.step()
        await made.manager.settle()
        await made.manager.step()
        gc.collect()
        still = [await timed(made.manager.step) for _ in range(STEPS)]
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        await made.manager.step()
        step_mb = (tracemalloc.get_traced_memory()[1] - before) / 2**20
        tracemalloc.stop()
        busy_s = 0.0
        if number >= 1000:
            await made.give_back()
            busy_s, _ = await timed(made.manager.step)
            await made.manager.settle()
    return {
        "still_ms": 1000 * median(whole for whole, _ in still),
        "cpu_ms": 1000 * median(cpu for _, cpu in still),
        "busy_ms": 1000 * busy_s,
        "step_mb": step_mb,
    }


def plan_of_a_queue(waiting: int, pools: int, *, kinds: int) -> float:
    """Seconds of a processor to plan for so many who wait for ``kinds`` different things."""
    inventory = Inventory(
        catalogue(pools),
        {"sim": SimulatedCloud("sim", SimulatedCloud.Options())},
        service_url="http://127.0.0.1:1",
        public_key="bench",
    )
    asyncio.run(inventory.ask())
    wanted = [
        Wanted(Needs(cpus=1 + (number % kinds) / kinds, environment=f"env-{number % pools}"))
        for number in range(waiting)
    ]
    anything = [
        replace(each, needs=each.needs.model_copy(update={"environment": None})) for each in wanted
    ]
    now = datetime.now(UTC)
    times = []
    for asked in (wanted, anything):
        snapshot = Snapshot(now=now, pools=inventory.facts(), machines=(), waiting=asked)
        began = time.process_time()
        plan(snapshot, POLICY)
        times.append(time.process_time() - began)
    return max(times)


async def ledger(name: str, url: Callable[[], str], sizes: Sequence[int]) -> dict[str, float]:
    """The figures of one kind of ledger."""
    figures: dict[str, float] = {}
    for number in sizes:
        found = await measure(url(), number)
        print(name, number, {key: round(value, 2) for key, value in found.items()}, flush=True)
        figures[f"{name}_{number}_step_ms"] = found["still_ms"]
        figures[f"{name}_{number}_step_cpu_ms"] = found["cpu_ms"]
        figures[f"{name}_{number}_step_mb"] = found["step_mb"]
        if found["busy_ms"]:
            figures[f"{name}_{number}_busy_step_ms"] = found["busy_ms"]
    low, high = (figures[f"{name}_{number}_step_cpu_ms"] for number in (10_000, 100_000))
    figures[f"{name}_growth_per_tenfold"] = high / low
    return figures


def main() -> None:
    """Measure all, and write it."""
    figures: dict[str, float] = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        files = (f"sqlite+aiosqlite:///{Path(folder) / f'{size}.sqlite'}" for size in SIZES)
        figures |= asyncio.run(ledger("sqlite", lambda: next(files), SIZES))
    server = Postgres()
    server.start()
    try:
        figures |= asyncio.run(ledger("postgres", server.empty_database, SIZES))
    finally:
        server.stop()
    figures["plan_1000_waiting_200_pools_ms"] = 1000 * plan_of_a_queue(1000, 200, kinds=10)
    figures["plan_1000_kinds_200_pools_ms"] = 1000 * plan_of_a_queue(1000, 200, kinds=1000)
    figures["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures["aim_10000_step_ms"] = 1000 * AIM_S
    report.write(
        "reconcile",
        figures,
        note="one step of the pool manager: list, read the ledger, reconcile, plan, act; "
        "step_mb is with tracemalloc, beside what was there before; "
        f"load of the machine when it began: {load:.1f}",
    )


if __name__ == "__main__":
    main()
