from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm_core.allocation.explain import decide
from vmm_core.allocation.facts import BOOTING, PoolFacts
from vmm_core.clouds.base import Limits
from vmm_core.model import Environment, Location, Needs, Pool, Size
from vmm_core.model import MachineState as S
from vmm_core.pools.plan import Pause, PoolPlan, Snapshot, Wanted, plan
from vmm_core.pools.policy import Policy
from vmm_core.store.records import MachineRow

ANY = Wanted(Needs())
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICY = Policy(booting_per_cloud=4, boot_deadline_s=600)
SIZES = {
    "small": Size(name="small", cpus=2, ram_gb=8),
    "large": Size(name="large", cpus=8, ram_gb=32),
}


def facts(
    environment: str = "mantid",
    cloud: str = "ral",
    *,
    size: str = "small",
    ready: int = 1,
    maximum: int = 10,
    paused: bool = False,
    unavailable: str = "",
    **others,
) -> PoolFacts:
    return PoolFacts(
        pool=Pool(
            environment=environment,
            cloud=cloud,
            size=size,
            ready=ready,
            maximum=maximum,
            paused=paused,
            **others,
        ),
        environment=Environment(name=environment, title=environment),
        location=Location(name=cloud, title=cloud),
        size=SIZES[size],
        fingerprint="now",
        unavailable=unavailable,
    )


def machine(
    pool: PoolFacts,
    number: int,
    state: S = S.VACANT,
    *,
    fingerprint: str = "now",
    age_s: float = 60,
    **others,
) -> MachineRow:
    return MachineRow(
        id=f"{pool.name}-{number}",
        pool=pool.name,
        cloud=pool.pool.cloud,
        size=pool.size,
        state=state,
        fingerprint=fingerprint,
        created_at=NOW - timedelta(seconds=age_s),
        **{"changed_at": NOW, **others},
    )


def planned(
    pool: PoolFacts, *states: S, waiting: int = 0, fingerprint: str = "now", **others
) -> PoolPlan:
    """The plan of one pool with machines in these states."""
    machines = [machine(pool, n, state, fingerprint=fingerprint) for n, state in enumerate(states)]
    snapshot = Snapshot(now=NOW, pools=[pool], machines=machines, waiting=[ANY] * waiting, **others)
    return plan(snapshot, POLICY)[pool.name]


def test_an_empty_pool_is_filled_to_its_floor():
    assert planned(facts(ready=3)).create == 3


def test_machines_on_their_way_count_and_those_on_their_way_out_do_not():
    assert planned(facts(ready=2), S.VACANT, S.BUILDING).create == 0
    assert planned(facts(ready=2), S.REQUESTED, S.DELETING).create == 1
    assert planned(facts(ready=2), S.ACQUIRED, S.ACQUIRED).create == 2
    assert planned(facts(ready=2), S.FAILED, S.HELD).create == 2


def test_the_maximum_counts_every_machine_that_uses_something():
    full = planned(facts(ready=2, maximum=3), S.ACQUIRED, S.DELETING, S.VACANT)
    assert full.create == 0
    assert "maximum of 3" in full.hold


def test_people_who_wait_come_beside_the_floor():
    assert planned(facts(ready=1), S.VACANT, waiting=0).create == 0
    assert planned(facts(ready=1), waiting=2).create == 3
    assert planned(facts(ready=0), waiting=1).create == 1
    assert planned(facts(ready=1), S.BUILDING, waiting=1).create == 1


def test_people_come_before_refills_of_other_pools_when_creates_are_bounded():
    busy, asked = facts("mantid", ready=4), facts("tomo", ready=0)
    snapshot = Snapshot(
        now=NOW,
        pools=[busy, asked],
        machines=[],
        waiting=[Wanted(Needs(environment="tomo"))] * 3,
    )
    plans = plan(snapshot, POLICY)
    assert (plans[asked.name].create, plans[busy.name].create) == (3, 1)
    assert "booting at ral" in plans[busy.name].hold


def test_refills_that_boot_do_not_keep_people_waiting():
    """A refill takes minutes: some places at a cloud are people's only."""
    busy, asked = facts("mantid", ready=9), facts("tomo", ready=0)
    booting = [machine(busy, n, S.BUILDING) for n in range(POLICY.booting_per_cloud)]
    wants = [Wanted(Needs(environment="tomo"))] * 3
    plans = plan(Snapshot(now=NOW, pools=[busy, asked], machines=booting, waiting=wants), POLICY)
    assert (plans[asked.name].create, plans[busy.name].create) == (POLICY.booting_for_people, 0)


