"""Bookings: whether there is room, what is kept, who may use one. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm_core.allocation.bookings import (
    Taken,
    Wish,
    booked,
    choose,
    due,
    hold_back,
    lead,
    usable,
)
from vmm_core.allocation.facts import Counts, PoolFacts
from vmm_core.errors import Impossible, LimitReached
from vmm_core.model import Environment, Limit, Location, Needs, Pool, Reservation, Size

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
MANTID = Needs(environment="mantid")


def hour(number: float) -> datetime:
    return NOW + timedelta(hours=number)


def pool(name: str, maximum: int, cpus: float = 2) -> PoolFacts:
    return PoolFacts(
        pool=Pool(environment="mantid", cloud=name, size="s", ready=0, maximum=maximum),
        environment=Environment(name="mantid", title="Mantid"),
        location=Location(name=name, title=name.upper()),
        size=Size(name="s", cpus=cpus, ram_gb=4 * cpus),
        fingerprint="f",
    )


def reservation(
    facts: PoolFacts, machines: int, start: float, end: float, **changes: object
) -> Reservation:
    values = {
        "id": f"r-{start}-{end}-{machines}",
        "owner": "lecturer",
        "frontend": "hub",
        "key": "k",
        "needs": MANTID,
        "pool": facts.name,
        "machines": machines,
        "ready_from": hour(start - 0.5),
        "starts_at": hour(start),
        "ends_at": hour(end),
        "created_at": NOW,
    }
    return Reservation.model_validate({**values, **changes})


def wish(machines: int, start: float, end: float, group: str = "", owner: str = "ann") -> Wish:
    return Wish(owner, group, MANTID, machines, hour(start), hour(end))


RAL, DLS = pool("ral", 10), pool("dls", 50, cpus=4)


def test_the_best_pool_with_room_in_all_the_time_is_taken():
    taken = Taken(NOW, [reservation(RAL, 6, 3, 5)])
    assert choose(wish(4, 2, 6), (RAL, DLS), taken) is RAL
    assert choose(wish(5, 2, 6), (RAL, DLS), taken) is DLS
    assert choose(wish(10, 5, 6), (RAL, DLS), taken) is RAL


def test_leases_count_until_they_end():
    taken = Taken(NOW, held_until={RAL.name: [hour(3)] * 4 + [None]})
    assert choose(wish(5, 1, 2), (RAL,), taken) is RAL
    with pytest.raises(Impossible, match="RAL has 5 left; book 5, or begin at 2026-03-02 11:00"):
        choose(wish(6, 1, 2), (RAL,), taken)


def test_what_no_place_has_is_refused_at_once():
    with pytest.raises(Impossible, match="no place has mantid"):
        choose(
            Wish("ann", "", Needs(environment="mantid", gpus=1), 1, hour(1), hour(2)),
            (RAL, DLS),
            Taken(NOW),
        )


def test_a_group_books_no_more_than_it_may_have():
    limits = (Limit(group="school", machines=8),)
    taken = Taken(NOW, [reservation(RAL, 5, 1, 3, group="school")])
    assert choose(wish(3, 2, 4, "school"), (RAL,), taken, limits) is RAL
    with pytest.raises(LimitReached, match="school may have 8 machines at once and can book 3"):
        choose(wish(4, 2, 4, "school"), (DLS,), taken, limits)
    assert choose(wish(8, 3, 4, "school"), (RAL,), taken, limits) is RAL


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 20), st.integers(1, 10)), max_size=25))
def test_no_two_bookings_share_a_machine(asked: list[tuple[int, int, int]]):
    """Every half hour, what was booked fits the pools that it was booked of."""
    taken = Taken(NOW)
    for number, (machines, start, lasts) in enumerate(asked):
        wanted = wish(machines, start, start + lasts)
        try:
            got = choose(wanted, (RAL,), taken)
        except Impossible:
            continue
        made = reservation(got, machines, start, start + lasts, id=f"r-{number}")
        taken = Taken(NOW, [*taken.reservations, made])
    for half in range(62):
        at = hour(half / 2)
        here = [r for r in taken.reservations if r.starts_at <= at < r.ends_at]
        assert sum(r.machines for r in here) <= RAL.pool.maximum


def test_machines_are_kept_from_the_lead_on_but_for_those_that_are_used():
    one = reservation(RAL, 6, 1, 3, used=2)
    assert due([one], hour(0.4)) == {}
    assert due([one], hour(0.5)) == {RAL.name: 4}
    assert due([one], hour(2.9)) == {RAL.name: 4}
    assert due([one], hour(3)) == {}
    assert due([one.model_copy(update={"cancelled_at": NOW})], hour(1)) == {}


def test_what_is_kept_is_not_free_for_others():
    counts = {RAL.name: Counts(free=5, booting=3), DLS.name: Counts(free=1)}
    assert hold_back(counts, {RAL.name: 4}) == {
        RAL.name: Counts(free=1, booting=3),
        DLS.name: Counts(free=1),
    }
    assert hold_back(counts, {RAL.name: 6})[RAL.name] == Counts(free=0, booting=2)
    assert hold_back(counts, {RAL.name: 60})[RAL.name] == Counts(free=0, booting=0)


def test_a_lease_leaves_every_booking_its_machines_until_it_ends():
    held = {RAL.name: [hour(9)] * 4}
    taken = Taken(NOW, [reservation(RAL, 6, 5, 8)], held)
    assert booked((RAL, DLS), taken, hour(5)) == {}
    assert booked((RAL, DLS), taken, hour(5.1)) == {RAL.name: hour(8)}
    assert booked((RAL, DLS), taken, None) == {RAL.name: hour(8)}


def test_without_bookings_who_comes_first_is_served():
    assert booked((RAL,), Taken(NOW, (), {RAL.name: [None] * 10}), None) == {}


def test_members_of_the_group_use_a_booking_while_it_is_open_and_not_used_up():
    one = reservation(RAL, 2, 1, 3, group="school")
    assert usable([one], hour(0.9), "bob", {"school"}, MANTID) is None
    assert usable([one], hour(1), "bob", {"school"}, MANTID) == one
    assert usable([one], hour(1), "bob", {"other"}, MANTID) is None
    assert usable([one], hour(1), "lecturer", set(), Needs()) == one
    assert usable([one], hour(1), "bob", {"school"}, Needs(environment="tomo")) is None
    assert usable([one], hour(1), "bob", {"school"}, Needs(gpus=1)) is None
    full = one.model_copy(update={"used": 2})
    assert usable([full], hour(1), "bob", {"school"}, MANTID) is None


def test_the_lead_grows_with_what_the_machines_take():
    assert lead(1, [], 4) == timedelta(minutes=10)
    assert lead(40, [60.0] * 20, 4) == timedelta(minutes=15)
    assert lead(40, [], 4) == timedelta(minutes=75)


def test_an_environment_that_nobody_named_is_booked_for_those_only_who_may_use_it():
    staff = Environment(name="staff", title="Staff", groups=("staff",))
    theirs, anything = replace(pool("ral", 10), environment=staff), Needs()
    for group, needs in (("staff", anything), ("", Needs(environment="staff"))):
        asked = replace(wish(1, 0, 1, group=group), needs=needs)
        assert choose(asked, [theirs], Taken(NOW)) == theirs
    for group in ("", "guests"):
        asked = replace(wish(1, 0, 1, group=group), needs=anything)
        assert choose(asked, [theirs, DLS], Taken(NOW)) == DLS
        with pytest.raises(Impossible):
            choose(asked, [theirs], Taken(NOW))
