# ruff: noqa: ASYNC240 - looking at a test's own folder blocks nobody

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vmm_core.errors import (
    BadRequest,
    BindFailed,
    Conflict,
    Impossible,
    NotFound,
    Unavailable,
)
from vmm_core.model import LeaseState, MachineState, Needs

from .world import CATALOGUE, World, session, world

RAL_ONLY = Needs(environment="mantid", locations=("ral",))


async def stages(w: World, lease_id: str) -> list[str]:
    return [event.stage for event in await w.store.leases.events(lease_id)]


async def test_a_ready_machine_is_leased_bound_and_released(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        assert lease.state is LeaseState.ACQUIRED
        assert lease.machine is not None
        assert lease.machine.state is MachineState.ACQUIRED
        assert lease.machine.lease == lease.id
        assert lease.explanation.summary == (
            f"you have machine {lease.machine.id} with 2 CPUs, 8 GiB at Rutherford"
        )
        handover = await w.leases.bind(lease.id, session())
        assert (handover.address, handover.port) == ("127.0.0.1", 8888)
        assert w.agents.bound == {lease.machine.id: "alice"}
        ended = await w.leases.release(lease.id)
        assert ended.state is LeaseState.RELEASED
        assert ended.machine is not None
        assert ended.machine.state is MachineState.DELETING
        assert w.agents.bound == {}
        assert await w.leases.release(lease.id) == ended
        await w.step(3)
        assert lease.machine.id not in w.at_clouds()
        assert await stages(w, lease.id) == [
            "requested",
            "claimed",
            "binding",
            "binding",
            "ready",
            "released",
        ]


async def test_a_repeated_request_is_the_same_lease_also_after_a_restart(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        assert await w.acquire() == lease
        waits = await w.acquire("bob")
        assert (await w.acquire("bob")).id == waits.id
        clock = w.clock
    async with world(tmp_path, clock=clock) as w:
        again = await w.acquire()
        assert again == lease
        assert len(await w.leases.list()) == 2
        assert [x.id for x in await w.leases.list("bob")] == [waits.id]


async def test_who_waits_gets_the_next_machine_in_the_order_they_came(tmp_path: Path):
    async with world(tmp_path) as w:
        first = await w.acquire("alice", needs=RAL_ONLY)
        w.clock.turn(1)
        second = await w.acquire("bob", needs=RAL_ONLY)
        assert first.state is second.state is LeaseState.WAITING
        await w.step()
        got = [(await w.leases.get(lease.id)).machine for lease in (first, second)]
        assert all(machine is not None for machine in got)
        await w.step(2)
        assert await w.by_state() == {MachineState.ACQUIRED: 2, MachineState.VACANT: 1}


async def test_an_unknown_name_is_told_with_the_nearest(tmp_path: Path):
    async with world(tmp_path) as w:
        with pytest.raises(BadRequest, match="no environment 'mantd': did you mean 'mantid'"):
            await w.acquire(needs=Needs(environment="mantd"))
        with pytest.raises(BadRequest, match="no location 'mars': known are ral, dls"):
            await w.leases.offers(Needs(locations=("mars",)))
        with pytest.raises(NotFound, match="no lease 'x'"):
            await w.leases.get("x")
        with pytest.raises(NotFound):
            await anext(w.leases.events("x"))
        assert await w.leases.list(ended=True) == []


async def test_what_no_pool_can_give_is_refused_at_once(tmp_path: Path):
    async with world(tmp_path) as w:
        with pytest.raises(Impossible, match=r"64 CPUs.*than 2 CPUs.*than 8 CPUs"):
            await w.acquire(needs=Needs(cpus=64))
        with pytest.raises(Impossible, match="no place has tomo; ask for something else"):
            await w.acquire(needs=Needs(environment="tomo"))
        assert await w.leases.list(ended=True) == []


async def test_binding_again_gives_the_same_answer_and_another_session_is_a_conflict(
    tmp_path: Path,
):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        both = await asyncio.gather(*(w.leases.bind(lease.id, session()) for _ in range(2)))
        assert both[0] == both[1] == await w.leases.bind(lease.id, session())
        with pytest.raises(Conflict, match="another session"):
            await w.leases.bind(lease.id, session("mallory"))
        await w.leases.release(lease.id)
        with pytest.raises(Conflict, match="has ended"):
            await w.leases.bind(lease.id, session())


async def test_a_lease_that_waits_cannot_be_bound(tmp_path: Path):
    async with world(tmp_path) as w:
        lease = await w.acquire()
        with pytest.raises(Conflict, match="still waits"):
            await w.leases.bind(lease.id, session())


async def test_a_machine_that_does_not_answer_is_replaced_without_a_word(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 2, maximum: 3")
    async with world(tmp_path, text) as w:
        await w.step(2)
        lease = await w.acquire()
        assert lease.machine is not None
        w.agents.silent.add(lease.machine.id)
        await w.leases.bind(lease.id, session())
        after = await w.leases.get(lease.id)
        assert after.machine is not None
        assert after.machine.id != lease.machine.id
        assert w.agents.bound == {after.machine.id: "alice"}
        assert (await w.store.machines.get(lease.machine.id)).state is MachineState.FAILED


async def test_a_bind_waits_for_the_replacement_and_not_for_ever(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire(needs=RAL_ONLY)
        assert lease.machine is not None
        w.agents.silent.add(lease.machine.id)
        short = session().model_copy(update={"timeout_s": 0.2})
        with pytest.raises(Unavailable, match="did not answer and no other is ready"):
            await w.leases.bind(lease.id, short)
        assert (await w.leases.get(lease.id)).state is LeaseState.WAITING
        await w.step(2)
        assert (await w.leases.get(lease.id)).state is LeaseState.ACQUIRED
        assert (await w.leases.bind(lease.id, session())).port == 8888


async def test_a_bind_that_fails_ends_the_lease_and_the_machine(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        assert lease.machine is not None
        w.agents.refusing.add(lease.machine.id)
        with pytest.raises(BindFailed, match="refuses to be bound"):
            await w.leases.bind(lease.id, session())
        assert (await w.leases.get(lease.id)).state is LeaseState.RELEASED
        events = await w.store.leases.events(lease.id)
        assert "the session did not start" in events[-1].message
        await w.step(2)
        assert lease.machine.id not in w.at_clouds()
        again = await w.acquire()
        assert again.id != lease.id


async def test_a_bind_that_does_not_end_fails_in_time(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("vmm_core.binding._GRACE_S", 0)
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        w.agents.hesitate = asyncio.Event()
        with pytest.raises(BindFailed, match=r"did not start the session within 0\.1 s"):
            await w.leases.bind(lease.id, session().model_copy(update={"timeout_s": 0.1}))
        assert (await w.leases.get(lease.id)).state is LeaseState.RELEASED


async def test_a_bind_goes_on_when_its_caller_goes_away(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        w.agents.hesitate = asyncio.Event()
        caller = asyncio.create_task(w.leases.bind(lease.id, session()))
        await asyncio.wait_for(w.agents.asked.wait(), 20)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        w.agents.hesitate.set()
        assert (await w.leases.bind(lease.id, session())).port == 8888


async def test_a_release_stops_a_bind(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        w.agents.hesitate = asyncio.Event()
        caller = asyncio.create_task(w.leases.bind(lease.id, session()))
        await asyncio.wait_for(w.agents.asked.wait(), 20)
        assert (await w.leases.release(lease.id)).state is LeaseState.RELEASED
        with pytest.raises(Conflict, match="released while it was bound"):
            await caller


async def test_nothing_of_a_session_is_stored(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        secret = session().model_copy(
            update={"program": session().program.model_copy(update={"env": {"T": "s3cr3t"}})}
        )
        await w.leases.bind(lease.id, secret)
    assert all(b"s3cr3t" not in p.read_bytes() for p in tmp_path.iterdir())


async def test_events_are_replayed_and_followed_until_the_end(tmp_path: Path):
    async with world(tmp_path) as w:
        lease = await w.acquire()
        seen: list[str] = []

        async def follow() -> None:
            async for event in w.leases.events(lease.id):
                seen.append(event.stage)

        following = asyncio.create_task(follow())
        await w.step(2)
        await w.leases.release(lease.id)
        await asyncio.wait_for(following, 20)
        assert seen == ["requested", "waiting", "claimed", "released"]
        later = [event.number async for event in w.leases.events(lease.id, since=2)]
        assert later == [2, 3]
        assert [event async for event in w.leases.events(lease.id, since=9)] == []


async def test_events_of_another_process_are_found(tmp_path: Path):
    async with world(tmp_path) as w, world(tmp_path, clock=w.clock) as other:
        lease = await w.acquire()
        stream = other.leases.events(lease.id)
        assert (await anext(stream)).stage == "requested"
        assert (await anext(stream)).stage == "waiting"
        await w.leases.release(lease.id)
        assert (await asyncio.wait_for(anext(stream), 20)).stage == "released"


async def test_offers_say_what_is_free_what_comes_and_what_cannot_be(tmp_path: Path):
    gpu = "{name: gpu, cpus: 4, ram_gb: 16, gpus: 1, unavailable: this host has no GPU}"
    small = "{name: small, cpus: 2, ram_gb: 8}"
    text = CATALOGUE.replace(
        "{name: ral-sim, kind: simulated, location: ral}",
        f"{{name: ral-sim, kind: simulated, location: ral, options: {{boot_s: 5, sizes: "
        f"[{small}, {gpu}]}}}}",
    )
    text += "  - {environment: tomo, cloud: ral-sim, size: gpu, ready: 1}\n"
    async with world(tmp_path, text) as w:
        await w.step(1)
        first, cold, gpus = await w.leases.offers()
        assert (first.free, first.booting, first.next_in_s) == (0, 1, None)
        await w.step(5, turn_s=2)
        first, cold, gpus = await w.leases.offers()
        assert (first.free, first.booting, first.next_in_s, first.available) == (1, 0, 0, True)
        assert (cold.free, cold.next_in_s, cold.available) == (0, None, True)
        assert (gpus.available, gpus.reason) == (False, "this host has no GPU")
        with pytest.raises(Impossible, match="this host has no GPU"):
            await w.acquire(needs=Needs(gpus=1))
        await w.acquire(needs=RAL_ONLY)
        await w.manager.step()
        (first,) = await w.leases.offers(RAL_ONLY)
        assert (first.free, first.booting) == (0, 1)
        assert first.next_in_s == pytest.approx(6, abs=2)
        assert [o.size.name for o in await w.leases.offers(Needs(gpus=1))] == ["gpu"]
        assert [o.location.name for o in await w.leases.offers(Needs(cpus=8))] == ["dls"]


async def test_a_lease_goes_to_the_next_location_when_the_first_is_full(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 1, maximum: 1")
    async with world(tmp_path, text) as w:
        await w.step(2)
        first, second = await w.acquire("alice"), await w.acquire("bob")
        await w.step(3)
        places = []
        for lease in (first, second):
            machine = (await w.leases.get(lease.id)).machine
            assert machine is not None
            places.append(machine.location)
        assert places == ["ral", "dls"]


async def test_nobody_overtakes_one_who_waits(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 1, maximum: 1")
    async with world(tmp_path, text) as w:
        await w.step(2)
        holds = await w.acquire("alice", needs=RAL_ONLY)
        waits = await w.acquire("bob", needs=RAL_ONLY)
        await w.leases.release(holds.id)
        late = await w.acquire("carol", needs=RAL_ONLY)
        await w.step(3)
        assert (await w.leases.get(waits.id)).state is LeaseState.ACQUIRED
        assert (await w.leases.get(late.id)).state is LeaseState.WAITING
