"""The whole way: service, pool, server, agent, lease, session at its address, and nothing left.

Two zones of one OpenStack account are two locations; the GPU is in one of them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from vmm_core.client import VmmClient
from vmm_core.model import LeaseState, Machine, MachineState, Needs
from vmm_core.tokens import Scope, add_token

from ....support.openstack_lab import Lab
from ...service import eventually, serving, settings_in
from .gateway import SESSION

pytestmark = [pytest.mark.openstack, pytest.mark.root, pytest.mark.timeout(600)]

BOOT_S = 180
"""On a loaded machine."""


def catalogue(lab: Lab) -> dict[str, Any]:
    """Two locations; a machine is kept ready in one zone, GPUs are in the other."""
    return {
        "locations": [{"name": "ral", "title": "RAL"}, {"name": "dl", "title": "Daresbury"}],
        "clouds": [
            {
                "name": name,
                "kind": "openstack",
                "location": name.removesuffix("-cloud"),
                "options": lab.options(zone, flavors=[lab.flavor, *lab.gpu_flavors]),
            }
            for name, zone in (("ral-cloud", "loc-a"), ("dl-cloud", lab.gpu_zone))
        ],
        "environments": [{"name": "mantid", "title": "Mantid workbench"}],
        "pools": [
            {"environment": "mantid", "cloud": "ral-cloud", "size": lab.flavor, "maximum": 2},
            {"environment": "mantid", "cloud": "dl-cloud", "size": "lab.vgpu", "ready": 0},
        ],
    }


@pytest_asyncio.fixture
async def client(openstack_lab: Lab, tmp_path: Path) -> AsyncIterator[VmmClient]:
    """A client of a service whose machines dial it over the lab's network."""
    file = tmp_path / "environments.yaml"
    file.write_text(json.dumps(catalogue(openstack_lab), indent=1))  # JSON is YAML
    token = add_token(tmp_path / "tokens.yaml", "hub", (Scope.LEASE_ANY, Scope.OPERATE))
    settings = settings_in(tmp_path, ip=openstack_lab.gateway, delete_machines_on_stop=True)
    async with serving(settings, BOOT_S) as service, VmmClient(service.url, token) as client:
        yield client


def everything(lab: Lab) -> list[str]:
    """What the project has in Nova and Neutron, and what Placement gave out."""
    with lab.connect() as admin:
        found = [f"server {s.name}" for s in admin.compute.servers(all_projects=True)]
        found += [f"port {p.name}" for p in admin.network.ports() if p.name.startswith("vmm-")]
        for provider in admin.placement.resource_providers():
            held = admin.placement.get(f"/resource_providers/{provider.id}/allocations").json()
            found += [f"allocation {one}" for one in held["allocations"]]
        return found


async def vacant(client: VmmClient, location: str) -> Machine:
    """A machine there that an agent says is ready."""

    async def look() -> Machine | None:
        found = [m for m in await client.machines() if m.state is MachineState.VACANT]
        return next((m for m in found if m.location == location), None)

    machine = await eventually(look, lambda seen: seen is not None, BOOT_S)
    assert machine is not None
    return machine


async def answers(url: str) -> int:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status


async def test_from_a_pool_to_a_session_and_back(client: VmmClient, openstack_lab: Lab) -> None:
    ready = await vacant(client, "ral")
    assert ready.address is not None
    assert ready.address.rpartition(".")[0] == openstack_lab.gateway.rpartition(".")[0]
    lease = await client.acquire(Needs(environment="mantid"), owner="alice", key="1")
    assert lease.state is LeaseState.ACQUIRED
    assert lease.machine is not None
    assert lease.machine.id == ready.id
    handover = await client.bind(lease.id, SESSION)
    assert handover.address == ready.address
    assert await answers(handover.url) == 200
    with openstack_lab.connect() as admin:
        (server,) = admin.compute.servers(all_projects=True, name=ready.id)
        assert "alice" not in str(server.to_dict()), "nothing of a user is at the cloud"
    await client.release(lease.id)

    async def gone() -> bool:
        return ready.id not in str(await asyncio.to_thread(everything, openstack_lab))

    await eventually(gone, within_s=BOOT_S)
    with pytest.raises(aiohttp.ClientError):
        await answers(handover.url)
    await vacant(client, "ral")  # its successor


async def test_a_gpu_is_made_when_asked_for_in_the_location_that_has_them(
    client: VmmClient, openstack_lab: Lab
) -> None:
    lease = await client.acquire(Needs(environment="mantid", gpus=1), owner="bob", key="1")
    assert lease.state is LeaseState.WAITING
    lease = await client.wait(lease.id, BOOT_S)
    assert lease.machine is not None
    assert (lease.machine.location, lease.machine.size.gpus) == ("dl", 1)
    handover = await client.bind(lease.id, SESSION)
    assert await answers(handover.url) == 200
    await client.release(lease.id)


async def test_nothing_is_left_of_the_services_above(openstack_lab: Lab) -> None:
    """Each deleted its machines when it stopped."""

    async def left() -> list[str]:
        return await asyncio.to_thread(everything, openstack_lab)

    await eventually(left, lambda seen: not seen, 60)
    machines = openstack_lab.folder / "machines"
    assert [path.name for path in machines.glob("[!.]*")] == []
