"""The simulator does what the service does: the real manager and store answer the same trace.

The service steps at every moment at which something can happen, on its own simulated
cloud with the same boot time. Hits must be equal; each wait may differ by 3 s, because the
real manager needs a step to see what its cloud has done.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from random import Random

import pytest

from vmm_core.allocation.facts import BOOTING
from vmm_core.leases import Leases
from vmm_core.model import LeaseState, Needs, Pool, Size
from vmm_core.pools.manager import PoolManager
from vmm_core.pools.policy import Policy
from vmm_core.pools.sizer import Sizer
from vmm_core.pools.sizing import Floors
from vmm_core.simulate import one_pool
from vmm_core.simulate.policy import facts_of
from vmm_core.simulate.replay import Replay
from vmm_core.simulate.timeline import timelines
from vmm_core.simulate.trace import Request

from ..world import Clock, World, world

BOOT_S = 200.0
START = datetime(2026, 1, 5, 6, 50, tzinfo=UTC).timestamp()
LASTS_S = 4000.0
SCHEDULE = '{schedule: [{cron: "* 7 * * *", ready: 4}]}'
CATALOGUE = f"""
locations: [{{name: ral, title: RAL}}]
clouds: [{{name: sim, kind: simulated, location: ral, options: {{boot_s: {BOOT_S}}}}}]
environments: [{{name: muon, title: Muons}}, {{name: sans, title: SANS}}]
pools:
  - {{environment: muon, cloud: sim, size: small, ready: 1, maximum: 9, sizing: {SCHEDULE}}}
  - {{environment: sans, cloud: sim, size: large, ready: 2, maximum: 5}}
"""


def requests(seed: int, number: int) -> list[Request]:
    luck = Random(seed)
    found = [
        Request(
            at=START + 700 + round(luck.uniform(0, LASTS_S - 1200)),
            user=f"u{each}",
            group="",
            environment=luck.choice(["muon", "sans"]),
            cpus=0,
            ram_gb=0,
            gpus=0,
            duration_s=round(luck.lognormvariate(6, 1)),
        )
        for each in range(number)
    ]
    return sorted(found, key=lambda request: request.at)


async def served(w: World, asked: Sequence[Request]) -> dict[str, float | None]:
    """How long each user waited for the real service; None: for ever."""
    w.clock.at = datetime.fromtimestamp(START, UTC)
    left = list(asked)
    ends: dict[str, float] = {}
    leases: dict[str, Request] = {}
    waited: dict[str, float | None] = {}

    async def look() -> None:
        for lease in await w.store.leases.all():
            request = leases[lease.owner]
            if lease.state is LeaseState.ACQUIRED and lease.owner not in waited:
                waited[lease.owner] = w.clock.at.timestamp() - request.at
                ends[lease.id] = w.clock.at.timestamp() + request.duration_s

    marks = [START, START + 600, START + 4200]  # when the schedule begins and ends
    while True:
        booting = [m for m in await w.store.machines.all() if m.state in BOOTING]
        booted = [m.created_at.timestamp() + BOOT_S for m in booting]
        now = w.clock.at.timestamp()
        coming = [*(r.at for r in left[:1]), *ends.values(), *marks]
        following = [max(at, now) for at in coming] + [max(at, now + 0.5) for at in booted]
        if not following or min(following) >= START + LASTS_S:
            return waited
        w.clock.at = datetime.fromtimestamp(min(following), UTC)
        marks = [mark for mark in marks if mark > min(following)]
        for lease_id in [lease for lease, at in ends.items() if at <= min(following)]:
            del ends[lease_id]
            await w.store.leases.end(lease_id, "done", settled=True)
        while left and left[0].at <= min(following):
            request = left.pop(0)
            leases[request.user] = request
            needs = Needs(environment=request.environment)
            await w.acquire(owner=request.user, key="k", needs=needs)
            await look()
        await w.step(3, turn_s=0.1)
        await look()


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_simulator_agrees_with_the_service(tmp_path: Path, seed: int) -> None:
    asked = requests(seed, 30)
    policy = Policy(booting_per_cloud=5, booting_for_people=1)
    async with world(tmp_path, CATALOGUE, policy=policy, clock=Clock()) as w:
        w.manager = PoolManager(
            w.store, w.inventory, w.agents, policy=policy, floors=Sizer(w.store, w.inventory)
        )
        w.leases = Leases(w.store, w.inventory, w.agents, wake=w.manager.wake)
        real = await served(w, asked)
        facts = w.inventory.facts()
    first = Request(START, "nobody", "", "none", 0, 0, 0, 0)  # the pools begin with it
    replay = Replay(facts, Floors(), lambda pool: BOOT_S, policy=policy)
    told = replay.run([first, *asked], since=START + 1, end=START + LASTS_S)
    hits = sum(each.hits for each in told.pools.values())
    waits = sorted(wait for each in told.pools.values() for wait in each.waits_s)
    theirs = sorted(wait for wait in real.values() if wait is not None)
    assert sum(wait < 1 for wait in theirs) == hits
    assert 0 < hits < len(asked)
    assert [wait for wait in theirs if wait >= 1] == pytest.approx(waits, abs=3)
    assert sum(each.requests for each in told.pools.values()) == len(asked)


@pytest.mark.parametrize("seed", range(4))
def test_one_pool_alone_does_what_the_replay_does(seed: int) -> None:
    pool = Pool.model_validate(
        {
            "environment": "muon",
            "cloud": "sim",
            "size": "s",
            "ready": 2,
            "maximum": 6,
            "sizing": {"schedule": [{"cron": "20-39 * * * *", "ready": 4}]},
        }
    )
    asked = [r for r in requests(seed, 60) if r.environment == "muon"]
    policy = Policy(booting_per_cloud=100, wait_limit_s=500)
    replay = Replay(
        [facts_of(pool, Size(name="s", cpus=1, ram_gb=1))],
        Floors(),
        lambda name: BOOT_S,
        policy=policy,
    )
    end = START + LASTS_S
    (told,) = replay.run(asked, since=START + 1000, end=end).pools.values()
    begin = asked[0].at // 3600 * 3600
    alone = one_pool.run(
        [(request.at, request.duration_s) for request in asked],
        timelines([[pool]], Floors(), {}, begin, end)[0][pool.name],
        repeat(BOOT_S),
        maximum=6,
        end=end,
        since=START + 1000,
        wait_limit_s=500,
    )
    assert (told.requests, told.hits, told.refused) == (alone.requests, alone.hits, alone.refused)
    assert told.waits_s == pytest.approx(alone.waits_s)
    for name in ("vacant_s", "booting_s", "leased_s"):
        assert getattr(told, name) == pytest.approx(getattr(alone, name))
