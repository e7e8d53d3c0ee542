"""Who works the pool is killed, frozen or stopped: another process goes on, nothing is doubled."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from vmm_core.model import MachineState
from vmm_core.replicas.membership import GONE_S

from ..agents import WAIT_S
from ..service import eventually
from .cluster import Cluster, Process, cluster_of
from .fleet import Fleet, fleet_of

READY, MAXIMUM = 2, 3
PATIENCE_S = 4 * WAIT_S


async def settled(cluster: Cluster, fleet: Fleet, leased: int) -> None:
    """Return when there is what there should be, at the cloud and in the ledger."""
    want = leased + min(READY, MAXIMUM - leased)

    async def look() -> tuple[set[str], dict[str, MachineState]]:
        rows = await cluster.store.machines.all()
        return set(fleet.machines()), {machine.id: machine.state for machine in rows}

    def good(seen: tuple[set[str], dict[str, MachineState]]) -> bool:
        there, known = seen
        states = sorted(known.values())
        return (
            there == set(known)
            and len(there) == want
            and states.count(MachineState.VACANT) == want - leased
            and states.count(MachineState.ACQUIRED) == leased
        )

    await eventually(look, good, PATIENCE_S)


async def test_kill_9_of_the_holder_costs_a_pool_seconds_and_no_machine(tmp_path: Path, postgresql):
    url = await postgresql.empty_database()
    async with cluster_of(tmp_path, url, 3, ready=READY, maximum=MAXIMUM) as cluster:
        urls = [each.url for each in cluster.processes]
        async with fleet_of(cluster.site.state_file, urls) as fleet:
            before = {machine.id for machine in await cluster.vacant(READY)}
            holder = await cluster.holder()
            holder.kill()
            killed_at = time.monotonic()
            lease = await cluster.acquired(cluster.others(holder.url)[0])
            assert lease.machine is not None
            assert lease.machine.id in before
            after = {machine.id for machine in await cluster.vacant(READY, PATIENCE_S)}
            took_s = time.monotonic() - killed_at
            assert after > before - {lease.machine.id}  # the other one was not lost, one is new
            assert (await cluster.holder()).url != holder.url
            assert len(await cluster.replicas()) == 2
            assert took_s < 5 * GONE_S
            await settled(cluster, fleet, 1)
            assert fleet.most == MAXIMUM


async def test_an_orderly_stop_hands_over_at_once(tmp_path: Path, postgresql):
    url = await postgresql.empty_database()
    async with cluster_of(tmp_path, url, 2, ready=READY, maximum=MAXIMUM) as cluster:
        urls = [each.url for each in cluster.processes]
        async with fleet_of(cluster.site.state_file, urls) as fleet:
            before = await cluster.vacant(READY)
            holder = await cluster.holder()
            (other,) = cluster.others(holder.url)
            assert await holder.stop() == 0
            stopped_at = time.monotonic()
            assert len(await cluster.replicas()) == 1
            assert {machine.id for machine in await cluster.vacant(READY)} == {
                machine.id for machine in before
            }
            assert time.monotonic() - stopped_at < GONE_S
            assert (await cluster.holder()).url == other.url
            assert set(fleet.at.values()) == {other.url}


async def test_kill_9_of_all_and_a_new_start_loses_nothing(tmp_path: Path, postgresql):
    url = await postgresql.empty_database()
    async with cluster_of(tmp_path, url, 2, ready=READY, maximum=MAXIMUM) as cluster:
        urls = [each.url for each in cluster.processes]
        async with fleet_of(cluster.site.state_file, urls) as fleet:
            await cluster.vacant(READY)
            lease = await cluster.acquired(cluster.processes[0])
            await settled(cluster, fleet, 1)
            before = set(fleet.machines())
            for each in cluster.processes:
                each.kill()
            await asyncio.gather(*(each.start(urls[0]) for each in cluster.processes))
            assert (await cluster.acquired(cluster.processes[1])).id == lease.id
            await settled(cluster, fleet, 1)
            assert set(fleet.machines()) == before
            assert fleet.most == MAXIMUM


async def frozen_for_longer_than_its_lock(cluster: Cluster, holder: Process) -> None:
    """Freeze the holder, let another take its pools over, and let it go on."""
    holder.freeze()
    try:
        await eventually(cluster.holder, lambda now: now is not holder, PATIENCE_S)
    finally:
        holder.thaw()


@pytest.mark.timeout(300)
async def test_a_holder_that_was_frozen_doubles_nothing_when_it_goes_on(tmp_path: Path, postgresql):
    url = await postgresql.empty_database()
    async with cluster_of(tmp_path, url, 2, ready=READY, maximum=MAXIMUM) as cluster:
        urls = [each.url for each in cluster.processes]
        async with fleet_of(cluster.site.state_file, urls) as fleet:
            await cluster.vacant(READY)
            for number, pause_s in enumerate((0.0, 0.03)):
                holder = await cluster.holder()
                (other,) = cluster.others(holder.url)
                await cluster.acquired(holder, key=f"k{number}")  # wakes it: there is to be made
                await asyncio.sleep(pause_s)
                await frozen_for_longer_than_its_lock(cluster, holder)
                await settled(cluster, fleet, number + 1)
                assert fleet.most <= MAXIMUM
                await eventually(cluster.replicas, lambda seen: len(seen) == 2)
                async with other.client("alice") as vmm:
                    await vmm.environments()
                async with holder.client("alice") as vmm:
                    await vmm.environments()
            states = {m.state for m in await cluster.store.machines.all(deleted=True)}
            assert MachineState.FAILED not in states
