"""The service is killed with -9 at every effect, one after the other, and must come back whole.

Nothing leaks, nothing is leased twice, nothing is forgotten, and a repeated request
gets the lease that it got before; on SQLite and on PostgreSQL.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from vmm_core.clouds.base import CloudState, MachineSpec
from vmm_core.model import Lease, LeaseState, MachineState
from vmm_core.pools.policy import Policy
from vmm_core.store.records import Actor

from .killing import Killer, Place, Places, kill_everywhere
from .world import CATALOGUE, Clock, World, session, world

USERS = {"alice": "k1", "bob": "k2", "carol": "k3"}
RAL = "mantid@ral-sim/small"
OLGA = Actor("olga", "olga")
TIERS = CATALOGUE.replace(
    "ready: 1, maximum: 3",
    "ready: 1, maximum: 6, standby: 1, keep_failed: 1, replace: at-once",
)
RENEWED = TIERS.replace("preload: [json]", "preload: [json, csv]")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    """Ledgers in files, or on a server."""
    server = None if request.param == "sqlite" else request.getfixturevalue("postgresql")
    return Places(tmp_path, server)


async def day(place: Place, killer: Killer) -> None:
    """Three people come and go; two answers of the cloud are lost on the way."""
    async with world(place.folder, url=place.url, make_store=killer.store()) as w:
        killer.into(w)
        await w.step(2)
        await ask(w, place.folder, "alice")
        await ask(w, place.folder, "bob")
        w.clouds["ral-sim"].inject("lost-answer")
        await w.step(2)
        alice = await ask(w, place.folder, "alice")
        await w.leases.bind(alice.id, session())
        (place.folder / "released").write_text("alice")
        await w.leases.release(alice.id)
        w.clouds["ral-sim"].inject("delete-lost-answer")
        await ask(w, place.folder, "carol")
        await w.step(2)
        (place.folder / "released").write_text("alice bob")
        for lease in await w.leases.list("bob"):
            await w.leases.release(lease.id)
        await w.step()


async def day_after(place: Place) -> None:
    """Start again on what is left of that day, and look."""
    clock = Clock()
    clock.turn(60)
    async with world(place.folder, url=place.url, clock=clock) as w:
        await converge(w, ready=1)
        await everybody_is_served(w, place.folder)
        assert await w.by_state() == {MachineState.VACANT: 1}


async def tiers(place: Place, killer: Killer) -> None:
    """Machines are suspended, resumed, kept, swept, replaced, and a cloud is drained."""
    clock = Clock()
    store = killer.store()
    async with world(place.folder, TIERS, url=place.url, make_store=store, clock=clock) as w:
        killer.into(w)
        ral = w.clouds["ral-sim"]
        await w.step(3)
        await ask(w, place.folder, "alice")
        ral.inject("resume-lost-answer")
        ral.inject("boot-fails")
        ral.inject("suspend-lost-answer")
        await w.step(4)
        size = (await ral.sizes())["small"].size
        await ral.create(MachineSpec("lost", w.store.installation, "", size, "", ()))
        ral.inject("leaves-port")
        (place.folder / "released").write_text("alice")
        for lease in await w.leases.list("alice"):
            await w.leases.release(lease.id)
        await w.step(2)
        await w.step(2, turn_s=31)
    clock.turn(Policy().lock_s)
    async with world(place.folder, RENEWED, url=place.url, make_store=store, clock=clock) as w:
        killer.into(w)
        await w.agents.step(w.manager.agent_ready)
        await w.step(5)
        await ask(w, place.folder, "bob")
        await w.manager.hands.drain("ral-sim", OLGA)
        await w.step(3)
        await w.manager.hands.undrain("ral-sim", OLGA)
        await w.manager.hands.pause(RAL, OLGA)
        await w.step(1)
        await w.manager.hands.resume(RAL, OLGA)
        await w.step(2)


async def tiers_after(place: Place) -> None:
    """Start again on what is left of that, with the catalogue as it was last, and look."""
    clock = Clock()
    clock.turn(3600)
    async with world(place.folder, RENEWED, url=place.url, clock=clock) as w:
        await w.agents.step(w.manager.agent_ready)
        await w.manager.hands.undrain("ral-sim", OLGA)
        await w.manager.hands.resume(RAL, OLGA)
        await converge(w, ready=1, standby=1)
        await everybody_is_served(w, place.folder, standby=1)
        (fact,) = [facts for facts in w.inventory.facts() if facts.name == RAL]
        for machine in await w.store.machines.all(pool=RAL):
            assert machine.fingerprint == fact.fingerprint or machine.state is MachineState.HELD
        states = await w.by_state()
        held = states.pop(MachineState.HELD, 0)
        assert held <= 1
        assert states == {MachineState.VACANT: 1, MachineState.SUSPENDED: 1}


async def ask(w: World, folder: Path, user: str) -> Lease:
    """Acquire, and remember the answer as the user's browser would."""
    lease = await w.acquire(user, USERS[user])
    (folder / f"lease-{user}").write_text(lease.id)
    return lease


