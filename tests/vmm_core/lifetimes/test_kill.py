"""The service is killed with -9 at every effect of a lease's second life, one after the other.

A lease is warned, ended by its time, its machine suspended, taken back, resumed, bound
anew, released, and deleted when its time is over. Another service goes on with what is
left, and comes to the same end: no machine is deleted too early, nobody has it but its
lease, it is warned once and taken back once, and nothing leaks.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vmm_core.clouds.base import CloudState
from vmm_core.model import LeaseState, MachineState

from ..killing import Killer, Place, Places, kill_everywhere
from ..world import Clock, World, session, world
from .test_keeper import TIMED, at_cloud, restore, stages, state

HOUR = 3600
TIMED_ONE = TIMED.replace("ready: 1, maximum: 3", "ready: 0, maximum: 1")


async def prepare(place: Place) -> None:
    """A lease whose session runs, seven hours old."""
    async with world(place.folder, TIMED_ONE, url=place.url) as w:
        lease = await w.acquire()
        await w.step(4)
        await w.leases.bind(lease.id, session())
        (place.folder / "lease").write_text(lease.id)
        w.clock.turn(7.2 * HOUR)
        remember(w, place.folder)


def remember(w: World, folder: Path) -> None:
    (folder / "clock").write_text(str(w.clock.at.timestamp()))


def clock(folder: Path, turn_s: float = 0) -> Clock:
    """The clock as it was last seen, a little later."""
    made = Clock()
    made.at = datetime.fromtimestamp(float((folder / "clock").read_text()), tz=UTC)
    made.turn(turn_s)
    return made


async def live(w: World, folder: Path) -> None:
    """Go on from wherever the lease is, until its machine is deleted for good."""
    lease_id = (folder / "lease").read_text()
    done = folder / "done"
    for _ in range(80):
        lease = await w.leases.get(lease_id)
        seen, now = await stages(w, lease), await state(w, lease)
        assert seen.count("warning") <= 1
        assert lease.machine is not None
        if not done.exists():
            assert now not in (MachineState.DELETING, MachineState.DELETED, MachineState.FAILED)
            assert at_cloud(w, lease) in (CloudState.RUNNING, CloudState.SUSPENDED)
        if now is MachineState.DELETED:
            assert w.at_clouds() == set()
            return
        if lease.ended_at is None and "restored" not in seen:
            w.clock.turn(0.9 * HOUR if "warning" in seen else 1)
        elif lease.ended_at is not None and "restored" not in seen:
            if at_cloud(w, lease) is CloudState.SUSPENDED:
                assert now is MachineState.HELD
                await restore(w, lease)
        elif lease.ended_at is None:
            machine = await w.store.machines.get(lease.machine.id)
            assert machine.lease == lease_id
            binding = await w.store.leases.binding(lease_id)
            if binding is not None and binding.port is not None:
                done.touch()
                await w.leases.release(lease_id)
            elif w.agents.connected(machine):
                await w.leases.bind(lease_id, session())
        else:
            w.clock.turn(8 * HOUR)
        remember(w, folder)
        await w.step()
    raise AssertionError(f"not at its end: {lease.state}, {now}, {at_cloud(w, lease)}, {seen}")


async def play(place: Place, killer: Killer) -> None:
    async with world(
        place.folder,
        TIMED_ONE,
        url=place.url,
        make_store=killer.store(),
        clock=clock(place.folder, 21),
    ) as w:
        killer.into(w)
        await w.step()
        await live(w, place.folder)


async def recover(place: Place) -> None:
    folder = place.folder
    async with world(folder, TIMED_ONE, url=place.url, clock=clock(folder, 21)) as w:
        await w.step(2)
        await live(w, folder)
        lease = await w.leases.get((folder / "lease").read_text())
        assert lease.state is LeaseState.RELEASED
        seen = await stages(w, lease)
        assert seen.count("warning") == 1
        assert seen.count("restored") in (1, 2)  # and that it is awake, unless it was bound before
        assert len([e for e in await w.store.audit.entries() if e.action == "restore"]) == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kill_9_at_every_effect_of_a_second_life_comes_to_the_same_end(tmp_path: Path):
    places = Places(tmp_path, None)
    begins = tmp_path / "template"  # every run is a copy of it
    asyncio.run(prepare(Place(begins, f"sqlite+aiosqlite:///{begins / 'vmm.sqlite'}")))
    kill_everywhere(places, play, recover, at_least=40)
