"""The contract of every cloud, held by Azure's, through the real SDK."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.base import CloudMachine, ResourceKind
from vmm_core.clouds.conformance import CloudConformance, LeaveSide

from .conftest import OpenCloud
from .fake import FakeAzure

_ALL = {"zone": "1", "public_address": True, "hibernate": True, "boot_diagnostics": True}


class TestAzure(CloudConformance):
    """One test for each promise."""

    @pytest.fixture
    def cloud(self, open_cloud: OpenCloud) -> AzureCloud:
        return open_cloud()

    @pytest.fixture
    def reopen(self, open_cloud: OpenCloud) -> Callable[[], AzureCloud]:
        return open_cloud

    @pytest.fixture
    def leave_side(self, azure: FakeAzure) -> LeaveSide:
        """The machine is deleted by hand, and its disk is forgotten."""

        async def leave(machine: CloudMachine) -> ResourceKind:
            for side in azure.account.disks.values():
                side.goes_along = side.goes_along and side.machine != machine.name
            azure.account.delete(machine.name)
            while machine.name in azure.account.machines:
                azure.account.look_at_all()
            return ResourceKind.DISK

        return leave


class TestAzureInAZone(TestAzure):
    """The same with a zone, public addresses, and all that is optional."""

    @pytest.fixture
    def cloud(self, open_cloud: OpenCloud) -> AzureCloud:
        return open_cloud(**_ALL)

    @pytest.fixture
    def reopen(self, open_cloud: OpenCloud) -> Callable[[], AzureCloud]:
        return lambda: open_cloud(**_ALL)
