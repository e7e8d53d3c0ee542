"""Two clouds, one in trouble: who waits is served by the other, and reads why."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import pytest

from vmm_core.errors import Impossible
from vmm_core.model import LeaseState, MachineState, Needs
from vmm_core.pools.policy import Policy

from ..support.messages import expected, says
from .ledgers import OPERATOR
from .world import MANTID, World, world

CATALOGUE = """
locations:
  - {name: dls, title: Diamond}
  - {name: ral, title: Rutherford}
clouds:
  - {name: dls-sim, kind: simulated, location: dls}
  - {name: ral-sim, kind: simulated, location: ral}
environments:
  - {name: mantid, title: Mantid}
pools:
  - {environment: mantid, cloud: dls-sim, size: small, ready: 0, maximum: 2}
  - {environment: mantid, cloud: ral-sim, size: small, ready: 0, maximum: 2}
"""
DLS, RAL = "mantid@dls-sim/small", "mantid@ral-sim/small"
AT_DLS = Needs(environment="mantid", locations=("dls",))
SECRETS = ("simulated", "vmm-", "-sim", "http")


async def hold(w: World, pool: str = DLS) -> str:
    return next(each.hold for each in await w.manager.status() if each.name == pool)


async def reason(w: World) -> str:
    return next(o.reason for o in await w.leases.offers() if o.location.name == "dls")


@pytest.mark.parametrize(
    ("situation", "fault"),
    [
        ("gone", "unreachable"),
        ("gone: its list", "list-unreachable"),
        ("slow", "list-frozen"),
        ("slow: throttled", "throttled"),
        ("full: quota", "quota"),
        ("full: capacity", "no-capacity"),
        ("wrong credentials", "refused"),
        ("machines do not start", "boot-fails"),
    ],
)
async def test_a_place_in_trouble_says_so_to_users_and_operators(
    tmp_path: Path, situation: str, fault, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    row = expected("allocation", situation)
    policy = Policy(list_deadline_s=0.05, backoff_first_s=60)
    async with world(tmp_path, CATALOGUE, policy=policy) as w:
        w.clouds["dls-sim"].inject(fault, times=1000)
        lease = await w.acquire()
        for _ in range(6):  # a machine that fails is noticed and deleted first
            await w.step()
            if says(row.user, await reason(w)):
                break
        offered = {o.location.name: o for o in await w.leases.offers()}
        assert says(row.user, offered["dls"].reason)
        assert not any(word in offered["dls"].reason for word in SECRETS)
        assert offered["dls"].available == (fault != "refused")
        assert says(row.operator, await hold(w))
        assert "simulated fault" in caplog.text or "in time" in caplog.text
        await w.step(4)
        lease = await w.leases.get(lease.id)
        assert lease.machine is not None, "the other cloud serves meanwhile"
        assert lease.machine.location == "ral"
        assert not any(word in lease.explanation.elsewhere for word in SECRETS)


async def test_a_frozen_cloud_keeps_nobody_else_waiting(tmp_path: Path):
    policy = Policy(list_deadline_s=0.5, slow_s=0.1)
    async with world(tmp_path, CATALOGUE, policy=policy) as w:
        w.clouds["dls-sim"].inject("list-frozen", times=1000)
        await w.step()
        began = time.monotonic()
        await w.acquire()
        await w.step(3)
        assert (await w.leases.list("alice"))[0].state is LeaseState.ACQUIRED
        assert time.monotonic() - began < 3 * 0.5
        await w.manager.stop_asking()


async def test_a_slow_cloud_that_recovers_is_listed_again(tmp_path: Path):
    policy = Policy(list_deadline_s=0.2, slow_s=0.1, interval_s=0.05)
    async with world(tmp_path, CATALOGUE, policy=policy) as w:
        w.clouds["dls-sim"].inject("list-frozen", times=2)
        await w.step()
        assert await reason(w) == "Diamond does not answer now"
        async with asyncio.timeout(20):
            while await reason(w):
                await asyncio.sleep(0.02)
                await w.manager.step()
        await w.acquire(needs=AT_DLS)
        await w.step(3)
        assert (await w.leases.list("alice"))[0].state is LeaseState.ACQUIRED


async def test_a_machine_on_its_way_at_a_cloud_that_went_away_is_not_waited_for(tmp_path: Path):
    async with world(tmp_path, CATALOGUE) as w:
        w.clouds["dls-sim"].inject("never-boots")
        lease = await w.acquire()
        await w.step()
        assert await w.by_state(DLS) == {MachineState.BUILDING: 1}
        w.clouds["dls-sim"].inject("list-unreachable", times=1000)
        await w.step(3)
        lease = await w.leases.get(lease.id)
        assert lease.machine is not None
        assert lease.machine.location == "ral"


async def test_who_waits_is_told_when_trouble_comes_and_goes(tmp_path: Path):
    row = expected("allocation", "a request that only this place can serve")
    async with world(tmp_path, CATALOGUE) as w:
        w.clouds["dls-sim"].inject("quota")
        lease = await w.acquire(needs=AT_DLS)
        await w.step(2)
        told = await w.leases.get(lease.id)
        assert says(row.user, told.explanation.summary)
        assert says(row.operator, await hold(w))
        await w.step(4)
        assert [
            e.message for e in await w.store.leases.events(lease.id) if e.stage == "waiting"
        ] == [
            "no machine is free now, one is started at Diamond as soon as there is room",
            row.user,
        ], "told once, not at every step"
        w.clock.turn(61)
        await w.step(3)
        assert (await w.leases.get(lease.id)).state is LeaseState.ACQUIRED


async def test_another_place_serves_meanwhile(tmp_path: Path):
    row = expected("allocation", "a request that another place serves meanwhile")
    async with world(tmp_path, CATALOGUE) as w:
        w.clouds["dls-sim"].inject("quota")
        first = await w.acquire("bob", needs=AT_DLS)
        await w.step(2)
        await w.leases.release(first.id)
        lease = await w.acquire()
        assert says(row.user, lease.explanation.summary)
        assert says(row.operator, await hold(w))
        await w.step(3)
        lease = await w.leases.get(lease.id)
        assert lease.machine is not None
        assert lease.machine.location == "ral"


async def test_a_pool_at_its_maximum_is_full(tmp_path: Path):
    row = expected("allocation", "full: the pool's maximum")
    async with world(tmp_path, CATALOGUE) as w:
        for owner in ("bob", "carol", "dave"):
            await w.acquire(owner, needs=AT_DLS)
        await w.step(4)
        assert says(row.user, await reason(w))
        assert says(row.operator, await hold(w))


async def test_what_cannot_be_until_an_operator_acts_is_refused_at_once(tmp_path: Path):
    row = expected("allocation", "a request that nothing can serve until an operator acts")
    async with world(tmp_path, CATALOGUE) as w:
        w.clouds["dls-sim"].inject("refused")
        waits = await w.acquire("bob", needs=AT_DLS)
        await w.step(2)
        with pytest.raises(Impossible) as told:
            await w.acquire(needs=AT_DLS)
        assert says(row.user, str(told.value))
        assert says(row.operator, await hold(w))
        waits = await w.leases.get(waits.id)
        assert waits.state is LeaseState.WAITING
        told_waiting = expected("allocation", "a request that waited when that came").user
        assert says(told_waiting, waits.explanation.summary)
        await w.manager.hands.resume(DLS, OPERATOR)
        await w.step(3)
        assert (await w.leases.get(waits.id)).state is LeaseState.ACQUIRED


async def test_a_place_that_never_answered_is_not_said_to_have_nothing(tmp_path: Path):
    row = expected("allocation", "gone: since the service started")
    shown = expected("allocation", "gone: since the service started, where offers are shown")
    before = expected("allocation", "gone: since the service started, to one who waited before")
    async with world(tmp_path, CATALOGUE) as w:
        waits = await w.acquire("bob", needs=AT_DLS)
    async with world(tmp_path, CATALOGUE, silent={"dls-sim": 8}) as w:
        await w.step()
        with pytest.raises(Impossible) as told:
            await w.acquire(needs=AT_DLS)
        assert says(row.user, str(told.value))
        assert says(row.operator, await hold(w))
        waits = await w.leases.get(waits.id)
        assert says(before.user, waits.explanation.summary)

        other, silent = await w.leases.offers(MANTID)
        assert (other.location.name, other.available) == ("ral", True)
        assert (silent.location.name, silent.available, silent.free) == ("dls", False, 0)
        assert silent.size is None, "only the cloud can tell it"
        assert says(shown.user, silent.reason)
        assert await w.leases.offers(Needs(cpus=640)) == [silent], "it may have that"
        assert await w.leases.offers(Needs(locations=("ral",))) == [other]

        await w.acquire(needs=MANTID)
        await w.step(3)
        assert (await w.leases.list("alice"))[0].state is LeaseState.ACQUIRED
        await w.step(8)
        assert (await w.leases.get(waits.id)).state is LeaseState.ACQUIRED
        assert all(offer.size for offer in await w.leases.offers())


async def test_a_place_that_refuses_us_since_the_start_is_said_to_be_out_of_order(tmp_path: Path):
    row = expected("allocation", "wrong credentials: since the service started")
    shown = expected(
        "allocation", "wrong credentials: since the service started, where offers are shown"
    )
    before = expected(
        "allocation", "wrong credentials: since the service started, to one who waited before"
    )
    served = expected(
        "allocation", "wrong credentials: since the service started, to one who is served elsewhere"
    )
    async with world(tmp_path, CATALOGUE) as w:
        waits = await w.acquire("bob", needs=AT_DLS)
    async with world(tmp_path, CATALOGUE, silent={"dls-sim": 5}, silence="sizes-refused") as w:
        await w.step()
        with pytest.raises(Impossible) as told:
            await w.acquire(needs=AT_DLS)
        assert says(row.user, str(told.value))
        assert says(row.operator, await hold(w))
        assert says(before.user, (await w.leases.get(waits.id)).explanation.summary)
        assert says(shown.user, await reason(w))

        await w.acquire("carol", needs=Needs(environment="mantid", prefer=("dls",)))
        await w.step(3)
        (lease,) = await w.leases.list("carol")
        assert says(served.user, lease.explanation.summary)

        w.clouds["dls-sim"].inject("sizes-unreachable")
        await w.step()
        assert await reason(w) == "Diamond does not answer now", "as it is now, not as it was"
        await w.step(4)
        assert (await w.leases.get(waits.id)).state is LeaseState.ACQUIRED


async def test_the_events_say_why_it_runs_elsewhere(tmp_path: Path):
    async with world(tmp_path, CATALOGUE) as w:
        w.clouds["dls-sim"].inject("quota")
        lease = await w.acquire(needs=Needs(environment="mantid", prefer=("dls",)))
        await w.step(4)
        lease = await w.leases.get(lease.id)
        assert lease.machine is not None
        assert lease.explanation.elsewhere == "Diamond is full now"
        assert lease.explanation.summary == (
            f"Diamond is full now, so you have machine {lease.machine.id} "
            "with 2 CPUs, 8 GiB at Rutherford"
        )
        claimed = [e for e in await w.store.leases.events(lease.id) if e.stage == "claimed"]
        assert claimed[0].message == f"Diamond is full now: got {lease.machine.id} at ral"


async def test_data_moves_a_request_and_a_required_place_does_not_yield(tmp_path: Path):
    text = CATALOGUE.replace("ready: 0", "ready: 1")
    async with world(tmp_path, text) as w:
        await w.step(2)
        near = await w.acquire("alice", needs=Needs(environment="mantid", near=("ral=0.9",)))
        assert near.machine is not None
        assert near.machine.location == "ral"
        assert near.explanation.summary.endswith("at Rutherford, where 90% of the data is")
        second = await w.acquire("bob", needs=Needs(environment="mantid", near=("ral",)))
        assert second.machine is not None
        assert second.machine.location == "dls"
        assert second.explanation.elsewhere == (
            "the data is at Rutherford, but Rutherford has none free now"
        )
        third = await w.acquire("carol", needs=Needs(environment="mantid", locations=("dls",)))
        assert third.state is LeaseState.WAITING
