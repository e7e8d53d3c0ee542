"""Where parts of the pool manager meet: two managers, a silent cloud, a lost machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmm_core.model import LeaseState, MachineState
from vmm_core.pools.manager import PoolManager
from vmm_core.pools.policy import Policy
from vmm_core.store.records import Stock

from ..world import CATALOGUE, session, world


async def test_a_cloud_that_was_silent_in_between_has_missed_nothing_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with world(tmp_path, policy=Policy(agent_grace_s=1000)) as w:
        await w.step(2)
        (machine,) = await w.machines(MachineState.VACANT)
        cloud = w.clouds["ral-sim"]
        w.agents.drop_all()  # an agent that is there says that its machine is

        async def partly(_owner: str) -> list[object]:
            return []

        listing = cloud.list_owned
        monkeypatch.setattr(cloud, "list_owned", partly)
        await w.manager.step()
        monkeypatch.setattr(cloud, "list_owned", listing)
        cloud.inject("list-unreachable")
        w.clock.turn(Policy().missing_grace_s)
        await w.manager.step()
        monkeypatch.setattr(cloud, "list_owned", partly)
        await w.manager.step()
        assert (await w.store.machines.get(machine.id)).state is MachineState.VACANT


async def test_who_takes_a_pool_over_makes_nothing_that_the_one_before_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with world(tmp_path, CATALOGUE.replace("ready: 1", "ready: 2")) as w:
        other = PoolManager(w.store, w.inventory, w.agents)
        read = w.store.stock

        async def before_the_other_acts() -> Stock:
            stock = await read()
            monkeypatch.setattr(w.store, "stock", read)
            await w.manager.step()
            await w.manager._locks.release()
            return stock

        monkeypatch.setattr(w.store, "stock", before_the_other_acts)
        await other.step()
        await other.settle()
        await w.manager.settle()
        assert len(await w.store.machines.all()) == 2


async def test_who_loses_a_machine_at_its_bind_has_all_the_time_again_to_wait(tmp_path: Path):
    async with world(tmp_path, policy=Policy(wait_limit_s=100)) as w:
        await w.step(2)
        lease = await w.acquire()
        assert lease.machine is not None
        await w.manager.step()
        w.clock.turn(1000)
        w.clouds["ral-sim"].inject("quota", 50)
        w.clouds["dls-sim"].inject("quota", 50)
        for machine in await w.machines(MachineState.VACANT):
            await w.store.lifetimes.remove(machine.id, "none is left")
        lease = await w.store.leases.replace_machine(
            lease.id, lease.machine.id, reason="silent", decide=w.inventory.decide
        )
        await w.manager.step()
        assert (await w.leases.get(lease.id)).state is LeaseState.WAITING
        w.clock.turn(100)
        await w.manager.step()
        assert (await w.leases.get(lease.id)).state is LeaseState.REFUSED


async def test_a_service_that_was_away_gives_the_agents_time_to_come_back(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        (machine,) = await w.machines(MachineState.VACANT)
        await w.store.agents.lost(machine.id)
        clock = w.clock
    clock.turn(3600)
    async with world(tmp_path, clock=clock) as w:
        await w.manager.step()
        assert (await w.store.machines.get(machine.id)).state is MachineState.VACANT
        clock.turn(Policy().agent_grace_s)
        await w.manager.step()
        assert (await w.store.machines.get(machine.id)).state is not MachineState.VACANT


async def test_a_service_that_was_away_hears_what_is_held_before_it_lets_go(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        await w.leases.bind(lease.id, session())
        assert lease.machine is not None
        w.agents.drop_all()
        await w.leases.release(lease.id)
        clock = w.clock
    clock.turn(2 * Policy().held_silent_s)
    async with world(tmp_path, clock=clock) as w:
        await w.manager.step()
        assert (await w.store.machines.get(lease.machine.id)).state is MachineState.HELD
        clock.turn(Policy().held_look_s)
        await w.manager.step()
        assert (await w.store.machines.get(lease.machine.id)).state is MachineState.DELETING
