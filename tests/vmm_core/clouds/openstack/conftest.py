"""What the tests of OpenStack share: the lab, clouds in it, and a VMM that its servers can dial."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from vmm_core.clouds.base import MachineSpec
from vmm_core.clouds.openstack.cloud import OpenStackCloud
from vmm_core.clouds.openstack.options import Options
from vmm_core.model import Size

from ....support.openstack_lab import Lab, deselect, openstack_lab
from . import clouds_files
from .between import Between
from .gateway import GatewayService

__all__ = ["openstack_lab"]

Make = Callable[..., OpenStackCloud]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the lab's tests out unless the lab is asked for."""
    deselect(config, items)


@pytest_asyncio.fixture
async def make(openstack_lab: Lab) -> AsyncIterator[Make]:
    """Makes clouds of the lab, by zone and more options; they are closed in the end."""
    made: list[OpenStackCloud] = []

    def make(zone: str = "loc-a", name: str = "lab", **more: object) -> OpenStackCloud:
        options = Options.model_validate(openstack_lab.options(zone, **more))
        made.append(OpenStackCloud(name, options))
        return made[-1]

    yield make
    for cloud in made:
        await cloud.close()


@pytest_asyncio.fixture
async def owner(make: Make) -> AsyncIterator[str]:
    """An installation of this test's own; its machines in clouds called "lab" are deleted."""
    name = f"tests-{uuid.uuid4().hex[:12]}"
    yield name
    cloud = make()
    for machine in await cloud.list_owned(name):
        await cloud.delete(machine.id)


@pytest.fixture
def spec(owner: str) -> Callable[..., MachineSpec]:
    """Makes specs of machines, by flavor and more."""

    def spec(flavor: str = Lab.flavor, **more: Any) -> MachineSpec:
        values = {
            "name": f"vmm-{uuid.uuid4().hex[:12]}",
            "owner": owner,
            "image": "default",
            "size": Size(name=flavor, cpus=1, ram_gb=1),
            "user_data": "{}",
            "ports": (8888,),
            "tags": {"pool": "mantid@lab/small"},
        }
        return MachineSpec(**{**values, **more})

    return spec


@pytest_asyncio.fixture
async def vmm(openstack_lab: Lab) -> AsyncIterator[GatewayService]:
    """A small VMM at the address where the lab's servers reach this host."""
    service = GatewayService(openstack_lab.gateway)
    await service.start()
    yield service
    await service.stop()


@pytest_asyncio.fixture
async def between(openstack_lab: Lab) -> AsyncIterator[Between]:
    proxy = Between(f"http://127.0.0.1:{openstack_lab.port_base + 1}")
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
def spoilt(openstack_lab: Lab, between: Between, make: Make, tmp_path: Path) -> OpenStackCloud:
    """The cloud "lab", whose Nova is reached through ``between``."""
    url = f"{between.url}/v2.1"
    file = clouds_files.write(tmp_path, openstack_lab.auth_url, compute_endpoint_override=url)
    return make(cloud=clouds_files.NAME, clouds_file=file)


@pytest_asyncio.fixture
async def aborting(make: Make) -> AsyncIterator[OpenStackCloud]:
    """The cloud "lab", whose servers all come to nothing on their host."""

    class Aborts(OpenStackCloud):
        async def _request(self, spec: MachineSpec) -> dict[str, object]:
            request = await super()._request(spec)
            request["metadata"] = {**request["metadata"], "oslab_spawn": "abort"}  # type: ignore[dict-item]
            return request

    made = Aborts("lab", make()._options)
    yield made
    await made.close()
