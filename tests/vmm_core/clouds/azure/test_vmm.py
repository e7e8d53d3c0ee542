"""The real pool manager and leases, with an Azure cloud from a catalogue."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.ca import Identity
from tests.support.messages import expected, says
from tests.vmm_core.world import Clock
from vmm_core.catalogue import parse
from vmm_core.clouds.base import CloudMachine, CloudState
from vmm_core.errors import VmmError
from vmm_core.leases import Leases
from vmm_core.model import Lease, LeaseState, Needs
from vmm_core.pools.inventory import Inventory
from vmm_core.pools.manager import PoolManager
from vmm_core.pools.simulated import SimulatedAgents
from vmm_core.store import Store

from .conftest import SMALL
from .fake import LOST_ANSWER, Error, FakeAzure

CATALOGUE = """\
locations: [{{name: uk, title: UK South}}]
clouds: [{{name: azure-uk, kind: azure, location: uk, options: {options}}}]
environments: [{{name: mantid, title: Mantid}}]
pools: [{{environment: mantid, cloud: azure-uk, size: {size}, ready: 1, maximum: 2}}]
"""


class Booted:
    """What runs at the fake, for the simulated agents."""

    def __init__(self, azure: FakeAzure) -> None:
        self.azure = azure

    def machines(self, owner: str) -> list[CloudMachine]:
        return [
            CloudMachine(each.name, each.name, CloudState.RUNNING)
            for each in self.azure.account.machines.values()
            if each.state == "Succeeded"
        ]


class Service:
    """Store, manager and leases, stepped by hand."""

    def __init__(self, store: Store, inventory: Inventory, azure: FakeAzure, clock: Clock) -> None:
        self.clock = clock
        self.store = store
        self.agents: Any = SimulatedAgents([Booted(azure)], store.installation)  # type: ignore
        self.manager = PoolManager(store, inventory, self.agents)
        self.leases = Leases(store, inventory, self.agents, wake=self.manager.wake)

    async def step(self, times: int = 1) -> None:
        for _ in range(times):
            await self.manager.step()
            await self.manager.settle()
            await self.agents.step(self.manager.agent_ready)
            self.clock.turn(1)

    async def acquire(self) -> Lease:
        needs = Needs(environment="mantid")
        return await self.leases.acquire(owner="alice", frontend="hub", key="k", needs=needs)

    async def told(self) -> str:
        """What a user reads who asks for a machine now."""
        try:
            return (await self.acquire()).explanation.summary
        except VmmError as error:
            return str(error)

    async def hold(self) -> str:
        (pool,) = await self.manager.status()
        return pool.hold


Open = Callable[..., Any]


@pytest_asyncio.fixture
async def service(
    azure: FakeAzure, tls: tuple[Path, Identity], tmp_path: Path
) -> AsyncIterator[Open]:
    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[Service]:
        chosen = json.dumps(azure.options(tmp_path, tls[0], **options))
        text = CATALOGUE.format(options=chosen, size=SMALL.name)
        clock = Clock()
        store = Store(f"sqlite+aiosqlite:///{tmp_path / 'vmm.sqlite'}", clock=clock)
        await store.open()
        inventory = await Inventory.open(
            parse(text, "c.yaml"), service_url="https://vmm.example", public_key="key"
        )
        try:
            yield Service(store, inventory, azure, clock)
        finally:
            await inventory.close()
            await store.close()

    yield opened


async def test_a_pool_is_filled_leased_and_emptied(azure: FakeAzure, service: Open) -> None:
    async with service() as vmm:
        await vmm.step(5)
        lease = await vmm.acquire()
        assert lease.state is LeaseState.ACQUIRED
        assert lease.machine is not None
        assert lease.machine.address == "10.0.0.8"
        await vmm.leases.release(lease.id)
        await vmm.step(5)
        assert lease.machine.id not in azure.account.machines
        assert len(azure.account.machines) == 1
        assert await vmm.manager.drain(5) == []
        assert not azure.account.machines
        assert not azure.account.disks


async def test_a_create_without_an_answer_becomes_the_one_machine(
    azure: FakeAzure, service: Open
) -> None:
    async with service() as vmm:
        azure.fail("put machine", LOST_ANSWER)
        await vmm.step(6)
        assert (await vmm.acquire()).state is LeaseState.ACQUIRED
        assert set(azure.account.made.values()) == {1}
        await vmm.manager.drain(5)


async def test_a_machine_that_azure_cannot_build_is_replaced(
    azure: FakeAzure, service: Open
) -> None:
    size = azure.account.sizes[SMALL.name]
    size.allocation_fails = True
    async with service() as vmm:
        await vmm.step(4)
        assert "AllocationFailed" in await vmm.hold()
        size.allocation_fails = False
        await vmm.step(15)
        assert (await vmm.acquire()).state is LeaseState.ACQUIRED
        assert [each.failure for each in azure.account.machines.values()] == [None, None][
            : len(azure.account.machines)
        ]
        await vmm.manager.drain(5)


@pytest.mark.parametrize(
    ("situation", "faults"),
    [
        ("full: quota", [Error(409, "OperationNotAllowed", "It exceeds the approved quota.")]),
        ("full: no room at Azure", [Error(409, "SkuNotAvailable", "It is not available.")]),
        ("slow: throttled", [Error(429, "TooManyRequests", "Slower.", retry_after="30")]),
        ("slow: no answer", [LOST_ANSWER]),
        ("wrong credentials: rights", [Error(403, "AuthorizationFailed", "It may not.")]),
    ],
)
async def test_what_is_read_when_no_machine_can_be_made(
    azure: FakeAzure, service: Open, situation: str, faults: list[Error | str]
) -> None:
    row = expected("azure", situation)
    async with service() as vmm:
        azure.fail("put machine", *faults)
        await vmm.step(1 if faults[0] is LOST_ANSWER else 2)
        told, (made,) = await vmm.told(), await vmm.store.machines.all(deleted=True)
        assert says(row.operator, made.reason.removeprefix("looked up at its cloud: "))
        assert says(row.user, told), told
        assert len([each for each in azure.requests if each == "put machine"]) == len(faults)


async def test_what_is_read_when_machines_fail(azure: FakeAzure, service: Open) -> None:
    row = expected("azure", "full: found while building")
    azure.account.sizes[SMALL.name].allocation_fails = True
    async with service() as vmm:
        await vmm.step(6)
        assert says(row.user, told := await vmm.told()), told
        said = (await vmm.hold()).partition(": ")[2]  # after the machine's name
        assert says(row.operator, said), said


@pytest.mark.parametrize(
    ("situation", "options"),
    [
        ("wrong address", {"endpoint": "https://127.0.0.1:9", "authority": "https://127.0.0.1:9"}),
        ("wrong credentials", {}),
        ("wrong credentials: token", {}),
        ("gone", {"subscription": "11111111-1111-1111-1111-111111111111"}),
        ("gone: resource group", {"resource_group": "another"}),
    ],
)
async def test_what_is_read_when_the_cloud_cannot_be_asked(
    azure: FakeAzure, service: Open, situation: str, options: dict[str, str]
) -> None:
    row = expected("azure", situation)
    if situation == "wrong credentials":
        azure.directory.secret = "another"
    if situation == "wrong credentials: token":
        refusal = Error(401, "InvalidAuthenticationToken", "The token is invalid.")
        azure.fail("list usages", *[refusal] * 9)
    async with service(**options) as vmm:
        await vmm.step(2)
        assert says(row.operator, held := await vmm.hold()), held
        assert says(row.user, told := await vmm.told()), told
