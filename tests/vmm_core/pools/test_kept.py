"""Failed machines that are kept for an operator to look at, with their consoles."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from vmm_core.model import Machine, MachineState
from vmm_core.model import MachineState as S
from vmm_core.pools.plan import Snapshot, plan
from vmm_core.pools.policy import Policy

from ..world import CATALOGUE, World, world
from .test_plan import NOW, POLICY, facts, machine

RAL = "mantid@ral-sim/small"
TEXT = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 1, maximum: 4, keep_failed: 1")


async def fail_one(w: World, why: str) -> Machine:
    """A machine of the pool that says that it can never be ready, after a step or two."""
    w.clouds["ral-sim"].inject("never-boots")
    for _ in range(30):
        await w.manager.step()
        await w.manager.settle()
        coming = await w.machines(MachineState.BUILDING)
        if coming:
            break
        w.clock.turn(20)
    (bad,) = coming
    w.clouds["ral-sim"].write(bad.cloud_id or "", f"{why}\n")
    await w.manager.agent_failed(bad.id, why)
    await w.manager.step()
    await w.manager.settle()
    return bad


def test_the_newest_are_kept_and_older_ones_go():
    pool = facts(ready=0, keep_failed=2)
    machines = [
        machine(pool, n, state, cloud_id="c", kept=kept, changed_at=NOW + timedelta(seconds=n))
        for n, (state, kept) in enumerate(
            [(S.HELD, True), (S.HELD, True), (S.FAILED, False), (S.HELD, False), (S.FAILED, True)]
        )
    ]
    done = plan(Snapshot(now=NOW, pools=[pool], machines=machines), POLICY)[pool.name]
    assert done.keep == (machines[2].id,)
    assert {r.machine for r in done.remove} == {machines[0].id, machines[4].id}


def test_what_no_cloud_has_cannot_be_looked_at():
    pool = facts(ready=0, keep_failed=2)
    lost = machine(pool, 0, S.FAILED)
    done = plan(Snapshot(now=NOW, pools=[pool], machines=[lost]), POLICY)[pool.name]
    assert [r.machine for r in done.remove] == [lost.id]


def test_they_count_in_the_maximum_and_that_is_said():
    pool = facts(ready=1, maximum=1, keep_failed=1)
    kept = machine(pool, 0, S.HELD, cloud_id="c", kept=True)
    done = plan(Snapshot(now=NOW, pools=[pool], machines=[kept]), POLICY)[pool.name]
    assert done.hold == "it has its maximum of 1 machines, 1 of them failed and kept"


async def test_a_failed_machine_is_held_with_its_console(tmp_path: Path):
    async with world(tmp_path, TEXT) as w:
        bad = await fail_one(w, "no module named mantid")
        kept = await w.store.machines.get(bad.id)
        assert kept.state is MachineState.HELD
        assert kept.reason == "kept to be looked at: no module named mantid"
        console = await w.store.machines.console(bad.id)
        assert console is not None
        assert console.endswith("no module named mantid\n")
        for _ in range(5):
            await w.step(turn_s=60)
        assert (await w.store.machines.get(bad.id)).state is MachineState.HELD
        assert await w.by_state(RAL) == {MachineState.VACANT: 1, MachineState.HELD: 1}
        assert bad.id in w.at_clouds()
        assert (await w.manager.held.remove(bad.id, discard=False)).state is MachineState.DELETING
        await w.step(2)
        assert bad.id not in w.at_clouds()


async def test_a_later_failure_takes_the_place_of_an_earlier_one(tmp_path: Path):
    async with world(tmp_path, TEXT) as w:
        first = await fail_one(w, "first")
        second = await fail_one(w, "second")
        await w.step(2)
        assert (await w.store.machines.get(first.id)).state is MachineState.DELETED
        assert (await w.store.machines.get(second.id)).state is MachineState.HELD


@pytest.mark.parametrize("state", ["failed", "gone"])
async def test_one_that_its_cloud_says_failed_is_kept_and_one_that_is_gone_is_not(
    tmp_path: Path, state: str
):
    async with world(tmp_path, TEXT, policy=Policy(missing_grace_s=5)) as w:
        await w.step(2)
        (bad,) = await w.machines(MachineState.VACANT)
        if state == "gone":
            await w.clouds["ral-sim"].delete(bad.cloud_id or "")
        else:
            w.clouds["ral-sim"].inject("resume-breaks")
            await w.clouds["ral-sim"].suspend(bad.cloud_id or "")
            await w.clouds["ral-sim"].resume(bad.cloud_id or "")
        for _ in range(8):
            await w.agents.step(w.manager.agent_ready)
            await w.step(turn_s=10)
        after = await w.store.machines.get(bad.id)
        assert after.state is (MachineState.DELETED if state == "gone" else MachineState.HELD)
        assert (await w.by_state(RAL))[MachineState.VACANT] == 1


async def test_one_without_a_console_is_kept_all_the_same(tmp_path: Path):
    text = TEXT.replace("location: ral}", "location: ral, options: {console: false}}", 1)
    async with world(tmp_path, text) as w:
        bad = await fail_one(w, "no luck")
        assert (await w.store.machines.get(bad.id)).state is MachineState.HELD
        assert await w.store.machines.console(bad.id) == ""
