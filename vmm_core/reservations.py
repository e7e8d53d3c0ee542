"""Reservations: machines booked for a time, such as a workshop's.

Booking counts in the same ledger as leasing (:mod:`vmm_core.allocation.bookings`);
the pool manager makes the machines before the start, and the claim gives them to
nobody else.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from .allocation.bookings import Taken, Wish, choose, lead
from .errors import BadRequest
from .model import Reservation
from .pools.inventory import Inventory
from .pools.policy import Policy
from .store import Store

LONGEST = timedelta(days=62)
"""A booking that lasts longer is a pool of its own."""
FURTHEST = timedelta(days=731)


class Reservations:
    """Everything a frontend does with reservations.

    Args:
        store: the ledger.
        inventory: the catalogue with its clouds.
        policy: how many machines a cloud makes at once.
        wake: lets the pool manager step at once.
    """

    def __init__(
        self, store: Store, inventory: Inventory, policy: Policy, *, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._policy = policy
        self._wake = wake

    async def book(self, wish: Wish, *, frontend: str, key: str) -> tuple[Reservation, bool]:
        """The reservation of this key: the one that there is, or a new one.

        Returns:
            it, and whether it is new.

        Raises:
            BadRequest: a time that is none, or that is over.
            Impossible: no place has so many machines free in all that time.
            LimitReached: the user or group would have too many booked at once.
        """
        self._check(wish)
        boot_times_s = await self._store.machines.boot_times_s()

        def decide(taken: Taken) -> Reservation:
            limits = self._inventory.catalogue.limits
            facts = choose(wish, self._inventory.facts(), taken, limits)
            times_s = boot_times_s.get(facts.name, ())
            ahead = lead(wish.machines, times_s, self._policy.booting_per_cloud)
            return Reservation(
                id=f"r-{uuid.uuid4().hex[:16]}",
                owner=wish.owner,
                group=wish.group,
                frontend=frontend,
                key=key,
                needs=wish.needs,
                pool=facts.name,
                machines=wish.machines,
                ready_from=wish.starts_at - ahead,
                starts_at=wish.starts_at,
                ends_at=wish.ends_at,
                created_at=taken.now,
            )

        book = partial(self._store.reservations.book, frontend=frontend, owner=wish.owner)
        made, new = await book(key=key, choose=decide)
        self._wake()
        return made, new

    async def get(self, reservation_id: str) -> Reservation:
        """One reservation, also when it is over.

        Raises:
            NotFound: there never was such a reservation.
        """
        return await self._store.reservations.get(reservation_id)

    async def all(self, *, over: bool = False) -> list[Reservation]:
        """Reservations by their start; those that are over or cancelled only if ``over``."""
        return await self._store.reservations.all(over=over)

    async def cancel(self, reservation_id: str) -> Reservation:
        """Give the machines of a booking to everybody again; its leases go on.

        Raises:
            NotFound: there never was such a reservation.
            Conflict: it is over.
        """
        cancelled = await self._store.reservations.cancel(reservation_id)
        self._wake()
        return cancelled

    def _check(self, wish: Wish) -> None:
        now = self._store.now()
        if wish.ends_at <= wish.starts_at:
            raise BadRequest("the reservation ends before it starts: correct starts_at or ends_at")
        if wish.ends_at <= now:
            raise BadRequest("the reservation would be over already: correct starts_at and ends_at")
        if wish.ends_at - wish.starts_at > LONGEST:
            raise BadRequest(
                f"a reservation lasts {LONGEST.days} days at most: book a shorter time, "
                "or let an operator raise what the pool keeps ready"
            )
        if wish.starts_at - now > FURTHEST:
            raise BadRequest(
                "the reservation starts in more than two years: book nearer to its time"
            )