def test_of_two_pools_that_lack_machines_the_one_of_higher_priority_grows_first():
    low, high = facts("mantid", ready=3), facts("tomo", ready=3, priority=1)
    plans = plan(Snapshot(now=NOW, pools=[low, high], machines=[]), POLICY)
    assert (plans[low.name].create, plans[high.name].create) == (1, 3)


def test_floors_and_bookings_say_how_many_and_the_catalogue_if_they_do_not():
    pool = facts(ready=1, maximum=6)
    assert planned(pool, floors={pool.name: 3}).create == 3
    assert planned(pool, booked={pool.name: 2}).create == 3
    assert planned(pool, S.VACANT, S.VACANT, booked={pool.name: 1}).rests
    assert planned(pool, S.VACANT, floors={pool.name: 0}).remove[0].why == "the pool has enough"
    assert planned(pool, floors={pool.name: 99}).floor == 6


def test_those_who_wait_are_sent_to_the_next_pool_when_the_best_is_full():
    near, far = facts(cloud="ral", ready=0, maximum=1), facts(cloud="dls", ready=0)
    machines = [machine(near, 0, S.ACQUIRED)]
    plans = plan(Snapshot(now=NOW, pools=[near, far], machines=machines, waiting=[ANY]), POLICY)
    assert (plans[near.name].create, plans[far.name].create) == (0, 1)


def test_a_pool_that_backs_off_creates_nothing_until_then_and_others_serve():
    near, far = facts(cloud="ral"), facts(cloud="dls", ready=0)
    until = NOW + timedelta(seconds=30)
    snapshot = Snapshot(
        now=NOW,
        pools=[near, far],
        machines=[],
        waiting=[ANY],
        pauses={near.name: Pause("over quota", until)},
    )
    plans = plan(snapshot, POLICY)
    assert plans[near.name] == PoolPlan(near.name, floor=1, hold="over quota", until=until)
    assert plans[far.name].create == 1


def test_a_backoff_that_is_over_holds_nothing():
    pool = facts()
    assert planned(pool, pauses={pool.name: Pause("x", NOW - timedelta(seconds=1))}).create == 1
    assert planned(pool, pauses={pool.name: Pause("x", None, True)}).hold == "x"


def test_paused_and_unavailable_pools_create_nothing_and_keep_what_they_have():
    for pool in (facts(paused=True, ready=2), facts(unavailable="no GPU", ready=2)):
        result = planned(pool, S.VACANT)
        assert result.create == 0
        assert result.remove == ()
        assert result.hold in ("paused in the catalogue", "no GPU")


def test_failed_and_overdue_machines_go():
    pool = facts(ready=0)
    machines = [
        machine(pool, 0, S.FAILED),
        machine(pool, 1, S.BUILDING, age_s=601),
        machine(pool, 2, S.BUILDING, age_s=599),
        machine(pool, 3, S.HELD, age_s=9999),
        machine(pool, 4, S.ACQUIRED, age_s=9999),
    ]
    result = plan(Snapshot(now=NOW, pools=[pool], machines=machines), POLICY)[pool.name]
    assert [(r.machine[-1], r.failure) for r in result.remove] == [("0", False), ("1", True)]


def test_surplus_goes_oldest_first():
    pool = facts(ready=1)
    machines = [machine(pool, n, age_s=100 - n) for n in range(3)]
    result = plan(Snapshot(now=NOW, pools=[pool], machines=machines), POLICY)[pool.name]
    assert [r.machine for r in result.remove] == [machines[0].id, machines[1].id]


def test_a_pool_that_left_the_catalogue_closes_and_its_users_stay():
    pool = facts()
    machines = [machine(pool, n, state) for n, state in enumerate(S) if state is not S.DELETED]
    result = plan(Snapshot(now=NOW, pools=[], machines=machines), POLICY)[pool.name]
    assert {r.state for r in result.remove} == {S.VACANT, S.SUSPENDED, S.FAILED, *BOOTING}


@pytest.mark.parametrize(
    ("limits", "create"),
    [
        (Limits(), 3),
        (Limits(machines=2), 1),
        (Limits(cpus=5), 1),
        (Limits(ram_gb=16), 1),
        (Limits(machines=0), 0),
    ],
)
def test_a_clouds_ceilings_are_kept(limits: Limits, create: int):
    assert planned(facts(ready=3), S.ACQUIRED, limits={"ral": limits}).create == create


