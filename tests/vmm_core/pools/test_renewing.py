"""Machines are replaced though they work: out of date, or ready for too long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm_core.allocation.facts import PoolFacts
from vmm_core.model import MachineState as S
from vmm_core.pools.ageing import SPREAD, age_limit
from vmm_core.pools.plan import PoolPlan, Snapshot, plan
from vmm_core.store.records import MachineRow

from .test_plan import ANY, NOW, POLICY, facts, followed, machine


def plan_of(pool: PoolFacts, machines: list[MachineRow], **others) -> PoolPlan:
    return plan(Snapshot(now=NOW, pools=[pool], machines=machines, **others), POLICY)[pool.name]


def stale(pool: PoolFacts, number: int) -> list[MachineRow]:
    return [machine(pool, n, fingerprint="before") for n in range(number)]


def old(pool: PoolFacts, number: int, hours: float) -> list[MachineRow]:
    since = NOW - timedelta(hours=hours)
    return [machine(pool, n, vacant_at=since) for n in range(number)]


def vacant(machines: list[MachineRow]) -> int:
    return sum(m.state is S.VACANT for m in machines)


def test_as_used_leaves_stale_machines_alone_until_stock_is_used():
    pool = facts(ready=3)
    assert plan_of(pool, stale(pool, 3)).rests
    assert plan_of(pool, stale(pool, 3)).hold == ""


def test_as_used_replaces_one_more_with_each_that_is_used():
    pool = facts(ready=3)
    machines = [*stale(pool, 2), machine(pool, 9, S.ACQUIRED, fingerprint="before")]
    first = plan_of(pool, machines)
    assert (first.create, first.remove) == (2, ())
    machines = followed(machines, [pool], {pool.name: first}, 1)
    second = plan_of(pool, machines)
    assert [r.machine for r in second.remove] == [machines[0].id]
    assert "out of date" in second.remove[0].why
    machines = followed(machines, [pool], {pool.name: second}, 2)
    assert vacant(machines) == 3
    assert plan_of(pool, machines).rests, "the other stale one waits for the next use"


def test_as_used_in_a_full_pool_makes_what_was_used_and_no_more():
    pool = facts(ready=2, maximum=3)
    machines = [*stale(pool, 1), machine(pool, 9, S.ACQUIRED)]
    assert plan_of(pool, machines).create == 1


@pytest.mark.parametrize("ready", [1, 2, 5])
def test_at_once_replaces_one_by_one_and_never_dips_under_the_floor(ready: int):
    pool = facts(ready=ready, replace="at-once")
    machines, created = stale(pool, ready), 0
    for turn in range(3 * ready):
        done = plan_of(pool, machines)
        if done.rests:
            break
        assert done.create <= 1
        created += done.create
        going = {r.machine for r in done.remove}
        assert sum(m.state is S.VACANT and m.id not in going for m in machines) >= ready
        machines = followed(machines, [pool], {pool.name: done}, turn)
    assert {m.fingerprint for m in machines} == {"now"}
    assert (len(machines), created) == (ready, ready)


def test_large_pools_are_replaced_by_tenths():
    pool = facts(ready=30, maximum=40, replace="at-once")
    assert plan_of(pool, stale(pool, 30)).create == 3


def test_at_once_without_room_lets_one_go_first_if_nothing_moves_and_nobody_waits():
    pool = facts(ready=2, maximum=2, replace="at-once")
    machines = stale(pool, 2)
    first = plan_of(pool, machines)
    assert [r.machine for r in first.remove] == [machines[0].id]
    going = [replace(machines[0], state=S.DELETING), machines[1]]
    assert plan_of(pool, going).remove == ()
    coming = [machine(pool, 5, S.BUILDING), machines[1]]
    assert plan_of(pool, coming).remove == ()
    assert plan_of(pool, machines, waiting=[ANY]).remove == ()
    paused = facts(ready=2, maximum=2, replace="at-once", paused=True)
    assert plan_of(paused, machines).remove == ()


def test_acquired_machines_are_never_replaced():
    pool = facts(ready=0, replace="at-once", max_ready_h=1)
    since = NOW - timedelta(days=9)
    used = machine(pool, 0, S.ACQUIRED, fingerprint="before", vacant_at=since)
    assert plan_of(pool, [used]).rests


def test_machines_that_are_ready_for_too_long_are_replaced_by_either_policy():
    for policy in ("as-used", "at-once"):
        pool = facts(ready=2, max_ready_h=24, replace=policy)
        young, worn = old(pool, 2, 24 * (1 - SPREAD) - 0.1), old(pool, 2, 24.1)
        assert plan_of(pool, young).rests
        first = plan_of(pool, worn)
        assert (first.create, first.remove) == (1, ())
        after = followed(worn, [pool], {pool.name: first}, 1)
        second = plan_of(pool, after)
        assert [r.why for r in second.remove] == [
            "it was ready for longer than its pool allows (24 h)"
        ]


def test_as_used_without_room_keeps_old_machines_and_says_so():
    pool = facts(ready=2, maximum=2, max_ready_h=24)
    done = plan_of(pool, old(pool, 2, 25))
    assert done.rests
    assert "no room" in done.hold


@given(st.text(min_size=1), st.floats(0.1, 1000))
def test_a_machines_age_limit_is_its_own_and_near_its_pools(name: str, hours: float):
    limit = age_limit(name, hours)
    assert limit == age_limit(name, hours)
    lowest = timedelta(hours=hours * (1 - SPREAD)) - timedelta(seconds=1)
    assert lowest <= limit <= timedelta(hours=hours)


def test_a_pool_does_not_expire_at_once():
    pool = facts(ready=100, maximum=200, max_ready_h=100)
    hours = [age_limit(m.id, 100) / timedelta(hours=1) for m in old(pool, 100, 0)]
    assert max(hours) - min(hours) > 15
    tenths = [sum(low <= h < low + 2 for h in hours) for low in range(80, 100, 2)]
    assert max(tenths) <= 25
