"""Leases on machines in a store alone, without a service: one pool, machines at will."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from vmm_core.allocation.facts import PoolFacts
from vmm_core.allocation.rules import Rules
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
from vmm_core.store.records import Actor

from .world import Clock

SIZE = Size(name="small", cpus=2, ram_gb=8)
FACTS = PoolFacts(
    pool=Pool(environment="mantid", cloud="ral-sim", size="small", ready=1, maximum=50),
    environment=Environment(name="mantid", title="Mantid"),
    location=Location(name="ral", title="Rutherford"),
    size=SIZE,
    fingerprint="now",
)
ALICE = Actor("alice", "hub")
BOB = Actor("bob", "hub")
OPERATOR = Actor("operator", "operator")


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
        now = self.clock()
        machine = Machine(
            id=f"vmm-{self._made}",
            pool=FACTS.name,
            cloud="ral-sim",
            location="ral",
            environment="mantid",
            size=SIZE,
            state=MachineState.REQUESTED,
            fingerprint="now",
            created_at=now,
            changed_at=now,
        )
        await self.store.machines.add(machine, enrolment_sha256=machine.id)
        await self.store.machines.observe(
            machine.id,
            cloud_id=f"at-{machine.id}",
            running=True,
            address="127.0.0.1",
            ports={8888: 8888},
            isolation="",
            decide=self.rules,
        )
        await self.store.agents.ready(machine.id, self.rules)
        return machine

    async def lease(
        self, owner: str = "alice", key: str = "k", *, groups: tuple[str, ...] = ()
    ) -> Lease:
        """A lease with a machine of its own."""
        await self.machine()
        return await self.store.leases.request(
            owner=owner,
            frontend="hub",
            key=key,
            needs=Needs(environment="mantid"),
            decide=self.rules,
            groups=groups,
        )

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
    store = Store(url, clock=clock)
    await store.open()
    try:
        yield Book(store, clock, lifetimes, limits)
    finally:
        await store.close()
