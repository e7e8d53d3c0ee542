"""A booking from the day it is made to its end: machines are there, and nobody else gets them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from vmm_core.allocation.bookings import Wish
from vmm_core.errors import BadRequest, Conflict, Impossible, LimitReached, NotFound
from vmm_core.model import Lease, LeaseState, MachineState, Needs, Reservation
from vmm_core.reservations import Reservations
from vmm_core.store.claims import Request

from .world import MANTID, World, world

RAL, DLS = "mantid@ral-sim/small", "mantid@dls-sim/large"
CATALOGUE = """
locations:
  - {name: ral, title: Rutherford}
  - {name: dls, title: Diamond}
clouds:
  - {name: ral-sim, kind: simulated, location: ral}
  - {name: dls-sim, kind: simulated, location: dls}
environments:
  - {name: mantid, title: Mantid}
pools:
  - {environment: mantid, cloud: ral-sim, size: small, ready: 1, maximum: 5}
  - {environment: mantid, cloud: dls-sim, size: large, ready: 0, maximum: 2}
lifetimes:
  - {hours: 4}
"""
AT_RAL = Needs(environment="mantid", locations=("ral",))


def hours(w: World, number: float) -> datetime:
    return w.clock.at + timedelta(hours=number)


async def book(
    w: World, machines: int, start: float, end: float, group: str = "school", key: str = "k"
) -> Reservation:
    wish = Wish("carol", group, MANTID, machines, hours(w, start), hours(w, end))
    desk = Reservations(w.store, w.inventory, w.policy, wake=w.manager.wake)
    made, _ = await desk.book(wish, frontend="hub", key=key)
    return made


async def ask(
    w: World, owner: str, *groups: str, needs: Needs = AT_RAL, reservation: str | None = None
) -> Lease:
    return (await w.leases.ask(Request(owner, "hub", owner, needs, groups, reservation))).lease


async def vacant(w: World) -> int:
    return len([m for m in await w.machines(MachineState.VACANT) if m.pool == RAL])


async def test_its_machines_are_ready_before_its_start_and_for_its_people_only(tmp_path: Path):
    async with world(tmp_path, CATALOGUE) as w:
        await w.step(3)
        booked = await book(w, 4, start=10, end=14)
        assert booked.pool == RAL
        assert booked.ready_from < booked.starts_at
        await w.step(3)
        assert await vacant(w) == 1, "it is too early"
        w.clock.at = booked.ready_from
        await w.step(6)
        assert await vacant(w) == 5, "the floor and the four that are booked"

        w.clock.at = booked.starts_at
        await w.step()
        stranger = await ask(w, "sam")
        assert stranger.state is LeaseState.ACQUIRED, "the fifth is nobody's"
        with pytest.raises(Impossible, match="its machines are booked until"):
            await ask(w, "lou")
        pupils = [await ask(w, f"pupil{number}", "school") for number in range(3)]
        assert {lease.state for lease in pupils} == {LeaseState.ACQUIRED}
        assert {lease.reservation for lease in pupils} == {booked.id}
        assert {lease.ends_at for lease in pupils} == {booked.ends_at}
        assert (await w.store.reservations.get(booked.id)).used == 3
        assert (await ask(w, "carol")).reservation == booked.id, "its owner is of it, too"

        w.clock.at = booked.ends_at
        await w.step(12, turn_s=60)
        ended = [await w.store.leases.get(lease.id) for lease in pupils]
        assert {lease.state for lease in ended} == {LeaseState.RELEASED}
        assert await vacant(w) >= 1
        assert (await ask(w, "lou")).state is LeaseState.ACQUIRED


async def test_a_lease_that_would_last_into_a_booking_goes_elsewhere(tmp_path: Path):
    async with world(tmp_path, CATALOGUE) as w:
        await w.step(3)
        booked = await book(w, 5, start=2, end=6)
        there = await ask(w, "ann", needs=MANTID)
        await w.step(4)
        there = await w.store.leases.get(there.id)
        assert there.machine is not None
        assert there.machine.pool == DLS
        with pytest.raises(Impossible, match=r"Rutherford .* booked until .* ask for Diamond"):
            await ask(w, "bob")
        await w.store.reservations.cancel(booked.id)
        assert (await ask(w, "bob")).state is LeaseState.ACQUIRED


async def test_a_booking_finds_room_beside_leases_that_end(tmp_path: Path):
    async with world(tmp_path, CATALOGUE) as w:
        await w.step(3)
        assert (await ask(w, "ann")).state is LeaseState.ACQUIRED
        with pytest.raises(Impossible, match=r"Rutherford has 4 left; book 4, or begin at"):
            await book(w, 5, start=1, end=3)
        assert (await book(w, 5, start=4.1, end=6)).pool == RAL


async def test_a_named_booking_must_be_open_ones_own_and_not_used_up(tmp_path: Path):
    async with world(tmp_path, CATALOGUE) as w:
        booked = await book(w, 1, start=1, end=3)
        with pytest.raises(Conflict, match="begins at"):
            await ask(w, "p", "school", reservation=booked.id)
        w.clock.at = booked.starts_at
        await w.step(4)
        with pytest.raises(NotFound, match="no reservation"):
            await ask(w, "sam", "other", reservation=booked.id)
        assert (await ask(w, "p", "school", reservation=booked.id)).reservation == booked.id
        with pytest.raises(LimitReached, match="all 1 machines"):
            await ask(w, "q", "school", reservation=booked.id)


async def test_a_machine_that_is_given_back_can_be_used_by_another_of_the_group(tmp_path: Path):
    async with world(tmp_path, CATALOGUE) as w:
        booked = await book(w, 1, start=1, end=3)
        w.clock.at = booked.starts_at
        await w.step(4)
        first = await ask(w, "p", "school")
        await w.leases.release(first.id)
        await w.step(4)
        second = await ask(w, "q", "school")
        assert (second.reservation, second.state) == (booked.id, LeaseState.ACQUIRED)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (3, 2, "ends before it starts"),
        (-3, -2, "over already"),
        (1, 24 * 70, "62 days at most"),
        (24 * 800, 24 * 801, "more than two years"),
    ],
)
async def test_times_that_are_none(tmp_path: Path, start: float, end: float, said: str):
    async with world(tmp_path, CATALOGUE) as w:
        with pytest.raises(BadRequest, match=said):
            await book(w, 1, start, end)
        assert await w.store.reservations.all(over=True) == []


async def test_what_is_offered_leaves_out_what_is_kept_for_others(tmp_path: Path):
    async with world(tmp_path, CATALOGUE) as w:
        await w.step(3)
        await book(w, 2, 0.1, 2)
        await w.step(6)
        assert await vacant(w) == 3
        (offer,) = await w.leases.offers(AT_RAL)
        assert (offer.free, offer.next_in_s) == (1, 0)
        await ask(w, "eve")
        (offer,) = await w.leases.offers(AT_RAL, groups=["school"])
        assert offer.free == 0, "it has not begun"
        w.clock.turn(600)
        (offer,) = await w.leases.offers(AT_RAL, groups=["school"])
        assert offer.free == 2
        (offer,) = await w.leases.offers(AT_RAL, groups=["other"])
        assert (offer.free, offer.available) == (0, True)
        assert offer.next_in_s != 0
