"""Machines and leases in a store alone, without a service: one pool, machines at will."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from vmm_core.allocation.facts import PoolFacts
from vmm_core.allocation.rules import Rules
from vmm_core.errors import VmmError
from vmm_core.lifetimes.rules import ends_at
from vmm_core.model import (
    Environment,
    Lease,
    Lifetime,
    Limit,
    Location,
    Machine,
    MachineState,
    Needs,
    Pool,
    Size,
)
from vmm_core.store import Store
from vmm_core.store.claims import Request
from vmm_core.store.records import Actor

from .world import Clock

SIZE = Size(name="small", cpus=2, ram_gb=8)
POOL = Pool(environment="mantid", cloud="ral-sim", size="small", ready=1, maximum=50)
FACTS = PoolFacts(
    pool=POOL,
    environment=Environment(name="mantid", title="Mantid"),
    location=Location(name="ral", title="Rutherford"),
    size=SIZE,
    fingerprint="now",
)
ALICE = Actor("alice", "hub")
BOB = Actor("bob", "hub")
OPERATOR = Actor("operator", "operator")
RULES = Rules([FACTS])


@asynccontextmanager
async def opened(url: str, clock: Clock) -> AsyncIterator[Store]:
    """A store on the database, closed in the end."""
    store = Store(url, clock=clock)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def add(store: Store, name: str, *, fingerprint: str = "now") -> Machine:
    """Write the row of a machine of the pool that is asked for."""
    now = store.now()
    machine = Machine(
        id=name,
        pool=POOL.name,
        cloud=POOL.cloud,
        location="ral",
        environment="mantid",
        size=SIZE,
        state=MachineState.REQUESTED,
        fingerprint=fingerprint,
        created_at=now,
        changed_at=now,
    )
    await store.machines.add(machine, enrolment_sha256=f"{name}-token")
    return machine


async def observe(
    store: Store, name: str, *, address: str | None = "10.0.0.1", rules: Rules = RULES
) -> bool:
    """Its cloud says that it runs; whether it is vacant by that."""
    return await store.machines.observe(
        name,
        cloud_id=f"c-{name}",
        running=True,
        address=address,
        ports={8888: 40001},
        isolation="simulated",
        decide=rules,
    )


async def vacant(
    store: Store, name: str, *, fingerprint: str = "now", rules: Rules = RULES
) -> Machine:
    """One more machine that is ready: vacant, unless somebody waits for it."""
    machine = await add(store, name, fingerprint=fingerprint)
    await observe(store, name, rules=rules)
    await store.agents.ready(name, rules)
    return machine


async def request(
    store: Store,
    owner: str,
    key: str = "k",
    needs: Needs | None = None,
    *,
    groups: tuple[str, ...] = (),
    rules: Rules = RULES,
) -> Lease:
    """The lease of one request that comes alone; what refuses it is raised."""
    asked = Request(owner, "hub", key, needs or Needs(), groups)
    (answer,) = await store.leases.answer([asked], rules)
    if isinstance(answer, VmmError):
        raise answer
    return answer.lease


class Book:
    """A store with machines and leases."""

    def __init__(
        self, store: Store, clock: Clock, lifetimes: Sequence[Lifetime], limits: Sequence[Limit]
    ) -> None:
        self.store = store
        self.clock = clock
        self.lifetimes = tuple(lifetimes)
        self.rules = Rules([FACTS], limits=limits, ends_at=partial(ends_at, self.lifetimes))
        self._made = 0

    async def machine(self) -> Machine:
        """One more that is vacant, unless somebody waits for it."""
        self._made += 1
        return await vacant(self.store, f"vmm-{self._made}", rules=self.rules)

    async def lease(
        self, owner: str = "alice", key: str = "k", *, groups: tuple[str, ...] = ()
    ) -> Lease:
        """A lease with a machine of its own."""
        await self.machine()
        needs = Needs(environment="mantid")
        return await request(self.store, owner, key, needs, groups=groups, rules=self.rules)

    async def bound(self, lease: Lease) -> None:
        """Its session runs."""
        assert lease.machine is not None
        await self.store.bindings.begin(lease.id, "session")
        assert await self.store.bindings.answers(lease.id, lease.machine.id, 8888)

    async def state(self, lease: Lease) -> MachineState:
        assert lease.machine is not None
        return (await self.store.machines.get(lease.machine.id)).state


@asynccontextmanager
async def book(
    url: str, lifetimes: Sequence[Lifetime] = (), limits: Sequence[Limit] = ()
) -> AsyncIterator[Book]:
    """A book at ``url``; entering it again is another service on the same database."""
    clock = Clock()
    async with opened(url, clock) as store:
        yield Book(store, clock, lifetimes, limits)
