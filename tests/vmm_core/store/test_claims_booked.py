"""Claims beside bookings: what is kept for one is nobody else's, and is theirs when they come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from vmm_core.allocation.rules import Rules
from vmm_core.errors import Conflict, Impossible, LimitReached, NotFound
from vmm_core.model import LeaseState, Limit, Needs, Reservation
from vmm_core.store import Store
from vmm_core.store.claims import Request

from ..ledgers import FACTS, POOL, RULES, vacant
from ..world import Clock

HOUR = timedelta(hours=1)
SMALL = Rules([replace(FACTS, pool=POOL.model_copy(update={"maximum": 2}))])


async def booked(
    store: Store, clock: Clock, name: str = "r", *, machines: int = 1, begins_h: float = -1
) -> Reservation:
    """A reservation of the group ``school`` for two hours."""
    start = clock.at + begins_h * HOUR
    made = Reservation(
        id=name,
        owner="ann",
        group="school",
        frontend="hub",
        key=name,
        needs=Needs(environment="mantid"),
        pool=POOL.name,
        machines=machines,
        ready_from=start - HOUR,
        starts_at=start,
        ends_at=start + 2 * HOUR,
        created_at=clock.at,
    )
    await store.reservations.book(frontend="hub", owner="ann", key=name, choose=lambda _: made)
    return made


async def ask(store: Store, owner: str, *groups: str, rules: Rules = RULES, **options: object):
    request = Request(owner, "hub", "k", options.pop("needs", Needs()), groups, **options)
    (answer,) = await store.leases.answer([request], rules)
    return answer


async def test_what_is_kept_for_a_booking_is_not_vacant_for_others(store: Store, clock: Clock):
    await booked(store, clock)
    await vacant(store, "a")
    other = await ask(store, "eve")
    assert other.lease.state is LeaseState.WAITING
    mine = await ask(store, "bob", "school")
    assert (mine.lease.machine.id, mine.lease.reservation) == ("a", "r")
    assert mine.lease.ends_at == (await store.reservations.get("r")).ends_at
    assert mine.lease.group == "school"
    await vacant(store, "b")
    assert (await store.leases.get(other.lease.id)).machine.id == "b"


async def test_a_booking_serves_as_many_as_it_has_machines(store: Store, clock: Clock):
    await booked(store, clock, machines=2)
    for name in "abc":
        await vacant(store, name)
    two = [await ask(store, f"u{n}", "school", reservation="r") for n in range(2)]
    assert [each.lease.reservation for each in two] == ["r", "r"]
    third = await ask(store, "u2", "school", reservation="r")
    assert isinstance(third, LimitReached)
    without = await ask(store, "u3", "school")
    assert (without.lease.machine.id, without.lease.reservation) == ("c", None)


async def test_several_of_one_batch_share_what_is_left_of_a_booking(store: Store, clock: Clock):
    await booked(store, clock, machines=2)
    for name in "ab":
        await vacant(store, name)
    requests = [Request(f"u{n}", "hub", "k", Needs(), ("school",)) for n in range(3)]
    found = await store.leases.answer([Request("eve", "hub", "k", Needs()), *requests], RULES)
    assert [each.lease.machine is not None for each in found] == [False, True, True, False]
    assert [each.lease.reservation for each in found] == [None, "r", "r", None]


async def test_a_booking_that_is_not_theirs_or_not_open_is_told(store: Store, clock: Clock):
    await booked(store, clock, "later", begins_h=3)
    await booked(store, clock, "over", begins_h=-5)
    assert isinstance(await ask(store, "eve", reservation="later"), NotFound)
    assert isinstance(await ask(store, "ann", reservation="over"), NotFound)
    early = await ask(store, "ann", reservation="later")
    assert isinstance(early, Conflict)
    assert "later begins at 2026-01-01 03:00 UTC" in str(early)


async def test_one_who_waits_for_a_booking_is_kept_a_machine(store: Store, clock: Clock):
    await booked(store, clock)
    waits = await ask(store, "ann")
    assert (waits.lease.state, waits.lease.reservation) == (LeaseState.WAITING, "r")
    eve = await ask(store, "eve")
    await vacant(store, "a")
    assert (await store.leases.get(waits.lease.id)).machine.id == "a"
    assert (await store.leases.get(eve.lease.id)).machine is None


async def test_a_booking_is_within_its_groups_limit(store: Store, clock: Clock):
    await booked(store, clock)
    await vacant(store, "a")
    rules = Rules([FACTS], limits=(Limit(group="school", machines=0),))
    assert (await ask(store, "bob", "school", rules=rules)).lease.machine.id == "a"


@pytest.mark.parametrize(("hours", "fits"), [(None, False), (4, False), (2, True)])
async def test_a_lease_that_would_last_into_a_booking_is_not_begun(
    store: Store, clock: Clock, hours: float | None, fits: bool
):
    """Of two machines both are booked in three hours."""
    await booked(store, clock, machines=2, begins_h=3)
    await vacant(store, "a")

    def ends_at(_group, _environment, start):
        return start + hours * HOUR if hours else None

    answer = await ask(store, "eve", rules=replace(SMALL, ends_at=ends_at))
    if fits:
        assert answer.lease.machine.id == "a"
    else:
        assert isinstance(answer, Impossible)
        assert "booked until 2026-01-01 05:00 UTC" in str(answer)
