"""The contract of a cloud, kept against a real control plane, with servers that run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from vmm_core.clouds.base import CloudMachine, ResourceKind
from vmm_core.clouds.conformance import CloudConformance, Dial, LeaveSide
from vmm_core.clouds.openstack import machines
from vmm_core.clouds.openstack.cloud import OpenStackCloud

from ....support.openstack_lab import Lab
from .conftest import Make
from .gateway import GatewayService

pytestmark = [pytest.mark.openstack, pytest.mark.root, pytest.mark.timeout(600)]


class TestOpenStack(CloudConformance):
    @pytest_asyncio.fixture
    async def cloud(self, make: Make) -> AsyncIterator[OpenStackCloud]:
        yield make(flavors=[Lab.flavor])

    @pytest.fixture
    def reopen(self, make: Make) -> Callable[[], OpenStackCloud]:
        return lambda: make(flavors=[Lab.flavor])

    @pytest.fixture
    def user_data(self, vmm: GatewayService) -> Callable[[str], str]:
        return vmm.user_data

    @pytest.fixture
    def dial(self, vmm: GatewayService) -> Dial:
        return vmm.serves

    @pytest.fixture
    def leave_side(self, openstack_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> LeaveSide:
        """Somebody else deletes the server: its port stays."""

        def delete(machine: CloudMachine) -> None:
            with openstack_lab.connect() as admin:
                (server,) = admin.compute.servers(all_projects=True, name=machine.name)
                admin.compute.delete_server(server)
                admin.compute.wait_for_delete(server, interval=0.2, wait=60)

        async def leave(machine: CloudMachine) -> ResourceKind:
            await asyncio.to_thread(delete, machine)
            monkeypatch.setattr(machines, "PORT_ALONE_S", 0)  # as if it had been alone for long
            return ResourceKind.PORT

        return leave
