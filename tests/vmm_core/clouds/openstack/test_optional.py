"""Suspending servers and reading consoles beyond the contract: real Nova, lost answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from vmm_core.clouds.base import CloudState, MachineSpec, OutcomeUnknown, Refused, Throttled
from vmm_core.clouds.openstack.cloud import OpenStackCloud
from vmm_core.clouds.openstack.machines import mark

from ....support.openstack_lab import Lab
from .between import Between
from .conftest import Make

pytestmark = [pytest.mark.openstack, pytest.mark.root, pytest.mark.timeout(600)]

Spec = Callable[..., MachineSpec]


async def becomes(cloud: OpenStackCloud, owner: str, state: CloudState) -> str:
    """The id of the owner's only machine, once it is in that state."""
    async with asyncio.timeout(90):
        while True:
            (machine,) = await cloud.list_owned(owner)
            if machine.state is state:
                return machine.id
            await asyncio.sleep(0.2)


async def test_nova_says_so_too_and_keeps_the_address(
    make: Make, spec: Spec, owner: str, openstack_lab: Lab
) -> None:
    cloud = make()
    await cloud.create(spec())
    made = await becomes(cloud, owner, CloudState.RUNNING)
    (before,) = await cloud.list_owned(owner)
    await cloud.suspend(made)
    await becomes(cloud, owner, CloudState.SUSPENDED)
    with openstack_lab.connect() as admin:
        (server,) = admin.compute.servers(all_projects=True, tags=mark(owner, "lab"))
        assert server.status == "SUSPENDED"
    await cloud.resume(made)
    await becomes(cloud, owner, CloudState.RUNNING)
    (after,) = await cloud.list_owned(owner)
    assert (after.id, after.address, after.ports) == (before.id, before.address, before.ports)


async def test_the_other_wish_waits_for_the_end_of_the_first(
    make: Make, spec: Spec, owner: str
) -> None:
    """Nova would refuse a server that is at something."""
    cloud = make()
    await cloud.create(spec())
    made = await becomes(cloud, owner, CloudState.RUNNING)
    for _ in range(2):
        await cloud.suspend(made)
        await cloud.resume(made)
    await becomes(cloud, owner, CloudState.RUNNING)


async def test_a_server_that_is_stopped_is_refused(
    make: Make, spec: Spec, owner: str, openstack_lab: Lab
) -> None:
    cloud = make()
    await cloud.create(spec())
    made = await becomes(cloud, owner, CloudState.RUNNING)
    with openstack_lab.connect() as admin:
        (server,) = admin.compute.servers(all_projects=True, tags=mark(owner, "lab"))
        admin.compute.stop_server(server)
    await becomes(cloud, owner, CloudState.STOPPED)
    for verb in (cloud.suspend, cloud.resume):
        with pytest.raises(Refused, match="it is stopped: wait until it runs, or delete it"):
            await verb(made)


async def test_lost_requests_and_answers(
    spoilt: OpenStackCloud, between: Between, spec: Spec, owner: str
) -> None:
    await spoilt.create(spec())
    made = await becomes(spoilt, owner, CloudState.RUNNING)
    between.faults["POST", "action"] = "lose-request"
    with pytest.raises(OutcomeUnknown, match="cannot suspend a server"):
        await spoilt.suspend(made)
    assert await becomes(spoilt, owner, CloudState.RUNNING) == made
    between.faults["POST", "action"] = "lose-answer"
    with pytest.raises(OutcomeUnknown, match="cannot suspend a server"):
        await spoilt.suspend(made)
    await becomes(spoilt, owner, CloudState.SUSPENDED)
    await spoilt.suspend(made)
    between.faults["POST", "action"] = "throttle"
    with pytest.raises(Throttled):
        await spoilt.resume(made)
    await spoilt.resume(made)
    await becomes(spoilt, owner, CloudState.RUNNING)


async def test_a_console_is_what_nova_has(make: Make, spec: Spec, owner: str) -> None:
    cloud = make()
    await cloud.create(spec())
    made = await becomes(cloud, owner, CloudState.RUNNING)
    assert "FAKE CONSOLE OUTPUT" in await cloud.console(made)


async def test_the_console_of_a_machine_that_failed(
    make: Make, spec: Spec, owner: str, aborting: OpenStackCloud
) -> None:
    """One that never came to a host has none, which is no error."""
    await aborting.create(spec())
    made = await becomes(aborting, owner, CloudState.FAILED)
    assert await make().console(made) == ""
