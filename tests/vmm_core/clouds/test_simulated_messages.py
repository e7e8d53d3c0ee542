"""docs/messages/simulated.yaml: a VMM over a simulated cloud in each situation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vmm_core.clouds.base import MachineSpec
from vmm_core.clouds.simulated import SimulatedCloud, SimulatedOptions
from vmm_core.model import MachineState
from vmm_core.pools.policy import Policy

from ...support.messages import Row, expected, says
from ..world import World, world


def catalogue(ready: int = 0, **options: object) -> str:
    """One cloud at one place."""
    cloud = {"name": "dls-sim", "kind": "simulated", "location": "dls", "options": options}
    pool = {"environment": "mantid", "cloud": "dls-sim", "size": "small", "ready": ready}
    return json.dumps(
        {
            "locations": [{"name": "dls", "title": "Diamond"}],
            "clouds": [cloud],
            "environments": [{"name": "mantid", "title": "Mantid"}],
            "pools": [pool],
        },
        indent=1,
    )


async def check(w: World, row: Row) -> None:
    """What is read once the manager has looked, and has looked again."""
    for _ in range(3):
        await w.manager.step()
        await w.manager.settle()
    (offer,) = await w.leases.offers()
    assert says(row.user, offer.reason), offer.reason
    (pool,) = await w.manager.status()
    assert says(row.operator, pool.hold), pool.hold


@pytest.mark.parametrize("situation", ["wrong address", "gone: its file is damaged"])
async def test_its_file(tmp_path: Path, situation: str) -> None:
    file = tmp_path / "absent" / "machines.json"
    if situation != "wrong address":
        file.parent.mkdir()
        file.write_text('[{"id": "sim-1"')
    async with world(tmp_path, catalogue(state_file=str(file))) as w:
        await check(w, expected("simulated", situation))
    assert file.exists() == (situation != "wrong address"), "it is left as it was"


async def test_the_fault_that_stands_for_wrong_credentials(tmp_path: Path) -> None:
    row = expected(
        "simulated", "wrong credentials: it has none; the fault `refused` stands for them"
    )
    async with world(tmp_path, catalogue()) as w:
        w.clouds["dls-sim"].inject("refused")
        await w.acquire()
        await check(w, row)


@pytest.mark.parametrize("most", ["max_machines", "max_cpus"])
async def test_full(tmp_path: Path, most: str) -> None:
    allowed = {"max_machines": 1, "max_cpus": 3}[most]
    async with world(tmp_path, catalogue(**{most: allowed})) as w:
        for owner in ("alice", "bob"):
            await w.acquire(owner)
        await w.step(2)
        await check(w, expected("simulated", "full"))


@pytest.mark.parametrize("most", ["max_machines", "max_cpus"])
async def test_full_of_machines_of_others(tmp_path: Path, most: str) -> None:
    file, allowed = tmp_path / "shared.json", {"max_machines": 1, "max_cpus": 3}[most]
    given = {"state_file": str(file), most: allowed}
    other = SimulatedCloud("dls-sim", SimulatedOptions.model_validate(given))
    size = (await other.sizes())["small"].size
    await other.create(
        MachineSpec(name="a", owner="others", image="", size=size, user_data="", ports=())
    )
    async with world(tmp_path, catalogue(**given)) as w:
        await w.acquire()
        await check(w, expected("simulated", "full: machines of another installation"))


async def test_slow(tmp_path: Path) -> None:
    async with world(tmp_path, catalogue(boot_s=10_000)) as w:
        await w.acquire()
        await w.step()
        assert await w.by_state() == {MachineState.BUILDING: 1}
        w.clock.turn(601)
        await check(w, expected("simulated", "slow"))


async def test_a_slow_list(tmp_path: Path) -> None:
    policy = Policy(list_deadline_s=0.05)
    async with world(tmp_path, catalogue(), policy=policy) as w:
        w.clouds["dls-sim"].inject("list-frozen", times=1000)
        await check(w, expected("simulated", "slow: its list"))


async def test_gone(tmp_path: Path) -> None:
    file = tmp_path / "machines.json"
    async with world(tmp_path, catalogue(ready=1, state_file=str(file))) as w:
        await w.step(3)
        assert await w.by_state() == {MachineState.VACANT: 1}
        file.unlink()
        await w.step()
        w.clock.turn(31)
        await w.step()
        await check(w, expected("simulated", "gone"))
