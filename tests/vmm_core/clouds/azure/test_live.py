"""One machine at the real Azure: made, seen running, deleted without a trace.

Costs a few cents and some minutes, and is skipped unless all of this is set:
``DAAAS_AZURE_OPTIONS``, a YAML file with a cloud's options as in the
catalogue; ``DAAAS_AZURE_SIZE``, the size to make; ``DAAAS_AZURE_IMAGE``.
Whoever runs it sees what no test on loopback can: boot times, roles, network.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.base import CloudState

from .conftest import machine

NEEDS = ("DAAAS_AZURE_OPTIONS", "DAAAS_AZURE_SIZE", "DAAAS_AZURE_IMAGE")


def options() -> dict[str, Any]:
    return dict(YAML(typ="safe").load(Path(os.environ[NEEDS[0]]).read_text()))


@pytest.mark.timeout(1800)
@pytest.mark.skipif(
    not all(os.environ.get(name) for name in NEEDS),
    reason=f"needs a subscription at Azure: set {', '.join(NEEDS)}",
)
async def test_a_machine_lives_at_azure() -> None:
    _, size, image = (os.environ[name] for name in NEEDS)
    cloud = AzureCloud("live", AzureCloud.Options(**options()))
    owner = f"live-{uuid.uuid4().hex[:8]}"
    name = f"vmm-{uuid.uuid4().hex[:12]}"
    try:
        fact = (await cloud.sizes())[size]
        assert not fact.unavailable
        assert (await cloud.limits()).cpus
        asked = machine(name, owner=owner, size=fact.size, image=image)
        assert (await cloud.create(asked)).id == (await cloud.create(asked)).id
        end = time.monotonic() + 900
        while True:
            (seen,) = await cloud.list_owned(owner)
            if seen.state is CloudState.RUNNING:
                break
            assert seen.state is CloudState.BUILDING, seen
            assert time.monotonic() < end, seen
            await asyncio.sleep(10)
        assert seen.address
    finally:
        for left in await cloud.list_owned(owner):
            for attempt in range(5):
                try:
                    await cloud.delete(left.id)
                    break
                except Exception:
                    if attempt == 4:
                        raise
        rest = await cloud.list_owned(owner)
        await cloud.close()
    assert rest == []
