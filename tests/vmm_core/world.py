"""A whole VMM on simulated clouds, with a clock that tests turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from vmm_core.catalogue import Catalogue, parse
from vmm_core.clouds.simulated import Fault, SimulatedCloud
from vmm_core.leases import Leases
from vmm_core.model import Machine, MachineState, Needs, Program, Session
from vmm_core.pools.inventory import Inventory
from vmm_core.pools.manager import PoolManager
from vmm_core.pools.policy import Policy
from vmm_core.pools.simulated import SimulatedAgents
from vmm_core.store import Store

CATALOGUE = """
locations:
  - {name: ral, title: Rutherford}
  - {name: dls, title: Diamond}
clouds:
  - {name: ral-sim, kind: simulated, location: ral}
  - {name: dls-sim, kind: simulated, location: dls}
environments:
  - {name: mantid, title: Mantid, preload: [json]}
  - {name: tomo, title: Tomography}
pools:
  - {environment: mantid, cloud: ral-sim, size: small, ready: 1, maximum: 3}
  - {environment: mantid, cloud: dls-sim, size: large, ready: 0, maximum: 2}
"""

MANTID = Needs(environment="mantid")


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(microseconds=1)  # so that order is kept
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()

    def turn(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class World:
    """Store, clouds, agents, manager and leases, stepped by hand."""

    def __init__(self, store: Store, inventory: Inventory, policy: Policy, clock: Clock) -> None:
        self.store = store
        self.inventory = inventory
        self.policy = policy
        self.clock = clock
        self.clouds: dict[str, SimulatedCloud] = {
            name: cloud
            for name, cloud in inventory.clouds.items()
            if isinstance(cloud, SimulatedCloud)
        }
        self.agents = SimulatedAgents(self.clouds.values(), store.installation)
        self.manager = PoolManager(store, inventory, self.agents, policy=policy)
        self.leases = Leases(store, inventory, self.agents, wake=self.manager.wake)

    async def step(self, times: int = 1, *, turn_s: float = 1) -> None:
        """Let everything move: the manager, the clouds, the agents, the clock."""
        for _ in range(times):
            await self.manager.step()
            await self.manager.settle()
            await self.agents.step(self.manager.agent_ready)
            self.clock.turn(turn_s)

    async def by_state(self, pool: str | None = None) -> dict[MachineState, int]:
        """How many machines are in each state; deleted ones do not count."""
        found: dict[MachineState, int] = {}
        for machine in await self.store.machines.all(pool=pool):
            found[machine.state] = found.get(machine.state, 0) + 1
        return found

    async def machines(self, state: MachineState) -> list[Machine]:
        return [m for m in await self.store.machines.all() if m.state is state]

    def at_clouds(self) -> set[str]:
        """Names of the machines that really are there."""
        return {
            machine.name
            for cloud in self.clouds.values()
            for machine in cloud.machines(self.store.installation)
        }

    async def acquire(self, owner: str = "alice", key: str = "k", needs: Needs = MANTID):
        return await self.leases.acquire(owner=owner, frontend="hub", key=key, needs=needs)


def catalogue(text: str = CATALOGUE) -> Catalogue:
    return parse(text, "test.yaml")


@asynccontextmanager
async def world(
    folder: Path,
    text: str = CATALOGUE,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    make_store: Callable[..., Store] = Store,
    url: str | None = None,
    silent: Mapping[str, int] = MappingProxyType({}),
    silence: Fault = "sizes-unreachable",
) -> AsyncIterator[World]:
    """A world in a folder; entering it again is a restart of the service.

    The clouds in ``silent`` do not tell their sizes so many times, because of ``silence``.
    """
    clock = clock or Clock()
    read = catalogue(text)
    clouds = {}
    for account in read.clouds.values():
        options = SimulatedCloud.Options.model_validate(
            {"state_file": str(folder / f"{account.name}.json"), **account.options}
        )
        clouds[account.name] = SimulatedCloud(account.name, options, clock=clock.seconds)
    for name, times in silent.items():
        clouds[name].inject(silence, times)
    store = make_store(url or f"sqlite+aiosqlite:///{folder / 'vmm.sqlite'}", clock=clock)
    await store.open()
    inventory = Inventory(read, clouds, service_url="http://127.0.0.1:1", public_key="test")
    await inventory.ask()
    try:
        yield World(store, inventory, policy or Policy(), clock)
    finally:
        await store.close()


def session(user: str = "alice") -> Session:
    return Session(user=user, program=Program(argv=("true",)), port=8888, health_path="/")
