"""What people read of pools, as docs/messages/pools.yaml promises it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmm_core.errors import Conflict, NotFound
from vmm_core.model import MachineState, Needs
from vmm_core.pools.policy import Policy
from vmm_core.store.records import Actor

from ...support.messages import expected, says
from ..world import CATALOGUE, Clock, World, world
from .test_kept import fail_one

RAL = "mantid@ral-sim/small"
ALICE = Actor("alice", "alice")
AT_RAL = Needs(environment="mantid", locations=("ral",))


def promised(situation: str) -> str:
    return expected("pools", situation).operator


async def hold(w: World) -> str:
    return (await w.manager.status())[0].hold


async def test_wrong_names(tmp_path: Path):
    async with world(tmp_path) as w:
        with pytest.raises(NotFound) as pool:
            await w.manager.hands.pause("mantid@ral-sim/smal", ALICE)
        with pytest.raises(NotFound) as cloud:
            await w.manager.hands.undrain("ral-si", ALICE)
    assert says(promised("wrong name of a pool"), str(pool.value))
    assert says(promised("wrong name of a cloud"), str(cloud.value))


async def test_operators_hands(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.manager.hands.pause(RAL, ALICE, "new image")
        await w.step()
        assert says(promised("a pool is paused"), await hold(w))
        await w.manager.hands.drain("ral-sim", ALICE, "it moves")
        await w.step()
        assert says(promised("a cloud is drained"), await hold(w))
        (offer,) = [each for each in await w.leases.offers() if each.cloud == "ral-sim"]
        assert says(expected("pools", "a cloud is drained").user, offer.reason)


async def test_full_of_kept_machines(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 1, maximum: 1, keep_failed: 1")
    async with world(tmp_path, text) as w:
        await fail_one(w, "no luck")
        await w.step(2, turn_s=60)
        row = expected("pools", "full: of failed machines that are kept")
        assert says(row.operator, await hold(w))
        (offer,) = [each for each in await w.leases.offers() if each.cloud == "ral-sim"]
        assert says(row.user, offer.reason)


async def test_no_room_to_replace(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 1, maximum: 1, max_ready_h: 1")
    async with world(tmp_path, text) as w:
        await w.step(2)
        await w.step(2, turn_s=3600)
        assert says(promised("full: no room to replace machines"), await hold(w))


async def test_standby(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 1, maximum: 3, standby: 1")
    async with world(tmp_path, text) as w:
        w.clouds["ral-sim"].inject("suspend-fails", times=9)
        await w.step(5)
        row = promised("wrong credentials: a cloud refuses to suspend")
        assert says(row, await hold(w))
    folder = tmp_path / "other"
    folder.mkdir()
    unable = text.replace("location: ral}", "location: ral, options: {suspend: false}}", 1)
    async with world(folder, unable) as w:
        await w.step(2)
        assert says(promised("a cloud cannot suspend"), await hold(w))


async def test_a_slow_resume(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 1, maximum: 3, standby: 1")
    slow = text.replace("location: ral}", "location: ral, options: {resume_s: 1.0e+9}}", 1)
    async with world(tmp_path, slow, policy=Policy(resume_deadline_s=50)) as w:
        await w.step(5)
        await w.acquire(needs=AT_RAL)
        said = []
        for _ in range(8):
            await w.step(turn_s=10)
            backoff = (await w.store.pools.backoffs()).get(RAL)
            said.append(backoff.reason if backoff else "")
        assert any(says(promised("slow: a resume"), each) for each in said)


async def test_consoles(tmp_path: Path):
    clock = Clock()
    async with world(tmp_path, clock=clock) as w:
        await w.step(2)
        (machine,) = await w.machines(MachineState.VACANT)
        assert (await w.manager.console(machine.id)).text.startswith(machine.id)
        await w.manager.held.remove(machine.id, discard=False)
        await w.step(3)
        with pytest.raises(Conflict) as gone:
            await w.manager.console(machine.id)
        (another,) = await w.machines(MachineState.VACANT)
    without = CATALOGUE.replace("location: ral}", "location: ral, options: {console: false}}", 1)
    async with world(tmp_path, without, clock=clock) as w:
        with pytest.raises(Conflict) as none:
            await w.manager.console(another.id)
    assert says(promised("gone: the machine of a console"), str(gone.value))
    assert says(promised("a cloud has no consoles"), str(none.value))
