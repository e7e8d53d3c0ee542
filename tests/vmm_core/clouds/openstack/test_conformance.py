"""The contract of a cloud, kept against a real control plane, with servers that run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from vmm_core.clouds.conformance import CloudConformance, Dial
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