async def everybody_is_served(w: World, folder: Path, *, standby: int = 0) -> None:
    """Who asked before has the same lease; all have machines, and give them back."""
    released = (folder / "released").read_text() if (folder / "released").exists() else ""
    for user, key in USERS.items():
        remembered = folder / f"lease-{user}"
        lease = await w.acquire(user, key)
        if remembered.exists() and user not in released:
            assert lease.id == remembered.read_text(), f"{user} got another lease"
    await converge(w, ready=1, standby=standby)
    leases = await w.leases.list()
    assert {lease.owner for lease in leases} == set(USERS)
    assert all(lease.state is LeaseState.ACQUIRED for lease in leases)
    for lease in leases:
        await w.leases.release(lease.id)
    await converge(w, ready=1, standby=standby)


async def check_leases(w: World) -> None:
    """No machine has two leases, and no lease holds what is not acquired."""
    held = [lease.machine for lease in await w.leases.list() if lease.machine is not None]
    assert len({machine.id for machine in held}) == len(held)
    assert all(machine.state is MachineState.ACQUIRED for machine in held)
    acquired = {machine.id for machine in await w.machines(MachineState.ACQUIRED)}
    assert acquired == {machine.id for machine in held}


async def converge(w: World, *, ready: int, standby: int = 0) -> None:
    """Step until nothing moves any more; then the clouds have what the ledger has."""
    settled = {
        MachineState.VACANT,
        MachineState.SUSPENDED,
        MachineState.ACQUIRED,
        MachineState.HELD,
    }
    calm = 0
    for _ in range(25):
        await w.step(turn_s=20)
        await check_leases(w)
        machines = {machine.id: machine.state for machine in await w.store.machines.all()}
        found = await w.by_state(RAL)
        (ral, _) = await w.manager.status()
        full = sum(ral.machines.values()) == (ral.pool.maximum if ral.pool else 0)
        stocked = found.get(MachineState.VACANT, 0) >= ready
        stocked = stocked and found.get(MachineState.SUSPENDED, 0) == standby
        waiting = any(lease.machine is None for lease in await w.leases.list())
        quiet = not waiting and settled >= set(machines.values())
        agree = w.at_clouds() == set(machines) and suspended_at_clouds(w) == {
            name for name, state in machines.items() if state is MachineState.SUSPENDED
        }
        calm = calm + 1 if (full or stocked) and quiet and agree else 0
        if calm > (1 if standby else 0):
            return
    raise AssertionError(f"not settled: {machines}, at the clouds: {w.at_clouds()}")


def suspended_at_clouds(w: World) -> set[str]:
    """Names of the machines that their clouds keep suspended."""
    return {
        machine.name
        for cloud in w.clouds.values()
        for machine in cloud.machines(w.store.installation)
        if machine.state is CloudState.SUSPENDED
    }


@pytest.mark.timeout(600)
def test_kill_9_at_every_effect_leaks_nothing_and_leases_nothing_twice(places: Places):
    kill_everywhere(places, day, day_after, at_least=50)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kill_9_at_every_effect_of_both_tiers_forgets_and_doubles_nothing(places: Places):
    kill_everywhere(places, tiers, tiers_after, at_least=100)
