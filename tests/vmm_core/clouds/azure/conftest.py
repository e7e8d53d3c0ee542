"""The fake Azure and a cloud of ours at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.ca import Authority, Identity
from tests.support.messages import expected, says
from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.base import CloudError, MachineSpec
from vmm_core.model import Size

from .fake import FakeAzure

SMALL = Size(name="Standard_D2s_v5", cpus=2, ram_gb=8)
OpenCloud = Callable[..., AzureCloud]


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Identity]:
    """A CA's file, and a server's certificate by it."""
    authority = Authority(tmp_path_factory.mktemp("azure-ca"))
    return authority.file, authority.issue("azure", server=True)


@pytest_asyncio.fixture
async def azure(tls: tuple[Path, Identity]) -> AsyncIterator[FakeAzure]:
    """An Azure; whatever broke a contract fails the test."""
    fake = FakeAzure()
    await fake.start(tls[1])
    yield fake
    await fake.stop()
    assert fake.violations == []


@pytest_asyncio.fixture
async def open_cloud(
    azure: FakeAzure, tls: tuple[Path, Identity], tmp_path: Path
) -> AsyncIterator[OpenCloud]:
    """Makes clouds at the fake; options may be given."""
    opened = []

    def open_one(**options: Any) -> AzureCloud:
        made = AzureCloud("lab", AzureCloud.Options(**azure.options(tmp_path, tls[0], **options)))
        opened.append(made)
        return made

    yield open_one
    for each in opened:
        await each.close()


@pytest.fixture
def cloud(open_cloud: OpenCloud) -> AzureCloud:
    """A cloud at the fake."""
    return open_cloud()


@pytest.fixture
def reopen(open_cloud: OpenCloud) -> Iterator[Callable[[], AzureCloud]]:
    """A second object for the same account."""
    return open_cloud


def machine(name: str = "vmm-1", *, owner: str = "vmm-a", size: Size = SMALL, **more: Any):
    """What a pool manager asks for."""
    return MachineSpec(
        **{
            "name": name,
            "owner": owner,
            "image": "default",
            "size": size,
            "user_data": '{"machine": "x"}',
            "ports": (8888,),
            "tags": {"pool": "mantid@lab/small"},
            **more,
        }
    )


def promised(situation: str, error: CloudError) -> bool:
    """Whether the operator reads what docs/messages promises."""
    row = expected("azure", situation)
    assert says(row.operator, str(error)), f"{row.operator}\n{error}"
    return True
