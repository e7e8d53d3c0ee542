"""A lease's time on a simulated cloud: warned, ended, kept, taken back, deleted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from vmm_core.agent.protocol import Activity
from vmm_core.clouds.base import CloudState
from vmm_core.errors import BindFailed, Conflict, Unavailable
from vmm_core.lifetimes.keeper import AGAIN_S, SILENT_S
from vmm_core.model import Lease, LeaseState, MachineState
from vmm_core.store.records import Actor

from ..service import eventually
from ..world import CATALOGUE, World, session, world

HOUR = 3600
ALICE = Actor("alice", "hub")
TIMED = CATALOGUE + (
    "lifetimes:\n"
    "  - {hours: 8, extend_hours: 4, extensions: 1, warn_hours: 1, undelete_hours: 24,"
    " idle_hours: 4}\n"
)
FROZEN = TIMED.replace(
    "kind: simulated, location: ral}", "kind: simulated, location: ral, options: {suspend: false}}"
)
QUIET = Activity(cpu_percent=0.3, processes=9, kernels_busy=0)
BUSY = Activity(cpu_percent=99, processes=9, kernels_busy=2)


async def bound(w: World) -> Lease:
    """A lease of alice's whose session runs."""
    await w.step(2)
    lease = await w.acquire()
    await w.leases.bind(lease.id, session())
    return await w.leases.get(lease.id)


async def told(w: World, lease: Lease) -> list[tuple[str, str]]:
    return [(e.stage, e.message) for e in await w.store.leases.events(lease.id)]


async def stages(w: World, lease: Lease) -> list[str]:
    return [stage for stage, _ in await told(w, lease)]


async def state(w: World, lease: Lease) -> MachineState:
    assert lease.machine is not None
    return (await w.store.machines.get(lease.machine.id)).state


def at_cloud(w: World, lease: Lease) -> CloudState | None:
    """What the cloud really has."""
    assert lease.machine is not None
    seen = {m.name: m.state for c in w.clouds.values() for m in c.machines(w.store.installation)}
    return seen.get(lease.machine.id)


async def restore(w: World, lease: Lease) -> Lease:
    return await w.manager.keeper.restore(lease.id, ALICE)


