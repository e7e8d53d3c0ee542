"""Operators' hands on pools and clouds, over restarts and replicas."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmm_core.errors import Impossible, NotFound
from vmm_core.model import LeaseState, MachineState, Needs
from vmm_core.store.records import Actor

from ..world import CATALOGUE, world

RAL = "mantid@ral-sim/small"
DLS = "mantid@dls-sim/large"
ALICE = Actor("alice", "alice")
AT_RAL = Needs(environment="mantid", locations=("ral",))


async def test_a_paused_pool_makes_nothing_and_says_who_and_why(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.manager.hands.pause(RAL, ALICE, "new image")
        await w.step(2)
        assert await w.by_state(RAL) == {}
        (ral, dls) = await w.manager.status()
        assert ral.hold == "paused by alice since 2026-01-01 00:00 UTC: new image"
        assert (ral.switch and ral.switch.by, dls.switch) == ("alice", None)
        clock = w.clock
    clock.turn(60)
    async with world(tmp_path, clock=clock) as w:
        await w.step(2)
        assert await w.by_state(RAL) == {}
        await w.manager.hands.resume(RAL, ALICE)
        await w.step(2)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1}
        assert (await w.manager.status())[0].switch is None


async def test_what_a_paused_pool_has_is_leased_and_leases_go_on(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        await w.manager.hands.pause(RAL, ALICE)
        await w.step()
        lease = await w.acquire(needs=AT_RAL)
        assert lease.state is LeaseState.ACQUIRED
        await w.step(3)
        assert await w.by_state(RAL) == {MachineState.ACQUIRED: 1}


async def test_resume_also_ends_a_hard_stop(tmp_path: Path):
    async with world(tmp_path) as w:
        w.clouds["ral-sim"].inject("refused")
        await w.step(3, turn_s=10_000)
        assert await w.by_state(RAL) == {}
        await w.manager.hands.resume(RAL, ALICE)
        await w.step(2)
        assert await w.by_state(RAL) == {MachineState.VACANT: 1}


async def test_a_drained_cloud_is_emptied_of_what_nobody_has(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 2, maximum: 9, standby: 1")
    async with world(tmp_path, text) as w:
        await w.step(5)
        lease = await w.acquire(needs=AT_RAL)
        await w.step(5)
        assert await w.by_state(RAL) == {
            MachineState.ACQUIRED: 1,
            MachineState.VACANT: 2,
            MachineState.SUSPENDED: 1,
        }
        await w.manager.hands.drain("ral-sim", ALICE, "the cloud moves")
        await w.step(3)
        assert await w.by_state(RAL) == {MachineState.ACQUIRED: 1}
        assert (await w.leases.get(lease.id)).state is LeaseState.ACQUIRED
        offers = {offer.cloud: offer for offer in await w.leases.offers()}
        assert not offers["ral-sim"].available
        assert "drained by alice" in offers["ral-sim"].reason
        assert "the cloud moves" in offers["ral-sim"].reason
        (ral, dls) = await w.manager.clouds()
        assert (ral.switch and ral.switch.state, dls.switch) == ("draining", None)
        assert ral.machines == {MachineState.ACQUIRED: 1}
        with pytest.raises(Impossible, match="drained by alice"):
            await w.acquire("bob", needs=AT_RAL)
        await w.leases.release(lease.id)
        await w.step(2)
        assert w.at_clouds() == set()
        await w.manager.hands.undrain("ral-sim", ALICE)
        await w.step(5)
        assert (await w.by_state(RAL))[MachineState.VACANT] == 2


async def test_who_waits_spills_over_from_a_cloud_that_is_drained(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 0, maximum: 3")
    async with world(tmp_path, text) as w:
        await w.step()
        w.clouds["ral-sim"].inject("never-boots", times=9)
        lease = await w.acquire()
        await w.step(2)
        assert (await w.leases.get(lease.id)).state is LeaseState.WAITING
        await w.manager.hands.drain("ral-sim", ALICE)
        await w.step(3)
        moved = await w.leases.get(lease.id)
        assert moved.machine is not None
        assert moved.machine.location == "dls"
        assert await w.by_state(RAL) == {}


async def test_a_drain_counts_for_every_replica(tmp_path: Path):
    async with world(tmp_path) as one, world(tmp_path, clock=one.clock) as two:
        await one.step(2)
        await two.manager.hands.drain("ral-sim", ALICE)
        await one.step(2)
        await two.step()
        assert await two.by_state(RAL) == {}
        with pytest.raises(Impossible):
            await two.acquire(needs=AT_RAL)


async def test_a_switch_for_what_is_not_there_is_refused_with_a_hint(tmp_path: Path):
    async with world(tmp_path) as w:
        with pytest.raises(NotFound, match="did you mean 'mantid@ral-sim/small'"):
            await w.manager.hands.pause("mantid@ral-sim/smal", ALICE)
        with pytest.raises(NotFound, match="did you mean 'ral-sim'"):
            await w.manager.hands.drain("ral-si", ALICE)
        assert await w.store.switches.all() == ()


async def test_each_is_a_line_of_the_audit_log(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.manager.hands.pause(RAL, ALICE, "why")
        await w.manager.hands.resume(RAL, ALICE)
        await w.manager.hands.drain("ral-sim", ALICE)
        await w.manager.hands.undrain("ral-sim", ALICE)
        lines = await w.store.audit.entries()
        assert [(e.actor, e.action, e.subject, e.detail) for e in lines] == [
            ("alice", "pause", RAL, "why"),
            ("alice", "resume", RAL, ""),
            ("alice", "drain", "ral-sim", ""),
            ("alice", "undrain", "ral-sim", ""),
        ]