states = st.sampled_from([state for state in S if state is not S.DELETED])


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    pools = draw(
        st.lists(
            st.builds(
                facts,
                environment=st.sampled_from(["mantid", "tomo"]),
                cloud=st.sampled_from(["ral", "dls"]),
                size=st.sampled_from(list(SIZES)),
                ready=st.integers(0, 4),
                maximum=st.integers(0, 6),
                paused=st.booleans(),
                standby=st.integers(0, 2),
                replace=st.sampled_from(["as-used", "at-once"]),
                keep_failed=st.integers(0, 2),
                max_ready_h=st.sampled_from([None, 10.0]),
                priority=st.integers(0, 1),
            ),
            unique_by=lambda f: f.name,
            max_size=4,
        )
    )
    gone = facts("gone")
    machines = [
        machine(
            pool,
            number,
            draw(states),
            fingerprint=draw(st.sampled_from(["now", "before"])),
            cloud_id=f"c-{pool.name}-{number}",
            kept=draw(st.booleans()),
            vacant_at=draw(st.sampled_from([None, NOW, NOW - timedelta(hours=9)])),
        )
        for pool in [*pools, gone]
        for number in range(draw(st.integers(0, 6)))
    ]
    wanted = st.builds(
        Needs,
        environment=st.sampled_from([None, "mantid", "tomo"]),
        cpus=st.sampled_from([0, 4]),
    )
    return Snapshot(
        now=NOW,
        pools=pools,
        machines=machines,
        waiting=draw(st.lists(st.builds(Wanted, wanted), max_size=6)),
        limits={"ral": Limits(machines=draw(st.sampled_from([None, 3, 8])))},
        suspends=draw(st.sampled_from([(), ("ral",), ("ral", "dls")])),
        draining=draw(st.sampled_from([{}, {}, {"dls": "cloud dls is drained"}])),
    )


@given(snapshots())
def test_no_plan_breaks_a_bound_or_touches_a_user(snapshot: Snapshot):
    plans = plan(snapshot, POLICY)
    by_id = {m.id: m for m in snapshot.machines}
    coming: Counter[str] = Counter()
    created: Counter[str] = Counter()
    for pool in snapshot.pools:
        mine = [m for m in snapshot.machines if m.pool == pool.name]
        each = plans[pool.name]
        coming[pool.pool.cloud] += each.create + len(each.resume)
        created[pool.pool.cloud] += each.create
        drained = pool.pool.cloud in snapshot.draining
        assert not each.create or len(mine) + each.create <= pool.pool.maximum
        assert not ((each.create or each.resume) and (pool.pool.paused or drained))
        vacant = sum(m.state is S.VACANT for m in mine)
        going = sum(r.state is S.VACANT for r in each.remove) + len(each.suspend)
        rotating = pool.pool.replace == "at-once" and going == 1
        floor = min(pool.pool.ready, pool.pool.maximum)
        assert drained or going == 0 or vacant - going >= floor or rotating
        kept = sum(m.state is S.HELD and m.kept for m in mine)
        kept -= sum(r.state is S.HELD for r in each.remove)
        assert drained or kept + len(each.keep) <= pool.pool.keep_failed
        assert not each.suspend or pool.pool.cloud in snapshot.suspends
    for cloud, number in coming.items():
        booting = sum(m.state in BOOTING for m in snapshot.machines if m.cloud == cloud)
        most = POLICY.booting_per_cloud + POLICY.booting_for_people
        if not snapshot.waiting:
            most = POLICY.booting_per_cloud
        assert not number or booting + number <= most
    limit = snapshot.limits["ral"].machines
    at_ral = sum(m.cloud == "ral" for m in snapshot.machines)
    assert limit is None or not created["ral"] or at_ral + created["ral"] <= limit
    for each in plans.values():
        changed = [*(r.machine for r in each.remove), *each.resume, *each.suspend, *each.keep]
        assert len(set(changed)) == len(changed), "one thing at a time is done to a machine"
        assert all(by_id[name].state is S.SUSPENDED for name in each.resume)
        assert all(by_id[name].state is S.VACANT for name in each.suspend)
        assert all(by_id[name].state is S.FAILED for name in each.keep)
        for removal in each.remove:
            found = by_id[removal.machine]
            assert found.state is removal.state
            assert removal.state not in (S.ACQUIRED, S.DELETING)
            assert found.kept or removal.state is not S.HELD, "what a user left is not touched"
            assert removal.why


