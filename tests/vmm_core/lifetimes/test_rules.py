"""How long leases last: pure rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm_core.allocation.bookings import Taken
from vmm_core.allocation.facts import PoolFacts
from vmm_core.errors import Conflict
from vmm_core.lifetimes import beside
from vmm_core.lifetimes.rules import (
    End,
    Term,
    Warn,
    clock,
    ends_at,
    extended,
    fitting,
    judge,
    kept_until,
    restored,
)
from vmm_core.model import (
    Environment,
    Explanation,
    Lease,
    LeaseState,
    Lifetime,
    Location,
    Machine,
    MachineState,
    Needs,
    Pool,
    Reservation,
    Size,
)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
WORKSHOP = Lifetime(groups=("workshop",), hours=4)
MANTID = Lifetime(
    environments=("mantid",), hours=8, extend_hours=4, extensions=2, undelete_hours=24
)
OTHERS = Lifetime(hours=48, idle_hours=12, warn_hours=2)
ALL = (WORKSHOP, MANTID, OTHERS)


def term(**facts: object) -> Term:
    values = {
        "lease": "l-1",
        "machine": "vmm-1",
        "group": "",
        "environment": "mantid",
        "since": START,
        "ends_at": START + 8 * HOUR,
    }
    return Term(**{**values, **facts})  # type: ignore[arg-type]


def test_the_first_that_fits_group_and_environment_counts():
    assert fitting(ALL, "workshop", "mantid") is WORKSHOP
    assert fitting(ALL, "", "mantid") is MANTID
    assert fitting(ALL, "isis", "tomo") is OTHERS
    assert fitting(ALL[:1], "isis", "tomo") is None
    assert ends_at(ALL, "", "mantid", START) == START + 8 * HOUR
    assert ends_at((), "", "mantid", START) is None
    assert ends_at((Lifetime(idle_hours=1),), "", "mantid", START) is None
    assert kept_until(ALL, "", "mantid", START) == START + 24 * HOUR
    assert kept_until(ALL, "", "tomo", START) is None


def test_it_is_extended_by_rule_and_says_why_not():
    first = extended(term(), MANTID, START + HOUR)
    assert first == START + 12 * HOUR
    once = term(ends_at=first, extensions=1)
    with pytest.raises(Conflict, match=r"ends at 2026-03-01 21:00 UTC: .* after 2026-03-01 13:00"):
        extended(once, MANTID, START + HOUR)
    assert extended(once, MANTID, START + 4 * HOUR) == START + 16 * HOUR
    with pytest.raises(Conflict, match="extended 2 times, which is the most, and it ends at"):
        extended(replace(once, extensions=2), MANTID, START + 4 * HOUR)
    with pytest.raises(Conflict, match="cannot be extended and it ends at 2026-03-01 17:00 UTC"):
        extended(term(), OTHERS, START)
    with pytest.raises(Conflict, match="has no end"):
        extended(term(ends_at=None), MANTID, START)
    late = extended(replace(once, extensions=2), None, START, hours=100)
    assert late == first + 100 * HOUR


def test_an_end_is_warned_of_once_and_again_after_an_extension():
    assert judge(term(), MANTID, START + 6.9 * HOUR) is None
    warned = judge(term(), MANTID, START + 7 * HOUR)
    assert warned == Warn(
        "this machine is yours until 2026-03-01 17:00 UTC: "
        "extend it by 4 h, or save your work by then"
    )
    told = term(warned_at=START + 7 * HOUR)
    assert judge(told, MANTID, START + 7.5 * HOUR) is None
    assert judge(replace(told, ends_at=START + 12 * HOUR), MANTID, START + 7.5 * HOUR) is None
    again = judge(replace(told, ends_at=START + 12 * HOUR), MANTID, START + 11 * HOUR)
    assert isinstance(again, Warn)
    last = judge(term(extensions=2), MANTID, START + 7 * HOUR)
    assert last == Warn(
        "this machine is yours until 2026-03-01 17:00 UTC: "
        "save your work by then; it can be taken back for 24 h after that"
    )
    assert judge(told, MANTID, START + 8 * HOUR) == End("its time was over at 2026-03-01 17:00 UTC")


def test_idleness_is_warned_of_before_it_ends_anything():
    idle = term(ends_at=None, active_at=START + HOUR)
    assert judge(idle, OTHERS, START + 10.9 * HOUR, quiet=True) is None
    warned = judge(idle, OTHERS, START + 11 * HOUR, quiet=True)
    assert warned == Warn(
        "nothing was in use on this machine since 2026-03-01 10:00 UTC: it is taken back at "
        "2026-03-01 22:00 UTC unless something is used by then"
    )
    told = replace(idle, warned_at=START + 11 * HOUR)
    assert judge(told, OTHERS, START + 12.9 * HOUR, quiet=True) is None
    assert isinstance(judge(told, OTHERS, START + 13 * HOUR, quiet=True), End)
    assert judge(told, OTHERS, START + 30 * HOUR, quiet=False) is None
    # Warned late, because nobody looked before: the notice is given all the same.
    late = judge(idle, OTHERS, START + 40 * HOUR, quiet=True)
    assert isinstance(late, Warn)
    assert clock(START + 42 * HOUR) in late.message
    told = replace(idle, warned_at=START + 40 * HOUR)
    assert judge(told, OTHERS, START + 41 * HOUR, quiet=True) is None
    assert isinstance(judge(told, OTHERS, START + 42 * HOUR, quiet=True), End)


def test_an_old_word_of_idleness_does_not_count_after_somebody_was_there():
    told = term(ends_at=None, warned_at=START + 11 * HOUR, active_at=START + 12 * HOUR)
    assert judge(told, OTHERS, START + 13 * HOUR, quiet=True) is None
    assert isinstance(judge(told, OTHERS, START + 22 * HOUR, quiet=True), Warn)


def test_one_that_is_taken_back_has_the_time_that_it_had_or_an_extension_or_a_last_hour():
    early = term()
    assert restored(early, MANTID, START + HOUR, operator=False) == early.ends_at
    over = START + 20 * HOUR
    assert restored(term(), MANTID, over, operator=False) == over + 4 * HOUR
    used_up = term(extensions=2)
    assert restored(used_up, MANTID, over, operator=False) == over + HOUR
    with pytest.raises(Conflict, match="taken back after that before"):
        restored(term(extensions=3), MANTID, over, operator=False)
    assert restored(term(extensions=3), MANTID, over, operator=True) == over + HOUR
    assert restored(term(ends_at=None), MANTID, over, operator=False) is None


hours = st.floats(min_value=0, max_value=200).map(lambda h: START + timedelta(hours=h))
lifetimes = st.builds(
    Lifetime,
    hours=st.none() | st.floats(min_value=0.1, max_value=100),
    extend_hours=st.just(0.0) | st.floats(min_value=0.1, max_value=20),
    extensions=st.integers(min_value=0, max_value=3),
    warn_hours=st.floats(min_value=0, max_value=10),
    idle_hours=st.none() | st.floats(min_value=0.1, max_value=50),
    undelete_hours=st.floats(min_value=0, max_value=50),
)


@given(lifetimes, hours, st.none() | hours, st.none() | hours, st.none() | hours, hours)
def test_what_nobody_reports_ends_by_its_time_only(lifetime, since, ends, warned, active_at, now):
    lease = term(since=since, ends_at=ends, warned_at=warned, active_at=active_at)
    due = judge(lease, lifetime, now, quiet=False)
    assert not isinstance(due, End) or (ends is not None and now >= ends)


@given(lifetimes, hours, st.none() | hours, st.none() | hours, st.none() | hours, hours)
def test_nothing_is_idle_without_a_word_and_time_to_act_on_it(
    lifetime, since, ends, warned, active_at, now
):
    lease = term(since=since, ends_at=ends, warned_at=warned, active_at=active_at)
    due = judge(lease, lifetime, now, quiet=True)
    if isinstance(due, End) and (ends is None or now < ends):
        assert lifetime.idle_hours is not None
        assert warned is not None
        assert warned > lease.idle_since
        notice = min(lifetime.warn_hours, lifetime.idle_hours / 2)
        slack = timedelta(microseconds=10)
        assert now - warned >= timedelta(hours=notice) - slack
        assert now - lease.idle_since >= timedelta(hours=lifetime.idle_hours) - slack


@given(lifetimes, st.lists(st.floats(min_value=0, max_value=5), max_size=40))
def test_no_extension_by_rule_goes_beyond_what_the_rule_adds_up_to(lifetime, pauses):
    lease = term(ends_at=ends_at((lifetime,), "", "mantid", START))
    now = START
    for pause in pauses:
        now += timedelta(hours=pause)
        if lease.ends_at is None or lease.ends_at <= now:
            break
        try:
            end = extended(lease, lifetime, now)
        except Conflict:
            continue
        assert end > lease.ends_at
        lease = replace(lease, ends_at=end, extensions=lease.extensions + 1)
    assert lease.extensions <= lifetime.extensions
    if lease.ends_at is not None and lifetime.hours is not None:
        most = lifetime.hours + lifetime.extensions * lifetime.extend_hours
        assert lease.ends_at <= START + timedelta(hours=most, seconds=1)


def _lease(**facts: object) -> Lease:
    now = START + HOUR
    machine = Machine(
        id="vmm-1",
        pool="mantid@ral/small",
        cloud="ral",
        location="ral",
        environment="mantid",
        size=Size(name="small", cpus=2, ram_gb=8),
        state=MachineState.ACQUIRED,
        fingerprint="now",
        created_at=now,
        changed_at=now,
    )
    values = {
        "id": "l-1",
        "owner": "alice",
        "frontend": "hub",
        "key": "k",
        "needs": Needs(),
        "state": LeaseState.ACQUIRED,
        "machine": machine,
        "explanation": Explanation(summary="yours"),
        "created_at": START,
        "ends_at": START + 8 * HOUR,
    }
    return Lease(**{**values, **facts})  # type: ignore[arg-type]


def _taken(**facts: object) -> Taken:
    values = {
        "id": "r-1",
        "owner": "carol",
        "frontend": "hub",
        "key": "k",
        "needs": Needs(environment="mantid"),
        "pool": "mantid@ral/small",
        "machines": 2,
        "used": 1,
        "ready_from": START + 9 * HOUR,
        "starts_at": START + 10 * HOUR,
        "ends_at": START + 20 * HOUR,
        "created_at": START,
    }
    booking = Reservation(**{**values, **facts})  # type: ignore[arg-type]
    held = {"mantid@ral/small": [START + 8 * HOUR]}
    return Taken(START + HOUR, [booking], held)


def _pool(maximum: int) -> list[PoolFacts]:
    pool = Pool(environment="mantid", cloud="ral", size="small", ready=0, maximum=maximum)
    return [
        PoolFacts(
            pool=pool,
            environment=Environment(name="mantid", title="Mantid"),
            location=Location(name="ral", title="Rutherford"),
            size=Size(name="small", cpus=2, ram_gb=8),
            fingerprint="now",
        )
    ]


def test_nobody_extends_into_a_booking():
    lease = _lease()
    beside.extended(lease, START + 9 * HOUR, _pool(2), _taken())
    beside.extended(lease, START + 12 * HOUR, _pool(3), _taken())
    with pytest.raises(Conflict, match=r"booked from 2026-03-01 19:00 UTC on, and it ends at"):
        beside.extended(lease, START + 12 * HOUR, _pool(2), _taken())
    own = _lease(reservation="r-1", ends_at=START + 20 * HOUR)
    beside.extended(own, START + 20 * HOUR, _pool(2), _taken())
    with pytest.raises(Conflict, match="is part of a reservation until 2026-03-02 05:00 UTC"):
        beside.extended(own, START + 21 * HOUR, _pool(2), _taken())


def test_what_is_taken_back_leaves_a_booking_its_machines():
    lease, kept = _lease(), START + 8 * HOUR
    assert beside.restored(lease, START + 7 * HOUR, kept, _pool(2), _taken()) == START + 7 * HOUR
    assert beside.restored(lease, START + 9 * HOUR, kept, _pool(2), _taken()) == START + 9 * HOUR
    assert beside.restored(lease, START + 12 * HOUR, kept, _pool(2), _taken()) == kept
    assert beside.restored(lease, None, kept, _pool(2), _taken()) == kept
    assert beside.restored(lease, None, kept, _pool(3), _taken()) is None
    late = replace(_taken(), now=START + 9 * HOUR)
    with pytest.raises(Conflict, match="are booked from 2026-03-01 19:00 UTC on: acquire again"):
        beside.restored(lease, START + 12 * HOUR, kept, _pool(2), late)
    own = _lease(reservation="r-1")
    assert beside.restored(own, None, kept, _pool(2), _taken()) == START + 20 * HOUR
    with pytest.raises(Conflict, match="all machines of the reservation of lease l-1 are in use"):
        beside.restored(own, None, kept, _pool(2), _taken(used=2))
