"""The contract of every cloud, held by Azure's, through the real SDK."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.conformance import CloudConformance

from .conftest import OpenCloud


class TestAzure(CloudConformance):
    """One test for each promise."""

    @pytest.fixture
    def cloud(self, open_cloud: OpenCloud) -> AzureCloud:
        return open_cloud()

    @pytest.fixture
    def reopen(self, open_cloud: OpenCloud) -> Callable[[], AzureCloud]:
        return open_cloud


class TestAzureInAZone(TestAzure):
    """The same with a zone and public addresses."""

    @pytest.fixture
    def cloud(self, open_cloud: OpenCloud) -> AzureCloud:
        return open_cloud(zone="1", public_address=True)

    @pytest.fixture
    def reopen(self, open_cloud: OpenCloud) -> Callable[[], AzureCloud]:
        return lambda: open_cloud(zone="1", public_address=True)
