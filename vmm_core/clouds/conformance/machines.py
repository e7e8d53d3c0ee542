"""Machines come, are listed and go; sizes and limits: one test per promise of the contract."""

# ruff: noqa: S101 - assertions are what a test suite is made of

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ..base import Cloud, Limits, MachineSpec, Refused, SizeFact
from .fixtures import Dial, Fixtures


@pytest.mark.asyncio
class Machines(Fixtures):
    """What every cloud does."""

    async def test_a_created_machine_is_listed(self, cloud: Cloud, spec: MachineSpec) -> None:
        """What ``create`` returns is what ``list_owned`` shows."""
        made = await cloud.create(spec)
        assert made.name == spec.name
        assert [(m.id, m.name) for m in await cloud.list_owned(spec.owner)] == [
            (made.id, spec.name)
        ]

    async def test_create_is_idempotent_by_name(self, cloud: Cloud, spec: MachineSpec) -> None:
        """A repeated create returns the first machine and makes no second."""
        first = await cloud.create(spec)
        second = await cloud.create(spec)
        assert second.id == first.id
        assert len(await cloud.list_owned(spec.owner)) == 1

    async def test_a_created_machine_comes_to_run(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> None:
        """A running machine has an address and every port that was asked for."""
        await cloud.create(spec)
        machine = await self.running(cloud, spec, deadline_s)
        assert machine.address
        assert set(spec.ports) <= set(machine.ports)

    async def test_ports_can_be_reached(
        self, cloud: Cloud, spec: MachineSpec, dial: Dial | None, deadline_s: float
    ) -> None:
        """The service's side can dial each port; needs the fixture ``dial``."""
        if dial is None:
            pytest.skip("no fixture `dial`: this cloud's ports are not tried")
        await cloud.create(spec)
        machine = await self.running(cloud, spec, deadline_s)
        for port in spec.ports:
            assert await dial(machine, port), f"port {port} of {machine} is not reachable"

    async def test_only_the_owners_machines_are_listed(
        self, cloud: Cloud, spec: MachineSpec
    ) -> None:
        """Two installations in one account never see each other's machines."""
        await cloud.create(spec)
        assert await cloud.list_owned(f"{spec.owner}-other") == []

    async def test_a_deleted_machine_is_gone(self, cloud: Cloud, spec: MachineSpec) -> None:
        """When ``delete`` returns, nothing of the machine is left."""
        made = await cloud.create(spec)
        await cloud.delete(made.id)
        assert await cloud.list_owned(spec.owner) == []

    async def test_a_running_machine_can_be_deleted(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> None:
        """The same once it has booted."""
        made = await cloud.create(spec)
        await self.running(cloud, spec, deadline_s)
        await cloud.delete(made.id)
        assert await cloud.list_owned(spec.owner) == []

    async def test_delete_is_idempotent(self, cloud: Cloud, spec: MachineSpec) -> None:
        """Deleting again, or what never was, is no error."""
        made = await cloud.create(spec)
        await cloud.delete(made.id)
        await cloud.delete(made.id)
        await cloud.delete(made.id + "-never-was")

    async def test_delete_leaves_the_others(self, cloud: Cloud, spec: MachineSpec) -> None:
        """Only the named machine goes."""
        keep = await cloud.create(spec)
        other = await cloud.create(replace(spec, name=spec.name + "-b"))
        await cloud.delete(other.id)
        assert [m.id for m in await cloud.list_owned(spec.owner)] == [keep.id]

    async def test_machines_outlive_the_object(
        self, cloud: Cloud, spec: MachineSpec, reopen: Callable[[], Cloud] | None
    ) -> None:
        """``close`` touches no machine, and the next object finds and deletes it."""
        if reopen is None:
            pytest.skip("no fixture `reopen`: a restart is not tried")
        made = await cloud.create(spec)
        again = reopen()
        try:
            await cloud.close()
            assert [m.id for m in await again.list_owned(spec.owner)] == [made.id]
            assert (await again.create(spec)).id == made.id
            await again.delete(made.id)
            assert await again.list_owned(spec.owner) == []
        finally:
            await again.close()

    async def test_sizes_are_named_and_one_can_be_had(self, cloud: Cloud) -> None:
        """Each size is listed under its own name, and not all are unavailable."""
        sizes = await cloud.sizes()
        assert all(isinstance(fact, SizeFact) for fact in sizes.values())
        assert [fact.size.name for fact in sizes.values()] == list(sizes)
        assert any(not fact.unavailable for fact in sizes.values())

    async def test_an_unknown_size_is_refused(self, cloud: Cloud, spec: MachineSpec) -> None:
        """A size that is not of this cloud is an operator's mistake, and leaves nothing."""
        strange = replace(spec, size=spec.size.model_copy(update={"name": "no-such-size"}))
        with pytest.raises(Refused, match="no-such-size"):
            await cloud.create(strange)
        assert await cloud.list_owned(spec.owner) == []

    async def test_limits_are_ceilings(self, cloud: Cloud) -> None:
        """Each limit is unknown or not negative."""
        limits = await cloud.limits()
        assert isinstance(limits, Limits)
        known = (limits.machines, limits.cpus, limits.ram_gb, limits.gpus)
        assert all(value is None or value >= 0 for value in known)
