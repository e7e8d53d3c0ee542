"""A machine is suspended and goes on: one test per promise, where the cloud is able."""

# ruff: noqa: S101 - assertions are what a test suite is made of

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..base import Cloud, CloudMachine, CloudState, MachineSpec, Refused
from .fixtures import Dial, Fixtures


@pytest.mark.asyncio
class Suspending(Fixtures):
    """``suspend`` and ``resume``."""

    async def test_a_verb_that_is_not_there_says_so(self, cloud: Cloud) -> None:
        """Who calls it without asking the abilities has made a mistake."""
        if cloud.abilities.suspend:
            pytest.skip("this cloud suspends machines")
        for verb in (cloud.suspend, cloud.resume):
            with pytest.raises(NotImplementedError, match="abilities"):
                await verb("anything")

    async def test_a_suspended_machine_is_listed_as_such(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> None:
        """It stays the same machine, and a repeated create finds it."""
        made = await self._suspended(cloud, spec, deadline_s)
        assert (made.id, made.name) == ((await cloud.create(spec)).id, spec.name)
        assert len(await cloud.list_owned(spec.owner)) == 1

    async def test_suspend_is_idempotent(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> None:
        """Twice at once and once more when it is suspended."""
        _needs_suspend(cloud)
        made = await self._running_one(cloud, spec, deadline_s)
        await cloud.suspend(made.id)
        await cloud.suspend(made.id)
        await self._becomes_suspended(cloud, spec, deadline_s)
        await cloud.suspend(made.id)
        assert (await cloud.list_owned(spec.owner))[0].state is CloudState.SUSPENDED

    async def test_a_resumed_machine_runs_and_can_be_dialled(
        self, cloud: Cloud, spec: MachineSpec, dial: Dial | None, deadline_s: float
    ) -> None:
        """With an address and every port, as before; and it can be suspended again."""
        made = await self._suspended(cloud, spec, deadline_s)
        await cloud.resume(made.id)
        machine = await self.running(cloud, spec, deadline_s)
        assert machine.id == made.id
        assert machine.address
        assert set(spec.ports) <= set(machine.ports)
        for port in spec.ports if dial is not None else ():
            assert dial is not None
            assert await dial(machine, port), f"port {port} of {machine} is not reachable"
        await cloud.suspend(made.id)
        await self._becomes_suspended(cloud, spec, deadline_s)

    async def test_resume_is_idempotent(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> None:
        """Twice at once, once more when it runs; and of one that was never suspended."""
        _needs_suspend(cloud)
        made = await self._running_one(cloud, spec, deadline_s)
        await cloud.resume(made.id)
        await cloud.suspend(made.id)
        await self._becomes_suspended(cloud, spec, deadline_s)
        await cloud.resume(made.id)
        await cloud.resume(made.id)
        await self.running(cloud, spec, deadline_s)
        await cloud.resume(made.id)
        assert (await cloud.list_owned(spec.owner))[0].state is CloudState.RUNNING

    async def test_an_unknown_machine_is_neither_suspended_nor_resumed(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> None:
        """One that is gone, or never was, is told as such."""
        _needs_suspend(cloud)
        made = await cloud.create(spec)
        await cloud.delete(made.id)
        for verb in (cloud.suspend, cloud.resume):
            for unknown in (made.id, made.id + "-never-was"):
                with pytest.raises(Refused, match="no machine"):
                    await verb(unknown)
        assert await cloud.list_owned(spec.owner) == []

    async def test_a_suspended_machine_can_be_deleted(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> None:
        """As one that runs; nothing is left."""
        made = await self._suspended(cloud, spec, deadline_s)
        await cloud.delete(made.id)
        assert await cloud.list_owned(spec.owner) == []

    async def test_it_stays_suspended_when_the_service_restarts(
        self,
        cloud: Cloud,
        spec: MachineSpec,
        reopen: Callable[[], Cloud] | None,
        deadline_s: float,
    ) -> None:
        """The next object finds it suspended, and resumes it."""
        if reopen is None:
            pytest.skip("no fixture `reopen`: a restart is not tried")
        made = await self._suspended(cloud, spec, deadline_s)
        again = reopen()
        try:
            assert (await again.list_owned(spec.owner))[0].state is CloudState.SUSPENDED
            await again.resume(made.id)
            await self.running(again, spec, deadline_s)
        finally:
            await again.close()

    async def _running_one(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> CloudMachine:
        await cloud.create(spec)
        return await self.running(cloud, spec, deadline_s)

    async def _suspended(self, cloud: Cloud, spec: MachineSpec, deadline_s: float) -> CloudMachine:
        """A machine that is suspended."""
        _needs_suspend(cloud)
        made = await self._running_one(cloud, spec, deadline_s)
        await cloud.suspend(made.id)
        return await self._becomes_suspended(cloud, spec, deadline_s)

    async def _becomes_suspended(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> CloudMachine:
        waiting = (CloudState.RUNNING,)
        return await self.becomes(cloud, spec, CloudState.SUSPENDED, deadline_s, waiting)


def _needs_suspend(cloud: Cloud) -> None:
    if not cloud.abilities.suspend:
        pytest.skip("this cloud suspends no machines: its abilities say so")
