"""The second tier: machines that their cloud keeps suspended, at less cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from vmm_core.clouds.base import CloudState
from vmm_core.model import LeaseState, MachineState, Needs
from vmm_core.model import MachineState as S
from vmm_core.pools.plan import PoolPlan, Snapshot, plan
from vmm_core.pools.policy import Policy

from ..world import CATALOGUE, Clock, World, world
from .test_plan import ANY, NOW, POLICY, facts, machine

RAL = "mantid@ral-sim/small"
TEXT = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 1, maximum: 6, standby: 2")
STOCKED = {MachineState.VACANT: 1, MachineState.SUSPENDED: 2}


def plan_of(pool, *states: S, suspends=("ral",), **others) -> PoolPlan:
    machines = [machine(pool, n, state, vacant_at=NOW) for n, state in enumerate(states)]
    snapshot = Snapshot(now=NOW, pools=[pool], machines=machines, suspends=suspends, **others)
    return plan(snapshot, POLICY)[pool.name]


async def stocked(w: World) -> World:
    """The world once its stock is what the catalogue says."""
    for _ in range(20):
        await w.step()
        if await w.by_state(RAL) == STOCKED:
            return w
    raise AssertionError(f"not stocked: {await w.by_state(RAL)}")


async def at_cloud(w: World) -> dict[str, CloudState]:
    return {m.name: m.state for m in w.clouds["ral-sim"].machines(w.store.installation)}


def test_standby_is_made_beside_the_floor_and_after_it():
    pool = facts(ready=2, standby=1, maximum=9)
    assert plan_of(pool).create == 3
    tight = facts(ready=2, standby=1, maximum=2)
    assert plan_of(tight).create == 2
    assert plan_of(pool, S.VACANT, S.VACANT, S.BUILDING).rests
    done = plan_of(pool, S.VACANT, S.VACANT, S.VACANT)
    assert (len(done.suspend), done.remove) == (1, ())


def test_it_counts_in_the_maximum():
    pool = facts(ready=1, standby=2, maximum=3)
    full = plan_of(pool, S.SUSPENDED, S.SUSPENDED, S.ACQUIRED)
    assert full.create == 0
    assert len(full.resume) == 1


def test_surplus_is_suspended_only_as_far_as_standby_lacks_it():
    pool = facts(ready=1, standby=2, maximum=9)
    done = plan_of(pool, S.VACANT, S.VACANT, S.VACANT, S.SUSPENDED)
    assert (len(done.suspend), len(done.remove)) == (1, 1)
    over = plan_of(pool, S.VACANT, S.SUSPENDED, S.SUSPENDED, S.SUSPENDED)
    assert [r.state for r in over.remove] == [S.SUSPENDED]


def test_one_who_waits_and_a_floor_that_lacks_one_get_it_before_a_cold_start():
    pool = facts(ready=1, standby=2, maximum=9)
    waits = plan_of(facts(ready=0, standby=1), S.SUSPENDED, waiting=[ANY])
    assert (len(waits.resume), waits.create) == (1, 1)  # and one more for standby
    lacks = plan_of(pool, S.ACQUIRED, S.SUSPENDED, S.SUSPENDED)
    assert (len(lacks.resume), lacks.create) == (1, 1)
    resting = plan_of(pool, S.SUSPENDED, S.SUSPENDED, resting={f"{pool.name}-0"})
    assert resting.resume == (f"{pool.name}-1",)


def test_a_paused_pool_resumes_none_but_one_over_quota_does():
    paused = facts(ready=1, standby=1, paused=True)
    assert plan_of(paused, S.SUSPENDED).rests


def test_outdated_and_old_ones_are_replaced_in_this_tier_as_well():
    pool = facts(ready=0, standby=2, maximum=9, replace="at-once", max_ready_h=10)
    stale = machine(pool, 0, S.SUSPENDED, fingerprint="before", vacant_at=NOW)
    worn = machine(pool, 1, S.SUSPENDED, vacant_at=NOW - timedelta(hours=11))
    for due in (stale, worn):
        good = machine(pool, 2, S.SUSPENDED, vacant_at=NOW)
        snapshot = Snapshot(now=NOW, pools=[pool], machines=[due, good], suspends=("ral",))
        first = plan(snapshot, POLICY)[pool.name]
        assert (first.create, first.remove) == (1, ())
        another = machine(pool, 3, S.SUSPENDED, vacant_at=NOW)
        later = replace(snapshot, machines=[due, good, another])
        assert [r.machine for r in plan(later, POLICY)[pool.name].remove] == [due.id]


def test_where_the_cloud_cannot_it_is_said_and_nothing_is_kept():
    pool = facts(ready=1, standby=2)
    done = plan_of(pool, S.VACANT, suspends=())
    assert done.rests
    assert done.hold == "ral cannot suspend machines, so that none is kept in standby"
    left = plan_of(pool, S.VACANT, S.SUSPENDED, suspends=())
    assert [r.state for r in left.remove] == [S.SUSPENDED]


async def test_a_pool_is_stocked_in_both_tiers_and_then_rests(tmp_path: Path):
    async with world(tmp_path, TEXT) as w:
        await stocked(w)
        states = sorted((await at_cloud(w)).values())
        assert states == ["running", "suspended", "suspended"]
        calls = dict(w.clouds["ral-sim"].calls)
        await w.step(3)
        assert await w.by_state(RAL) == STOCKED
        after = dict(w.clouds["ral-sim"].calls)
        assert {v: n for v, n in after.items() if v != "list_owned"} == {
            v: n for v, n in calls.items() if v != "list_owned"
        }
        (ral, _) = await w.manager.status()
        assert (ral.floor, ral.standby, ral.suspended) == (1, 2, 2)


async def test_what_is_suspended_is_nobodys_and_serves_sooner_than_a_new_one(tmp_path: Path):
    text = TEXT.replace("location: ral}", "location: ral, options: {boot_s: 5}}", 1)
    async with world(tmp_path, text) as w:
        await stocked(w)
        suspended = {m.id for m in await w.machines(MachineState.SUSPENDED)}
        first = await w.acquire("alice")
        assert first.machine is not None
        assert first.machine.id not in suspended
        small = Needs(environment="mantid", locations=("ral",))
        second = await w.acquire("bob", needs=small)
        assert second.state is LeaseState.WAITING
        await w.step(2)
        second = await w.leases.get(second.id)
        assert second.machine is not None
        assert second.machine.id in suspended
        assert second.machine.address == "127.0.0.1"
        await stocked_beside(w, 2)


async def stocked_beside(w: World, leased: int) -> None:
    for _ in range(20):
        await w.step()
        if await w.by_state(RAL) == {**STOCKED, MachineState.ACQUIRED: leased}:
            return
    raise AssertionError(f"not stocked: {await w.by_state(RAL)}")


async def test_a_machine_that_was_resumed_boots_in_its_own_time_not_in_its_age(tmp_path: Path):
    async with world(tmp_path, TEXT) as w:
        await stocked(w)
        w.clock.turn(10 * Policy().boot_deadline_s)
        await w.acquire("alice")
        await stocked_beside(w, 1)
        assert (await w.manager.status())[0].failures == 0
        times = await w.store.machines.boot_times_s()
        assert max(times[RAL]) < Policy().boot_deadline_s


@pytest.mark.parametrize("fault", ["resume-lost-answer", "resume-breaks", "resume-fails"])
async def test_a_resume_that_goes_wrong_costs_nobody_a_machine(tmp_path: Path, fault):
    async with world(tmp_path, TEXT) as w:
        await stocked(w)
        w.clouds["ral-sim"].inject(fault)
        lease = await w.acquire("alice")
        await stocked_beside(w, 1)
        w.clock.turn(100)
        await stocked_beside(w, 1)
        assert (await w.leases.get(lease.id)).state is LeaseState.ACQUIRED
        assert w.at_clouds() == {m.id for m in await w.store.machines.all()}


async def test_a_resume_that_never_ends_is_given_up_and_the_next_is_tried(tmp_path: Path):
    text = TEXT.replace("location: ral}", "location: ral, options: {resume_s: 1.0e+9}}", 1)
    async with world(tmp_path, text, policy=Policy(resume_deadline_s=50)) as w:
        await stocked(w)
        await w.acquire("alice")
        await w.step()
        (stuck,) = await w.machines(MachineState.PROVISIONED)
        for _ in range(12):
            await w.step(turn_s=10)
        gone = await w.store.machines.get(stuck.id)
        assert gone.state is MachineState.DELETED
        assert "resumed and not ready after 50 s" in gone.reason


async def test_a_suspend_without_an_answer_is_looked_up(tmp_path: Path):
    async with world(tmp_path, TEXT) as w:
        w.clouds["ral-sim"].inject("suspend-lost-answer")
        await stocked(w)
        await w.step(3, turn_s=31)
        assert await w.by_state(RAL) == STOCKED
        assert sorted((await at_cloud(w)).values()) == ["running", "suspended", "suspended"]


async def test_a_cloud_that_refuses_to_suspend_is_not_asked_for_ever(tmp_path: Path):
    async with world(tmp_path, TEXT) as w:
        w.clouds["ral-sim"].inject("suspend-fails", times=50)
        await w.step(20)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1}
        assert w.clouds["ral-sim"].calls["suspend"] <= 2
        assert "suspend-fails" in (await w.manager.status())[0].hold
        assert (await w.manager.status())[0].failures == 0


async def test_a_row_that_was_written_before_a_kill_is_followed_by_its_call(tmp_path: Path):
    """Killed between the row and the cloud: the cloud's list says what is still to be asked."""
    clock = Clock()
    async with world(tmp_path, TEXT, clock=clock) as w:
        await stocked(w)
        (vacant,) = await w.machines(MachineState.VACANT)
        assert await w.store.machines.suspend(vacant.id)
        first = (await w.machines(MachineState.SUSPENDED))[0]
        assert await w.store.machines.resume(first.id)
        assert (await at_cloud(w))[vacant.id] is CloudState.RUNNING
        assert (await at_cloud(w))[first.id] is CloudState.SUSPENDED
    clock.turn(60)
    async with world(tmp_path, TEXT, clock=clock) as w:
        await stocked(w)
        states = await at_cloud(w)
        for machine_ in await w.store.machines.all():
            suspended = machine_.state is MachineState.SUSPENDED
            assert (states[machine_.id] is CloudState.SUSPENDED) is suspended


async def test_a_resume_whose_suspend_never_happened_is_ready_without_a_new_word(tmp_path: Path):
    """The agent's connection never broke: it has no reason to say again that it is ready."""
    async with world(tmp_path, TEXT) as w:
        await stocked(w)
        (vacant,) = await w.machines(MachineState.VACANT)
        assert await w.store.machines.suspend(vacant.id)
        assert await w.store.machines.resume(vacant.id)
        for _ in range(3):
            await w.manager.step()
            await w.manager.settle()
        assert (await w.store.machines.get(vacant.id)).state is MachineState.VACANT
