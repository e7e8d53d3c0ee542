"""Three processes, real HTTP between them: a bind ends well whichever is asked, or killed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from vmm_core.errors import VmmError
from vmm_core.model import Handover, Lease, MachineState, Session

from ...support.messages import expected, says
from ..service import SESSION, eventually
from .cluster import Cluster, Process, cluster_of
from .fleet import PORT, Fleet, fleet_of


async def bind(process: Process, lease: Lease, session: Session = SESSION) -> Handover:
    async with process.client() as vmm:
        return await vmm.bind(lease.id, session)


async def released(process: Process, lease: Lease) -> None:
    async with process.client() as vmm:
        await vmm.release(lease.id)


def home_of(cluster: Cluster, fleet: Fleet, lease: Lease) -> Process:
    """The process that the agent of the lease's machine is connected to."""
    assert lease.machine is not None
    return cluster.at(fleet.at[lease.machine.id])


async def test_any_process_binds_and_releases_what_is_connected_to_another(
    tmp_path: Path, url: str
):
    async with cluster_of(tmp_path, url, 3) as cluster:
        urls = [each.url for each in cluster.processes]
        async with fleet_of(cluster.site.state_file, urls) as fleet:
            await cluster.vacant(2)
            first, second, _ = cluster.processes
            lease = await cluster.acquired(first)
            home = home_of(cluster, fleet, lease)
            away = cluster.others(home.url)
            handover = await bind(away[0], lease)
            assert (handover.lease, handover.port) == (lease.id, PORT)
            assert (
                await asyncio.gather(*(bind(each, lease) for each in cluster.processes))
                == [handover] * 3
            )
            stages = [each.stage for each in await cluster.store.leases.events(lease.id)]
            assert stages.count("ready") == 1
            with pytest.raises(VmmError) as refused:
                await bind(home, lease, SESSION.model_copy(update={"port": 1}))
            row = expected("vmm-replicas", "another session asked at another replica")
            assert says(row.user, str(refused.value))
            await released(away[1], lease)
            assert (fleet.starts[lease.id], fleet.ends[lease.id]) == (1, 1)

            lease = await cluster.acquired(second, key="k2")
            answers = await asyncio.gather(*(bind(each, lease) for each in cluster.processes))
            assert len(set(answers)) == 1
            assert fleet.starts[lease.id] == 1


async def test_a_release_elsewhere_ends_a_bind_that_is_under_way(tmp_path: Path, postgresql):
    url = await postgresql.empty_database()
    async with cluster_of(tmp_path, url, 2, ready=1) as cluster:
        urls = [each.url for each in cluster.processes]
        async with fleet_of(cluster.site.state_file, urls) as fleet:
            await cluster.vacant(1)
            lease = await cluster.acquired(cluster.processes[0])
            home = home_of(cluster, fleet, lease)
            fleet.go.clear()
            binding = asyncio.create_task(bind(home, lease))
            await fleet.asked.wait()
            await released(cluster.others(home.url)[0], lease)
            with pytest.raises(VmmError) as ended:
                await binding
            row = expected("vmm-replicas", "released at another replica while it was bound")
            assert says(row.user, str(ended.value))
            assert (fleet.starts[lease.id], fleet.ends[lease.id]) == (1, 1)
            assert lease.machine is not None
            machine = lease.machine.id
            await eventually(
                lambda: cluster.store.machines.get(machine),
                lambda seen: seen.state in (MachineState.DELETING, MachineState.DELETED),
            )


@pytest.mark.parametrize("asked_of", ["the one that has the agent", "another one"])
async def test_kill_9_in_the_middle_of_a_bind_costs_nobody_a_session(
    tmp_path: Path, postgresql, asked_of: str
):
    url = await postgresql.empty_database()
    async with cluster_of(tmp_path, url, 3) as cluster:
        urls = [each.url for each in cluster.processes]
        async with fleet_of(cluster.site.state_file, urls) as fleet:
            await cluster.vacant(2)
            lease = await cluster.acquired(cluster.processes[0])
            home = home_of(cluster, fleet, lease)
            other, third = cluster.others(home.url)
            fleet.go.clear()
            asked = home if asked_of == "the one that has the agent" else other
            binding = asyncio.create_task(bind(asked, lease))
            await fleet.asked.wait()
            home.kill()
            handover = None
            with suppress(VmmError):
                fleet.go.set()
                handover = await binding
            assert (handover is None) == (asked is home)
            again = await bind(third, lease)
            assert handover in (None, again)
            assert again.port == PORT
            assert fleet.starts == {lease.id: 1}
            kept = await cluster.store.leases.get(lease.id)
            assert kept.machine is not None
            assert lease.machine is not None
            assert kept.machine.id == lease.machine.id
            assert kept.machine.state is MachineState.ACQUIRED
            await released(other, lease)
            assert fleet.ends == {lease.id: 1}
            # Nobody's vacant machine was lost with the process, either.
            states = {m.state for m in await cluster.store.machines.all(deleted=True)}
            assert MachineState.FAILED not in states
