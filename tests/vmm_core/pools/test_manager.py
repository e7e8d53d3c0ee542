from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from vmm_core.agent.protocol import UserData
from vmm_core.clouds.base import MachineSpec
from vmm_core.model import LeaseState, MachineState, Needs
from vmm_core.pools.policy import Policy
from vmm_core.tokens import sha256_of

from ..ledgers import OPERATOR
from ..world import CATALOGUE, MANTID, session, world

RAL = "mantid@ral-sim/small"


async def test_a_pool_is_filled_and_refilled_after_a_release(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1}
        lease = await w.acquire()
        await w.step(2)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1, MachineState.ACQUIRED: 1}
        await w.leases.release(lease.id)
        await w.step(2)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1}
        assert w.at_clouds() == {m.id for m in await w.store.machines.all()}


async def test_user_data_has_the_one_time_token_of_its_machine_and_nothing_personal(
    tmp_path: Path,
):
    async with world(tmp_path) as w:
        await w.step()
        (machine,) = await w.store.machines.all()
        assert machine.cloud_id is not None
        given = json.loads(w.clouds["ral-sim"].user_data(machine.cloud_id))
        data = UserData.model_validate(given)
        assert (data.machine, data.preload, data.public_key) == (machine.id, ("json",), "test")
        enrolled = await w.store.agents.enrol(machine.id, sha256_of(data.enrolment_token), "r")
        assert enrolled is None  # it is vacant: enrolment is over
        await w.acquire("alice", "1")
        await w.manager.step()
        await w.manager.settle()
        booting = next(
            m for m in await w.store.machines.all() if m.state is not MachineState.ACQUIRED
        )
        data = UserData.model_validate_json(w.clouds["ral-sim"].user_data(booting.cloud_id or ""))
        assert await w.store.agents.enrol(booting.id, sha256_of(data.enrolment_token), "r")
        assert not await w.store.agents.enrol(booting.id, sha256_of(data.enrolment_token), "r")


@pytest.mark.parametrize("fault", ["quota", "no-capacity", "throttled", "unreachable"])
async def test_a_cloud_that_cannot_now_pauses_the_pool_and_the_other_cloud_serves(
    tmp_path: Path, fault
):
    async with world(tmp_path) as w:
        w.clouds["ral-sim"].inject(fault, times=2)
        lease = await w.acquire()
        await w.step(3)
        lease = await w.leases.get(lease.id)
        assert lease.machine is not None
        assert lease.machine.location == "dls"
        ral = (await w.manager.status())[0]
        assert fault in ral.hold
        assert ral.hold_until is not None
        assert ral.failures == (1 if fault == "unreachable" else 0)
        w.clock.turn(61)
        await w.step(2)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1}
        assert (await w.manager.status())[0].failures == 0


async def test_a_refusal_stops_the_pool_until_an_operator_resumes_it(tmp_path: Path):
    async with world(tmp_path) as w:
        w.clouds["ral-sim"].inject("refused")
        await w.step(3, turn_s=10_000)
        assert await w.by_state(RAL) == {}
        assert w.clouds["ral-sim"].calls["create"] == 1
        await w.manager.hands.resume(RAL, OPERATOR)
        await w.step(2)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1}


@pytest.mark.parametrize("fault", ["lost-answer", "lost-request"])
async def test_a_create_without_an_answer_is_looked_up_before_another_is_made(
    tmp_path: Path, fault
):
    async with world(tmp_path) as w:
        w.clouds["ral-sim"].inject(fault)
        await w.step(2)
        assert w.clouds["ral-sim"].calls["create"] == 1
        await w.step(6, turn_s=10)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1}
        assert w.clouds["ral-sim"].calls["create"] == (1 if fault == "lost-answer" else 2)
        assert w.at_clouds() == {m.id for m in await w.store.machines.all()}


@pytest.mark.parametrize("fault", ["never-boots", "boot-fails"])
async def test_a_machine_that_does_not_boot_is_replaced_and_counts_as_a_failure(
    tmp_path: Path, fault
):
    async with world(tmp_path, policy=Policy(boot_deadline_s=60)) as w:
        w.clouds["ral-sim"].inject(fault)
        await w.step(1)
        (bad,) = await w.store.machines.all()
        for _ in range(8):
            await w.step(turn_s=15)
            if (await w.manager.status())[0].failures:
                break
        else:
            raise AssertionError("no failure was counted")
        await w.step(6, turn_s=15)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1}
        assert bad.id not in w.at_clouds()
        assert (await w.manager.status())[0].failures == 0


