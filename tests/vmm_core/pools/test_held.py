"""Machines that are kept after their lease, until nothing of their user's is on them only."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmm_core.errors import Conflict
from vmm_core.model import Lease, LeaseState, Machine, MachineState
from vmm_core.pools.policy import Policy

from ..world import World, session, world

HOLDS = "2 files (3,000 bytes) of alice not sent yet"


async def bound(w: World) -> tuple[Lease, Machine]:
    """A lease of alice's whose session runs."""
    await w.step(2)
    lease = await w.acquire()
    await w.leases.bind(lease.id, session())
    lease = await w.leases.get(lease.id)
    assert lease.machine is not None
    return lease, lease.machine


async def state(w: World, machine: Machine) -> MachineState:
    return (await w.store.machines.get(machine.id)).state


async def test_a_machine_that_holds_something_is_kept_until_it_does_not(tmp_path: Path):
    async with world(tmp_path) as w:
        lease, machine = await bound(w)
        await w.manager.held.holding(machine.id, HOLDS)
        released = await w.leases.release(lease.id)
        assert released.state is LeaseState.RELEASED
        events = [e async for e in w.leases.events(lease.id)]
        assert events[-1].message == f"released; the machine is kept for now: {HOLDS}"
        await w.step(3, turn_s=Policy().held_silent_s)
        kept = await w.store.machines.get(machine.id)
        assert (kept.state, kept.reason) == (MachineState.HELD, HOLDS)
        assert machine.id in w.at_clouds()
        await w.manager.held.holding(machine.id, "1 file")
        assert (await w.store.machines.get(machine.id)).reason == "1 file"
        await w.manager.held.holding(machine.id, "")
        await w.manager.held.settled(machine.id)
        await w.step(2)
        assert await state(w, machine) is MachineState.DELETED
        assert machine.id not in w.at_clouds()


async def test_its_owner_gets_another_machine_meanwhile(tmp_path: Path):
    async with world(tmp_path) as w:
        lease, machine = await bound(w)
        await w.manager.held.holding(machine.id, HOLDS)
        await w.leases.release(lease.id)
        await w.step(3)
        assert [one.id for one in await w.leases.list("alice", held=True)] == [lease.id]
        assert await w.leases.list("bob", held=True) == []
        again = await w.acquire()
        assert again.machine is not None
        assert again.machine.id != machine.id


async def test_what_is_held_is_kept_over_a_restart_of_the_service(tmp_path: Path):
    async with world(tmp_path) as w:
        lease, machine = await bound(w)
        await w.manager.held.holding(machine.id, HOLDS)
        await w.leases.release(lease.id)
        clock = w.clock
    clock.turn(Policy().lock_s)
    async with world(tmp_path, clock=clock) as w:
        await w.step(2)
        assert await state(w, machine) is MachineState.HELD
        await w.manager.held.holding(machine.id, "")
        await w.step(3)  # the agent is asked again, and says that the session ended
        assert await state(w, machine) is MachineState.DELETED


async def test_a_session_that_cannot_be_ended_now_is_ended_when_its_agent_is_back(tmp_path: Path):
    async with world(tmp_path) as w:
        lease, machine = await bound(w)
        w.agents.drop(machine.id)
        await w.leases.release(lease.id)
        await w.manager.step()
        kept = await w.store.machines.get(machine.id)
        assert kept.state is MachineState.HELD
        assert kept.reason == "its session has not ended yet (released)"
        await w.step(3)
        assert machine.id not in w.agents.bound
        assert await state(w, machine) is MachineState.DELETED


async def test_an_agent_that_stays_away_and_holds_nothing_is_let_go_in_the_end(tmp_path: Path):
    async with world(tmp_path, policy=Policy(held_silent_s=1000)) as w:
        lease, machine = await bound(w)
        w.agents.drop(machine.id)
        await w.leases.release(lease.id)
        await w.manager.step()
        w.clock.turn(999)
        await w.manager.step()
        assert await state(w, machine) is MachineState.HELD
        w.clock.turn(2)
        await w.manager.step()
        await w.manager.settle()
        assert await state(w, machine) in (MachineState.DELETING, MachineState.DELETED)


async def test_a_program_that_ends_by_itself_does_not_take_what_is_held_along(tmp_path: Path):
    async with world(tmp_path) as w:
        _, machine = await bound(w)
        await w.manager.held.holding(machine.id, HOLDS)
        await w.manager.session_ended(machine.id, -9)
        await w.step(3)
        assert await state(w, machine) is MachineState.HELD
        assert machine.id not in w.agents.bound  # its session was ended all the same


async def test_an_operator_deletes_what_nobody_leases_and_loses_nothing_unasked(tmp_path: Path):
    async with world(tmp_path) as w:
        lease, machine = await bound(w)
        with pytest.raises(Conflict, match=f"release lease {lease.id}"):
            await w.manager.held.remove(machine.id, discard=True)
        await w.manager.held.holding(machine.id, HOLDS)
        await w.leases.release(lease.id)
        with pytest.raises(Conflict, match=r"2 files .* --discard"):
            await w.manager.held.remove(machine.id, discard=False)
        assert await state(w, machine) is MachineState.HELD
        removed = await w.manager.held.remove(machine.id, discard=True)
        assert removed.state is MachineState.DELETING
        await w.step(2)
        assert machine.id not in w.at_clouds()
        assert (await w.manager.held.remove(machine.id, discard=False)).state is (
            MachineState.DELETED
        )
        (vacant,) = await w.machines(MachineState.VACANT)
        assert (await w.manager.held.remove(vacant.id, discard=False)).reason == (
            "deleted by an operator"
        )


async def test_a_service_that_goes_for_good_ends_sessions_first_and_says_what_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with world(tmp_path) as w:
        _, machine = await bound(w)
        await w.manager.held.holding(machine.id, HOLDS)
        assert await w.manager.drain(timeout_s=30) == []
        assert machine.id not in w.agents.bound
        assert f"machine {machine.id} is deleted with {HOLDS}" in caplog.text
