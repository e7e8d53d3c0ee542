"""What is left of a machine is shown by its kind, to its owner only, and can be deleted."""

# ruff: noqa: S101 - assertions are what a test suite is made of

from __future__ import annotations

from dataclasses import replace

import pytest

from ..base import Cloud, CloudMachine, CloudState, MachineSpec, ResourceKind
from .fixtures import Fixtures, LeaveSide


@pytest.mark.asyncio
class Sides(Fixtures):
    """Side resources whose machine is gone; needs the fixture ``leave_side``."""

    async def test_a_machine_is_listed_as_one_and_its_sides_are_not(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> None:
        """What a machine uses is not shown beside it."""
        await cloud.create(spec)
        machine = await self.running(cloud, spec, deadline_s)
        assert (machine.kind, machine.of) == (ResourceKind.MACHINE, "")

    async def test_what_is_left_is_listed_by_its_kind_and_can_be_deleted(
        self, cloud: Cloud, spec: MachineSpec, leave_side: LeaveSide | None, deadline_s: float
    ) -> None:
        """Under a name of its own, with the machine's beside it."""
        left, kind = await self._left(cloud, spec, leave_side, deadline_s)
        assert (left.kind, left.of, left.state) == (kind, spec.name, CloudState.FAILED)
        assert left.name != spec.name
        assert left.reason
        await cloud.delete(left.id)
        assert await cloud.list_owned(spec.owner) == []
        await cloud.delete(left.id)

    async def test_what_is_left_is_shown_to_its_owner_only(
        self, cloud: Cloud, spec: MachineSpec, leave_side: LeaveSide | None, deadline_s: float
    ) -> None:
        """Another installation, which has a machine here too, does not see it, nor we its."""
        left, _ = await self._left(cloud, spec, leave_side, deadline_s)
        other = replace(spec, owner=f"{spec.owner}-other", name=spec.name + "-b")
        try:
            made = await cloud.create(other)
            assert [m.id for m in await cloud.list_owned(other.owner)] == [made.id]
            assert [m.id for m in await cloud.list_owned(spec.owner)] == [left.id]
        finally:
            for machine in await cloud.list_owned(other.owner):
                await cloud.delete(machine.id)
        assert [m.id for m in await cloud.list_owned(spec.owner)] == [left.id]

    async def test_what_is_left_hinders_no_machine(
        self, cloud: Cloud, spec: MachineSpec, leave_side: LeaveSide | None, deadline_s: float
    ) -> None:
        """The next one is made beside it, and stays when it is deleted."""
        left, _ = await self._left(cloud, spec, leave_side, deadline_s)
        made = await cloud.create(replace(spec, name=spec.name + "-b"))
        assert {m.id for m in await cloud.list_owned(spec.owner)} == {left.id, made.id}
        await cloud.delete(left.id)
        assert [m.id for m in await cloud.list_owned(spec.owner)] == [made.id]

    async def _left(
        self, cloud: Cloud, spec: MachineSpec, leave_side: LeaveSide | None, deadline_s: float
    ) -> tuple[CloudMachine, ResourceKind]:
        if leave_side is None:
            pytest.skip("no fixture `leave_side`: nothing is left to be listed")
        await cloud.create(spec)
        kind = await leave_side(await self.running(cloud, spec, deadline_s))
        (left,) = await cloud.list_owned(spec.owner)
        return left, kind
