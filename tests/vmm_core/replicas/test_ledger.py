"""What the ledger knows of replicas, on both databases: who is gone, who has which agent."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from vmm_core.errors import Unavailable
from vmm_core.model import Machine, MachineState, Size
from vmm_core.replicas.membership import GONE_S, Membership
from vmm_core.store import Store
from vmm_core.store.queries import machines, pools
from vmm_core.store.records import Fence

from ...support.messages import expected, says
from ..world import Clock

POOL = "mantid@sim/small"


def machine(clock: Clock, name: str = "m1") -> Machine:
    now = clock()
    return Machine(
        id=name,
        pool=POOL,
        cloud="sim",
        location="ral",
        environment="mantid",
        size=Size(name="small", cpus=1, ram_gb=1),
        state=MachineState.REQUESTED,
        fingerprint="f",
        created_at=now,
        changed_at=now,
    )


async def join(store: Store, *names: str) -> None:
    for name in names:
        await store.replicas.join(name, f"http://{name}", gone_s=GONE_S)


async def test_a_replica_that_is_not_seen_loses_its_agents_and_pools(store: Store, clock: Clock):
    await join(store, "a", "b")
    await store.machines.add(machine(clock), enrolment_sha256="x")
    assert await store.agents.connected("m1", "a", root="/", isolation="")
    assert await store.pools.lock([POOL], "a", 1000) == {POOL}
    assert await store.pools.lock([POOL], "b", 1000) == set()
    clock.turn(GONE_S / 2)
    assert (await store.replicas.beat("b", "http://b", gone_s=GONE_S)).buried == ()
    clock.turn(900)  # however long nobody looked, its agents get their time to come back
    gone_at = clock.at - timedelta(seconds=GONE_S)
    beat = await store.replicas.beat("b", "http://b", gone_s=GONE_S)
    assert (beat.known, beat.others, beat.buried) == (True, 0, ("a",))
    lost = await store.machines.get("m1")
    assert lost.replica is None
    assert lost.agent_lost_at is not None
    assert lost.agent_lost_at >= gone_at
    assert await store.pools.lock([POOL], "b", 1000) == {POOL}


async def test_a_replica_that_was_thought_gone_joins_again(store: Store, clock: Clock):
    await join(store, "a", "b")
    await store.machines.add(machine(clock), enrolment_sha256="x")
    clock.turn(GONE_S + 1)
    await store.replicas.beat("b", "http://b", gone_s=GONE_S)
    assert not await store.agents.connected("m1", "a", root="/", isolation="")
    beat = await store.replicas.beat("a", "http://a", gone_s=GONE_S)
    assert not beat.known
    assert {replica.id for replica in await store.replicas.all()} == {"a", "b"}
    assert await store.agents.take({"m1"}, "a") == {"m1"}
    assert await store.agents.take({"m1"}, "b") == set()


async def test_one_that_leaves_frees_all_at_once_and_nothing_of_the_others(
    store: Store, clock: Clock
):
    await join(store, "a", "b")
    for name in ("m1", "m2"):
        await store.machines.add(machine(clock, name), enrolment_sha256=name)
    assert await store.agents.connected("m1", "a", root="/", isolation="")
    assert await store.agents.connected("m2", "b", root="/", isolation="")
    await store.pools.lock([POOL], "a", 1000)
    await store.replicas.leave("a")
    assert await store.pools.lock([POOL], "b", 1000) == {POOL}
    assert (await store.machines.get("m1")).replica is None
    assert (await store.machines.get("m2")).replica == "b"
    found = await store.replicas.of_machine("m2")
    assert found is not None
    assert found.url == "http://b"


async def test_machines_of_a_replica_without_a_row_are_found(store: Store, clock: Clock):
    await join(store, "a")
    await store.machines.add(machine(clock), enrolment_sha256="x")
    assert await store.agents.connected("m1", "a", root="/", isolation="")
    async with store.transactions.write() as tx:
        await tx.connection.exec_driver_sql("DELETE FROM replicas")
    await join(store, "b")
    assert (await store.machines.get("m1")).agent_lost_at is not None


async def test_what_a_manager_wrote_that_lost_its_pool_is_not_written(store: Store, clock: Clock):
    await join(store, "a", "b")
    await store.pools.lock([POOL], "a", 10)
    mine, theirs = Fence(POOL, "a"), Fence(POOL, "b")
    assert await store.machines.add(machine(clock), enrolment_sha256="x", fence=mine)
    clock.turn(11)  # the lock ran out, and nobody took the pool yet
    assert await store.machines.add(machine(clock, "m2"), enrolment_sha256="y", fence=mine)
    assert await store.pools.lock([POOL], "b", 10) == {POOL}
    assert not await store.machines.add(machine(clock, "m3"), enrolment_sha256="z", fence=mine)
    moves = {"to": MachineState.DELETING, "reason": "too many"}
    assert not await store.machines.move("m1", fence=mine, **moves)
    assert await store.machines.move("m1", fence=theirs, **moves)
    assert {each.id for each in await store.machines.all()} == {"m1", "m2"}


async def test_a_pool_is_not_taken_over_while_its_holder_writes(url: str, clock: Clock):
    """The fence holds until the commit: who takes the pool over sees what was written."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    store, other = Store(url, clock=clock), Store(url, clock=clock)
    await store.open()
    await other.open()
    try:
        await store.pools.lock([POOL], "a", 0)

        async def write() -> None:
            async with store.transactions.write() as tx:
                assert await pools.holds(tx, Fence(POOL, "a"))
                begun.set()
                await go_on.wait()
                await machines.add(tx, machine(clock), "x")

        writing = asyncio.create_task(write())
        await begun.wait()
        clock.turn(1)
        taking = asyncio.create_task(other.pools.lock([POOL], "b", 10))
        done, _ = await asyncio.wait({taking}, timeout=0.2)
        assert not done
        go_on.set()
        await writing
        assert await taking == {POOL}
        assert [each.id for each in await other.machines.all()] == ["m1"]
    finally:
        await store.close()
        await other.close()


async def test_a_host_whose_clock_is_wrong_does_not_join(postgresql):
    url = await postgresql.empty_database()
    store = Store(url, clock=lambda: Clock().at + timedelta(days=1))
    await store.open()

    async def nothing() -> None:
        pass

    member = Membership(store, "a", "http://a", on_return=nothing, on_gone=lambda: None)
    try:
        with pytest.raises(Unavailable) as refused:
            await member.join()
        assert says(expected("vmm-replicas", "wrong clock").operator, str(refused.value))
        assert await store.replicas.all() == []
    finally:
        await store.close()