async def test_a_machine_that_says_it_can_never_be_ready_goes_at_once(tmp_path: Path):
    async with world(tmp_path) as w:
        w.clouds["ral-sim"].inject("never-boots")
        await w.step(1)
        (bad,) = await w.store.machines.all()
        await w.manager.agent_failed(bad.id, "there is no module named mantid")
        await w.manager.step()
        await w.manager.settle()
        (status,) = [each for each in await w.manager.status() if each.name == RAL]
        assert status.failures == 1
        assert "there is no module named mantid" in status.hold
        assert bad.id not in w.at_clouds()


async def test_creates_in_flight_are_bounded(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 9, maximum: 9")
    async with world(tmp_path, text, policy=Policy(booting_per_cloud=2)) as w:
        await w.manager.step()
        await w.manager.settle()
        assert len(await w.store.machines.all()) == 2
        await w.manager.step()
        await w.manager.settle()
        assert len(await w.store.machines.all()) == 2
        await w.step(6)
        assert await w.by_state(RAL) == {MachineState.VACANT: 9}


@pytest.mark.parametrize("fault", ["delete-unreachable", "delete-lost-answer"])
async def test_a_delete_is_tried_until_nothing_is_left(tmp_path: Path, fault):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        await w.leases.release(lease.id)
        w.clouds["ral-sim"].inject(fault, times=2)
        await w.step(6, turn_s=5)
        assert lease.machine is not None
        assert (await w.store.machines.get(lease.machine.id)).state is MachineState.DELETED
        assert w.at_clouds() == {m.id for m in await w.store.machines.all()}


async def test_a_vacant_machine_whose_agent_stays_away_is_replaced(tmp_path: Path):
    async with world(tmp_path, policy=Policy(agent_grace_s=30)) as w:
        await w.step(2)
        (machine,) = await w.store.machines.all()
        w.agents.drop(machine.id)
        await w.store.agents.lost(machine.id)
        await w.manager.step()
        assert (await w.store.machines.get(machine.id)).state is MachineState.VACANT
        w.clock.turn(31)
        await w.manager.step()
        await w.manager.settle()
        assert (await w.store.machines.get(machine.id)).state is MachineState.DELETED


async def test_an_agent_that_comes_back_in_time_changes_nothing(tmp_path: Path):
    async with world(tmp_path, policy=Policy(agent_grace_s=30)) as w:
        await w.step(2)
        (machine,) = await w.store.machines.all()
        w.agents.drop(machine.id)
        await w.store.agents.lost(machine.id)
        w.clock.turn(20)
        await w.step()
        w.clock.turn(20)
        await w.step()
        assert (await w.store.machines.get(machine.id)).state is MachineState.VACANT


async def test_a_used_machine_that_vanished_ends_its_lease(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        assert lease.machine is not None
        await w.clouds["ral-sim"].delete(lease.machine.cloud_id or "")
        await w.step(4, turn_s=20)
        assert (await w.leases.get(lease.id)).state is LeaseState.RELEASED
        events = [e async for e in w.leases.events(lease.id)]
        assert "its cloud has it no more" in events[-1].message


async def test_a_used_machine_without_its_agent_stays_the_users(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        assert lease.machine is not None
        await w.leases.bind(lease.id, session())
        for _ in range(10):
            w.agents.drop(lease.machine.id)
            await w.store.agents.lost(lease.machine.id)
            await w.manager.step()
            w.clock.turn(1000)
        assert (await w.leases.get(lease.id)).state is LeaseState.ACQUIRED


async def test_a_session_that_ends_by_itself_ends_the_lease(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        assert lease.machine is not None
        await w.manager.session_ended(lease.machine.id, 3)
        assert (await w.leases.get(lease.id)).state is LeaseState.RELEASED
        events = [e async for e in w.leases.events(lease.id)]
        assert events[-1].message == "the session ended by itself with exit status 3"
        await w.manager.session_ended(lease.machine.id, 3)


async def test_a_lease_does_not_wait_for_ever(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 1, maximum: 1")
    async with world(tmp_path, text, policy=Policy(wait_limit_s=100)) as w:
        await w.step(2)
        small = Needs(environment="mantid", locations=("ral",))
        await w.acquire("alice", needs=small)
        waits = await w.acquire("bob", needs=small)
        w.clock.turn(101)
        await w.step()
        refused = await w.leases.get(waits.id)
        assert refused.state is LeaseState.REFUSED
        events = [e async for e in w.leases.events(waits.id)]
        assert events[-1].stage == "refused"
        assert "100 s" in events[-1].message


async def test_a_changed_environment_replaces_the_vacant_and_leaves_the_used(tmp_path: Path):
    text = CATALOGUE.replace("maximum: 3", "maximum: 3, replace: at-once")
    async with world(tmp_path, text) as w:
        await w.step(2)
        used = (await w.acquire()).machine
        await w.step(2)
        assert used is not None
        (old,) = await w.machines(MachineState.VACANT)
        clock = w.clock
    clock.turn(Policy().lock_s)  # the pools stay with a manager that was killed for so long
    changed = text.replace("preload: [json]", "preload: [json, csv]")
    async with world(tmp_path, changed, clock=clock) as w:
        await w.agents.step(w.manager.agent_ready)
        for _ in range(4):
            await w.step()
            assert await w.machines(MachineState.VACANT)
        assert (await w.store.machines.get(old.id)).state is MachineState.DELETED
        assert (await w.store.machines.get(used.id)).state is MachineState.ACQUIRED


async def test_two_managers_on_one_store_do_not_make_twice_as_many(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 3, maximum: 3")
    async with world(tmp_path, text) as one, world(tmp_path, text, clock=one.clock) as two:
        for _ in range(4):
            await asyncio.gather(one.manager.step(), two.manager.step())
            await one.manager.settle()
            await two.manager.settle()
            await one.agents.step(one.manager.agent_ready)
            await two.agents.step(two.manager.agent_ready)
        assert await one.by_state(RAL) == {MachineState.VACANT: 3}
        creates = [w.clouds["ral-sim"].calls["create"] for w in (one, two)]
        assert sorted(creates) == [0, 3]


async def test_a_silent_cloud_holds_its_pools_and_says_why(tmp_path: Path):
    async with world(tmp_path) as w:
        w.clouds["ral-sim"].inject("list-unreachable")
        await w.manager.step()
        assert "list-unreachable" in (await w.manager.status())[0].hold
        assert await w.by_state(RAL) == {}
        await w.step(2)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1}


async def test_draining_leaves_nothing(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        await w.step(2)
        cloud = w.clouds["dls-sim"]
        await cloud.create(
            MachineSpec(
                name="lost",
                owner=w.store.installation,
                image="",
                size=(await cloud.sizes())["small"].size,
                user_data="",
                ports=(),
            )
        )
        assert await w.manager.drain(timeout_s=30) == []
        assert w.at_clouds() == set()
        assert await w.store.machines.all() == []
        assert (await w.leases.get(lease.id)).state is LeaseState.RELEASED


async def test_run_steps_when_woken_and_stops_without_touching_machines(tmp_path: Path):
    """The loop itself: real time, and no sleep that a test could miss."""
    policy = Policy(interval_s=60, busy_interval_s=0.05)
    async with world(tmp_path, policy=policy) as w:
        stop = asyncio.Event()
        running = asyncio.create_task(w.manager.run(stop))
        async with asyncio.timeout(20):
            while not await w.machines(MachineState.VACANT):
                await w.agents.step(w.manager.agent_ready)
                await asyncio.sleep(0.02)
            await w.acquire(needs=MANTID)
            while not await w.machines(MachineState.VACANT):
                await w.agents.step(w.manager.agent_ready)
                await asyncio.sleep(0.02)
            stop.set()
            await running
        assert await w.by_state() == {MachineState.VACANT: 1, MachineState.ACQUIRED: 1}
        assert len(w.at_clouds()) == 2
        assert await w.store.pools.lock([RAL], "the next one", 60) == {RAL}
