"""Bookings in the ledger, on both databases; no two share the last machine."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from vmm_core.allocation.bookings import Taken
from vmm_core.errors import Conflict, Impossible, NotFound
from vmm_core.model import Needs, Reservation
from vmm_core.store import Store
from vmm_core.store.engine import utc_now

POOL = "mantid@ral/small"
MAXIMUM = 10


def wanted(taken: Taken, number: str, machines: int = 1) -> Reservation:
    now = taken.now
    return Reservation(
        id=f"r-{number}",
        owner="ann",
        group="school",
        frontend="hub",
        key=number,
        needs=Needs(environment="mantid"),
        pool=POOL,
        machines=machines,
        ready_from=now + timedelta(hours=1),
        starts_at=now + timedelta(hours=2),
        ends_at=now + timedelta(hours=4),
        created_at=now,
    )


async def book(store: Store, number: str, machines: int = 1) -> tuple[Reservation, bool]:
    def choose(taken: Taken) -> Reservation:
        used = sum(each.machines for each in taken.reservations)
        if used + machines > MAXIMUM:
            raise Impossible("full")
        return wanted(taken, number, machines)

    return await store.reservations.book(frontend="hub", owner="ann", key=number, choose=choose)


async def test_a_key_means_one_reservation(stores: list[Store]):
    first, new = await book(stores[0], "a", 3)
    again, still_new = await book(stores[1], "a", 3)
    assert (new, still_new) == (True, False)
    assert again == first
    assert await stores[2].reservations.get("r-a") == first


async def test_eight_bookings_of_the_last_machine_are_one(stores: list[Store]):
    """Each decides on what it read; nothing may come between that and its writing."""
    await book(stores[0], "most", MAXIMUM - 1)
    tried = [book(stores[number % 4], f"k{number}") for number in range(8)]
    answers = await asyncio.gather(*tried, return_exceptions=True)
    assert sum(isinstance(answer, Impossible) for answer in answers) == 7
    found = await stores[0].reservations.all()
    assert sum(each.machines for each in found) == MAXIMUM


async def test_a_cancelled_one_takes_nothing_and_stays_known(stores: list[Store]):
    store = stores[0]
    await book(store, "a", MAXIMUM)
    with pytest.raises(Impossible):
        await book(store, "b")
    cancelled = await store.reservations.cancel("r-a")
    assert cancelled.cancelled_at is not None
    assert await store.reservations.cancel("r-a") == cancelled
    await book(store, "b")
    assert [each.id for each in await store.reservations.all()] == ["r-b"]
    assert {each.id for each in await store.reservations.all(over=True)} == {"r-a", "r-b"}


async def test_what_is_over_is_not_cancelled(url: str):
    late = Store(url, clock=lambda: utc_now() + timedelta(hours=5))
    early = Store(url)
    await early.open()
    await book(early, "a")
    await early.close()
    await late.open()
    with pytest.raises(Conflict, match="is over"):
        await late.reservations.cancel("r-a")
    with pytest.raises(NotFound):
        await late.reservations.cancel("r-none")
    assert (await late.reservations.taken()).reservations == []
    await late.close()


async def test_old_ones_are_forgotten(stores: list[Store]):
    store = stores[0]
    await book(store, "a")
    await store.forget(utc_now() + timedelta(hours=3))
    assert len(await store.reservations.all()) == 1
    await store.forget(utc_now() + timedelta(hours=5))
    assert await store.reservations.all(over=True) == []