async def test_a_lease_is_warned_ended_kept_suspended_taken_back_and_bound_anew(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        w.clock.turn(7 * HOUR)
        await w.step(3)
        assert (await stages(w, lease))[-1] == "warning"
        w.clock.turn(HOUR)
        await w.step(4)
        stage, message = (await told(w, lease))[-1]
        assert stage == "released"
        assert "its time was over at 2026-01-01 08:00 UTC; it can be taken back until" in message
        assert w.agents.bound == {}
        assert await state(w, lease) is MachineState.HELD
        assert at_cloud(w, lease) is CloudState.SUSPENDED

        w.clock.turn(20 * HOUR)
        await w.step(2)
        back = await restore(w, lease)
        assert back.state is LeaseState.ACQUIRED
        assert back.extensions == 1
        await w.step(4)
        assert at_cloud(w, lease) is CloudState.RUNNING
        assert (await told(w, lease))[-1] == ("restored", f"{lease.machine.id} is awake: bind it")
        handover = await w.leases.bind(lease.id, session())
        assert handover.port == 8888
        assert w.agents.bound == {lease.machine.id: "alice"}
        assert (await stages(w, lease)).count("restored") == 2

        await w.leases.release(lease.id)
        w.clock.turn(24 * HOUR)
        await w.step(4)
        assert lease.machine.id not in w.at_clouds()
        assert await state(w, lease) is MachineState.DELETED
        with pytest.raises(Conflict, match="its machine is gone"):
            await restore(w, lease)


async def test_where_the_cloud_cannot_suspend_the_machine_is_kept_running(tmp_path: Path):
    async with world(tmp_path, FROZEN) as w:
        lease = await bound(w)
        await w.leases.release(lease.id)
        await w.step(5)
        assert at_cloud(w, lease) is CloudState.RUNNING
        assert await state(w, lease) is MachineState.HELD
        assert w.agents.bound == {}
        await restore(w, lease)
        await w.step()
        await w.leases.bind(lease.id, session())
        await w.leases.release(lease.id)
        w.clock.turn(24 * HOUR)
        await w.step(4)
        assert at_cloud(w, lease) is None


async def test_what_holds_something_is_not_suspended_and_not_deleted(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        await w.manager.held.holding(lease.machine.id, "2 files of alice not sent yet")
        await w.leases.release(lease.id)
        await w.step(4)
        assert at_cloud(w, lease) is CloudState.RUNNING
        w.clock.turn(25 * HOUR)
        await w.step(4)
        assert await state(w, lease) is MachineState.HELD
        await w.manager.held.holding(lease.machine.id, "")
        await w.step(4)
        assert at_cloud(w, lease) is None


async def test_a_session_that_has_not_ended_is_not_suspended(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        w.agents.drop(lease.machine.id)
        await w.leases.release(lease.id)
        await w.manager.step()
        await w.manager.settle()
        assert at_cloud(w, lease) is CloudState.RUNNING
        with pytest.raises(Conflict, match="still being ended"):
            await restore(w, lease)
        await w.step(4)
        assert at_cloud(w, lease) is CloudState.SUSPENDED


@pytest.mark.parametrize("fault", ["suspend-fails", "suspend-lost-answer"])
async def test_a_cloud_that_stumbles_at_suspending_is_asked_again(tmp_path: Path, fault):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        w.clouds["ral-sim"].inject(fault)
        await w.leases.release(lease.id)
        await w.step(3)
        w.clock.turn(AGAIN_S)
        await w.step(3)
        assert at_cloud(w, lease) is CloudState.SUSPENDED
        assert await state(w, lease) is MachineState.HELD


@pytest.mark.parametrize("fault", ["resume-fails", "resume-lost-answer"])
async def test_a_cloud_that_stumbles_at_resuming_is_asked_again(tmp_path: Path, fault):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        await w.leases.release(lease.id)
        await w.step(4)
        w.clouds["ral-sim"].inject(fault)
        await restore(w, lease)
        await w.step(3)
        if fault == "resume-fails":
            assert at_cloud(w, lease) is CloudState.SUSPENDED
            with pytest.raises(Unavailable, match="still being woken: bind again"):
                await w.leases.bind(lease.id, session().model_copy(update={"timeout_s": 0.1}))
        w.clock.turn(AGAIN_S)
        await w.step(3)
        await w.leases.bind(lease.id, session())
        assert at_cloud(w, lease) is CloudState.RUNNING


async def test_a_machine_that_cannot_be_woken_ends_its_lease(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        await w.leases.release(lease.id)
        await w.step(4)
        w.clouds["ral-sim"].inject("resume-breaks")
        await restore(w, lease)
        await w.step(4)
        stage, message = (await told(w, lease))[-1]
        assert stage == "released"
        assert "the machine is gone: its cloud could not resume it" in message
        assert at_cloud(w, lease) is None


async def test_a_session_that_does_not_start_again_loses_nothing(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        await w.leases.release(lease.id)
        await w.step(4)
        await restore(w, lease)
        await w.step(3)
        w.agents.refusing.add(lease.machine.id)
        with pytest.raises(BindFailed):
            await w.leases.bind(lease.id, session())
        stage, message = (await told(w, lease))[-1]
        assert stage == "released"
        assert "the session did not start" in message
        assert "it can be taken back until" in message
        await w.step(3)
        assert at_cloud(w, lease) is CloudState.SUSPENDED
        w.agents.refusing.clear()
        await restore(w, lease)
        await w.step(3)
        await w.leases.bind(lease.id, session())


async def test_a_session_that_does_not_start_again_when_its_time_is_over_loses_nothing(
    tmp_path: Path,
):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        await w.leases.release(lease.id)
        await w.step(4)
        w.clock.turn(23.9 * HOUR)
        await restore(w, lease)
        w.clock.turn(0.2 * HOUR)
        await w.step(3)
        w.agents.refusing.add(lease.machine.id)
        with pytest.raises(BindFailed):
            await w.leases.bind(lease.id, session())
        await w.step(4)
        assert await state(w, lease) is MachineState.HELD
        await restore(w, lease)


async def test_an_agent_that_crashed_while_its_machine_was_kept_ends_nothing(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        await w.leases.release(lease.id)
        await w.step(4)
        await restore(w, lease)
        await w.manager.session_ended(lease.machine.id, -9)
        assert (await w.leases.get(lease.id)).state is LeaseState.ACQUIRED
        await w.step(4)
        await w.leases.bind(lease.id, session())
        await w.manager.session_ended(lease.machine.id, 0)
        assert (await w.leases.get(lease.id)).state is LeaseState.RELEASED


async def test_what_is_released_while_it_is_woken_for_its_bind_can_be_taken_back_again(
    tmp_path: Path,
):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        await w.leases.release(lease.id)
        await w.step(4)
        w.clouds["ral-sim"].inject("resume-fails")
        await restore(w, lease)
        await w.step()
        binding = asyncio.create_task(w.leases.bind(lease.id, session()))
        await eventually(lambda: w.store.leases.binding(lease.id))
        await w.leases.release(lease.id)
        with pytest.raises(Conflict):
            await binding
        assert at_cloud(w, lease) is CloudState.SUSPENDED
        w.clock.turn(AGAIN_S)
        await w.step(5)  # woken, so that its agent can say that no session runs
        assert at_cloud(w, lease) is CloudState.SUSPENDED
        assert (await restore(w, lease)).state is LeaseState.ACQUIRED


async def test_what_says_late_that_it_holds_something_is_woken_to_send_it(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        await w.leases.release(lease.id)
        await w.step(4)
        assert at_cloud(w, lease) is CloudState.SUSPENDED
        await w.manager.held.holding(lease.machine.id, "2 files of alice not sent yet")
        w.clock.turn(AGAIN_S)
        await w.step(3)
        assert at_cloud(w, lease) is CloudState.RUNNING
        await w.manager.held.holding(lease.machine.id, "")
        await w.step(3)
        assert at_cloud(w, lease) is CloudState.SUSPENDED


async def test_a_lease_is_not_forgotten_while_its_machine_is_held(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        await w.manager.held.holding(lease.machine.id, "2 files of alice not sent yet")
        await w.leases.release(lease.id)
        later = w.clock.at.replace(year=2027)
        await w.store.forget(later)
        assert (await w.leases.get(lease.id)).machine is not None
        await w.manager.held.remove(lease.machine.id, discard=True)
        await w.step(2)
        await w.store.forget(later)
        assert lease.id not in {each.id for each in await w.leases.list(ended=True)}


async def test_a_clock_that_was_set_back_keeps_nobody_beyond_their_time(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        w.clock.turn(7 * HOUR)
        await w.step()
        w.clock.turn(-2 * HOUR)
        await w.step()
        w.clock.turn(2 * HOUR - 60)
        await w.step()
        assert w.manager.keeper._look_at is not None
        assert w.manager.keeper._look_at <= w.clock.at + timedelta(seconds=10)
        assert (await w.leases.get(lease.id)).state is LeaseState.ACQUIRED


async def test_an_operator_ends_the_grace(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        await w.leases.release(lease.id)
        await w.step(4)
        operator = Actor("operator", "operator")
        await w.manager.held.remove(lease.machine.id, discard=False, by=operator)
        await w.step(2)
        assert at_cloud(w, lease) is None
        (line,) = await w.store.audit.entries(lease=lease.id)
        assert (line.actor, line.action, line.machine) == ("operator", "delete", lease.machine.id)


async def test_a_restart_in_between_forgets_nothing(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        w.clock.turn(7.1 * HOUR)
        await w.step()
        clock = w.clock
    clock.turn(20)
    async with world(tmp_path, TIMED, clock=clock) as w:
        await w.step(2)
        assert (await stages(w, lease)).count("warning") == 1
        w.clock.turn(HOUR)
        await w.manager.step()
    clock.turn(20)
    async with world(tmp_path, TIMED, clock=clock) as w:
        await w.step(5)
        assert at_cloud(w, lease) is CloudState.SUSPENDED
        await restore(w, lease)
    clock.turn(20)
    async with world(tmp_path, TIMED, clock=clock) as w:
        await w.step(3)
        await w.leases.bind(lease.id, session())
        assert (await stages(w, lease)).count("restored") == 2


async def test_nobody_at_work_is_warned_and_ended_and_one_at_work_is_not(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        machine, keeper = lease.machine.id, w.manager.keeper

        async def report(what: Activity, hours: float) -> None:
            for _ in range(int(hours * HOUR / 240)):
                w.clock.turn(240)
                await keeper.activity(machine, what)
                await w.manager.step()

        await report(BUSY, 0.5)
        await report(QUIET, 2.9)
        assert "warning" not in await stages(w, lease)
        await report(QUIET, 0.2)
        stage, message = (await told(w, lease))[-1]
        assert stage == "warning"
        assert "nothing was in use on this machine since 2026-01-01 00:" in message
        await report(BUSY, 0.1)
        await report(QUIET, 0.8)
        assert (await w.leases.get(lease.id)).ended_at is None
        await w.manager.keeper.extend(lease.id, ALICE)
        await report(QUIET, 3.1)
        assert (await stages(w, lease))[-1] == "warning"
        await report(QUIET, 1.1)
        stage, message = (await told(w, lease))[-1]
        assert stage == "released"
        assert "nothing was in use on its machine since" in message
        await w.step(4)
        assert at_cloud(w, lease) is CloudState.SUSPENDED


async def test_who_reports_nothing_is_not_idle_and_what_was_not_seen_counts_as_work(
    tmp_path: Path,
):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        keeper = w.manager.keeper
        w.clock.turn(6.9 * HOUR)
        await w.step(3)
        assert "warning" not in await stages(w, lease)
        await keeper.activity(lease.machine.id, QUIET)  # it is back: nobody saw what was before
        await w.step()
        w.clock.turn(60)
        await keeper.activity(lease.machine.id, QUIET)
        await w.step()
        assert "warning" not in await stages(w, lease)
        w.clock.turn(SILENT_S / 2)
        await w.step()
        assert (await w.leases.get(lease.id)).ended_at is None


async def test_activity_is_written_once_a_minute_at_most(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        await w.step()
        keeper = w.manager.keeper
        written: list[timedelta] = []
        active = w.store.lifetimes.active

        async def counted(machine_id: str, what: str) -> None:
            written.append(w.clock.at - lease.created_at)
            await active(machine_id, what)

        w.store.lifetimes.active = counted  # type: ignore[method-assign]
        for _ in range(20):
            w.clock.turn(10)
            await keeper.activity(lease.machine.id, BUSY)
            await keeper.activity("vmm-of-nobody", BUSY)
        assert len(written) == 4


async def test_followers_see_an_end_and_what_comes_after_it(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        async with asyncio.timeout(20):
            following = asyncio.create_task(_follow(w, lease.id))
            await w.leases.release(lease.id)
            assert (await following)[-1] == "released"
            await w.step(4)
            await restore(w, lease)
            following = asyncio.create_task(_follow(w, lease.id))
            await w.step(4)
            await w.leases.release(lease.id)
            seen = await following
        assert seen[-4:] == ["released", "restored", "restored", "released"]


async def _follow(w: World, lease_id: str) -> list[str]:
    return [event.stage async for event in w.leases.events(lease_id)]
