"""What the tests of the suite share: the fixtures that a provider overrides, and waiting."""

# ruff: noqa: S101 - assertions are what a test suite is made of

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from ...model import Size
from ..base import Cloud, CloudMachine, CloudState, MachineSpec, ResourceKind

Dial = Callable[[CloudMachine, int], Awaitable[bool]]
"""Answers whether something listens behind a port of a running machine."""


LeaveSide = Callable[[CloudMachine], Awaitable[ResourceKind]]
"""Ends a machine behind the cloud's back so that one side resource stays, and says its kind."""


class Fixtures:
    """Fixtures of the suite. Only ``cloud`` must be overridden."""

    @pytest.fixture
    def cloud(self) -> Cloud:
        """The cloud under test; override it."""
        raise NotImplementedError("override the fixture `cloud`")

    @pytest.fixture
    def reopen(self) -> Callable[[], Cloud] | None:
        """Makes a second object for the same account, as after a restart of the service."""
        return None

    @pytest.fixture
    def dial(self) -> Dial | None:
        """Says whether a port of a running machine can be reached."""
        return None

    @pytest.fixture
    def leave_side(self) -> LeaveSide | None:
        """Makes a side resource that has lost its machine, where one can be left."""
        return None

    @pytest.fixture
    def ports(self) -> tuple[int, ...]:
        """Ports on the machine that are asked for."""
        return (8888,)

    @pytest.fixture
    def image(self) -> str:
        """The image that machines are made of."""
        return "default"

    @pytest.fixture
    def user_data(self) -> Callable[[str], str]:
        """User data for a machine of that name; must not need a service to answer."""
        return lambda name: "{}"

    @pytest.fixture
    def deadline_s(self) -> float:
        """How long a machine may take to run, or to be gone."""
        return 60.0

    @pytest_asyncio.fixture
    async def owner(self, cloud: Cloud) -> AsyncIterator[str]:
        """An owner of this test's own, whose machines are deleted at its end."""
        name = f"conformance-{uuid.uuid4().hex[:12]}"
        yield name
        for machine in await cloud.list_owned(name):
            await cloud.delete(machine.id)

    @pytest_asyncio.fixture
    async def size(self, cloud: Cloud) -> Size:
        """The smallest size that can be had."""
        had = [fact.size for fact in (await cloud.sizes()).values() if not fact.unavailable]
        return min(had, key=lambda size: (size.gpus, size.cpus, size.ram_gb))

    @pytest.fixture
    def spec(
        self,
        owner: str,
        size: Size,
        image: str,
        ports: tuple[int, ...],
        user_data: Callable[[str], str],
    ) -> MachineSpec:
        """One machine to make."""
        name = f"vmm-{uuid.uuid4().hex[:12]}"
        return MachineSpec(
            name=name,
            owner=owner,
            image=image,
            size=size,
            user_data=user_data(name),
            ports=ports,
            tags={"pool": "conformance"},
        )

    async def running(self, cloud: Cloud, spec: MachineSpec, deadline_s: float) -> CloudMachine:
        """The owner's only machine once its cloud says that it runs."""
        waiting = (CloudState.BUILDING, CloudState.SUSPENDED)
        return await self.becomes(cloud, spec, CloudState.RUNNING, deadline_s, waiting)

    async def becomes(
        self,
        cloud: Cloud,
        spec: MachineSpec,
        state: CloudState,
        deadline_s: float,
        waiting: tuple[CloudState, ...],
    ) -> CloudMachine:
        """The owner's only machine once it is in ``state``; before it may be in ``waiting``."""
        end = time.monotonic() + deadline_s
        while True:
            (machine,) = await cloud.list_owned(spec.owner)
            if machine.state is state:
                return machine
            assert machine.state in waiting, machine
            assert time.monotonic() < end, f"{machine} is not {state} after {deadline_s} s"
            await asyncio.sleep(0.05)