def followed(
    machines: list[MachineRow], pools: Sequence[PoolFacts], plans: Mapping[str, PoolPlan], turn: int
) -> list[MachineRow]:
    """The machines after all was done that was planned, and all that boots has booted."""
    gone = {r.machine for p in plans.values() for r in p.remove}
    states = {name: S.VACANT for p in plans.values() for name in p.resume}
    states |= {name: S.SUSPENDED for p in plans.values() for name in p.suspend}
    states |= {name: S.HELD for p in plans.values() for name in p.keep}
    after = [
        replace(
            m,
            state=states.get(m.id, S.VACANT if m.state in BOOTING else m.state),
            kept=m.kept or states.get(m.id) is S.HELD,
        )
        for m in machines
        if m.id not in gone and m.state is not S.DELETING
    ]
    return after + [
        machine(pool, 1000 + 100 * turn + n, age_s=0)
        for pool in pools
        for n in range(plans[pool.name].create)
    ]


@given(snapshots())
def test_following_the_plan_comes_to_rest(snapshot: Snapshot):
    """Machines boot, deletes end, nobody claims: after a while no plan wants anything."""
    machines = list(snapshot.machines)
    for turn in range(60):
        plans = plan(replace(snapshot, machines=machines), POLICY)
        if all(p.rests for p in plans.values()):
            return
        machines = followed(machines, snapshot.pools, plans, turn)
    raise AssertionError("the plans never come to rest")


TWO = (facts(cloud="ral", ready=0), facts(cloud="dls", ready=0))


@pytest.mark.parametrize("reason", ["over quota", "no answer", "bad credentials"])
def test_who_waits_is_served_by_another_cloud_while_the_best_backs_off(reason: str):
    ral, dls = TWO
    pauses = {ral.name: Pause(reason, NOW + timedelta(seconds=60))}
    plans = plan(Snapshot(now=NOW, pools=TWO, machines=[], waiting=[ANY], pauses=pauses), POLICY)
    assert (plans[ral.name].create, plans[dls.name].create) == (0, 1)


def test_nobody_counts_on_what_is_on_its_way_at_a_cloud_that_does_not_answer():
    ral, dls = TWO
    snapshot = Snapshot(
        now=NOW,
        pools=TWO,
        machines=[machine(ral, 1, S.BUILDING)],
        waiting=[ANY],
        pauses={ral.name: Pause("no answer", None, open_end=True, silent=True)},
    )
    assert plan(snapshot, POLICY)[dls.name].create == 1
    at_ral = replace(snapshot, waiting=[Wanted(Needs(locations=("ral",)))])
    assert plan(at_ral, POLICY)[dls.name].create == 0
    answers = replace(snapshot, pauses={})
    assert plan(answers, POLICY)[dls.name].create == 0


@given(snapshots(), st.data())
def test_nobody_waits_for_a_pool_in_trouble_while_another_that_fits_has_room(
    snapshot: Snapshot, data: st.DataObject
):
    """Of all who wait, the first at least gets a machine if any pool may make one."""
    paused = {
        pool.name: Pause("trouble", NOW + timedelta(seconds=60), silent=data.draw(st.booleans()))
        for pool in snapshot.pools
        if data.draw(st.booleans())
    }
    snapshot = replace(
        snapshot,
        pauses=paused,
        limits={},
        waiting=snapshot.waiting[:1],
        machines=[],
        draining={},
    )
    plans = plan(snapshot, POLICY)
    for wanted in snapshot.waiting:
        able = [
            pool
            for pool in snapshot.pools
            if pool.name not in paused and not pool.pool.paused and pool.pool.maximum
        ]
        fitting = [r.facts.name for r in decide(wanted.needs, snapshot.pools, {}).ranked]
        if any(pool.name in fitting for pool in able):
            assert sum(plans[name].create for name in fitting) >= 1


def test_a_pool_that_may_have_no_more_says_that_it_is_full():
    assert planned(facts(ready=1, maximum=1), S.ACQUIRED).full
    assert not planned(facts(ready=1, maximum=1), S.VACANT).full
    booting = [S.BUILDING] * POLICY.booting_per_cloud
    assert not planned(facts(ready=9), *booting).full
