"""What is at a cloud with our tag, and in no ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmm_core.clouds.base import MachineSpec, ResourceKind
from vmm_core.model import MachineState

from ..world import World, world


async def lose(w: World, cloud: str, name: str, owner: str | None = None) -> None:
    """Let a cloud have a machine that no ledger knows."""
    sim = w.clouds[cloud]
    size = (await sim.sizes())["small"].size
    await sim.create(
        MachineSpec(
            name=name,
            owner=owner or w.store.installation,
            image="",
            size=size,
            user_data="",
            ports=(),
        )
    )


async def test_orphans_are_swept_at_the_second_sighting_and_strangers_never(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        cloud = w.clouds["dls-sim"]
        await lose(w, "dls-sim", "lost")
        await lose(w, "dls-sim", "lost", "somebody-else")
        await w.step()
        assert len(cloud.machines(w.store.installation)) == 1
        assert w.manager.orphans() == {"ral-sim": {}, "dls-sim": {ResourceKind.MACHINE: 1}}
        await w.step(2, turn_s=31)
        assert cloud.machines(w.store.installation) == []
        assert len(cloud.machines("somebody-else")) == 1
        await w.step()
        assert w.manager.orphans() == {"ral-sim": {}, "dls-sim": {}}


@pytest.mark.parametrize("kind", ["port", "disk", "address"])
async def test_what_is_left_of_a_deleted_machine_is_swept_whatever_it_is(tmp_path: Path, kind):
    async with world(tmp_path) as w:
        await w.step(2)
        (machine,) = await w.machines(MachineState.VACANT)
        w.clouds["ral-sim"].inject(f"leaves-{kind}")
        await w.manager.held.remove(machine.id, discard=False)
        await w.step(2)
        assert (await w.store.machines.get(machine.id)).state is MachineState.DELETED
        assert w.manager.orphans()["ral-sim"] == {ResourceKind(kind): 1}
        (cloud, _) = await w.manager.clouds()
        assert cloud.orphans == {kind: 1}
        await w.step(3, turn_s=31)
        assert w.manager.orphans()["ral-sim"] == {}
        assert w.at_clouds() == {m.id for m in await w.store.machines.all()}


async def test_a_sighting_outlives_the_process(tmp_path: Path):
    async with world(tmp_path) as w:
        await lose(w, "dls-sim", "lost")
        await w.step()
        clock = w.clock
    clock.turn(31)
    async with world(tmp_path, clock=clock) as w:
        await w.step()
        assert "lost" not in w.at_clouds()


async def test_an_orphan_that_disappears_by_itself_is_forgotten(tmp_path: Path):
    async with world(tmp_path) as w:
        await lose(w, "dls-sim", "lost")
        await w.step()
        (seen,) = w.clouds["dls-sim"].machines(w.store.installation)
        await w.clouds["dls-sim"].delete(seen.id)
        await w.step()
        await lose(w, "dls-sim", "lost")
        w.clock.turn(31)
        await w.step()
        assert "lost" in w.at_clouds(), "it was sighted once only"
