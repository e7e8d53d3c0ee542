"""What is done with reservations; each method is one transaction."""

from __future__ import annotations

from collections.abc import Callable

from ..allocation.bookings import Taken
from ..errors import Conflict, NotFound
from ..model import Reservation
from .queries import reservations
from .transactions import Rows

Choose = Callable[[Taken], Reservation]
"""Decides on a booking: pure. Raises what refuses it."""


class ReservationRows(Rows):
    """The reservations of the ledger."""

    async def book(
        self, *, frontend: str, owner: str, key: str, choose: Choose
    ) -> tuple[Reservation, bool]:
        """The reservation of the key, which is decided and written now if there is none.

        Decided alone: no two bookings, and no booking and lease, share the last machine.

        Returns:
            it, and whether it is new.

        Raises:
            Impossible, LimitReached: as ``choose`` does; nothing was written.
        """
        async with self._transactions.write() as tx:
            await tx.alone()
            found = await reservations.of_key(tx, frontend, owner, key)
            if found is not None:
                return found, False
            made = choose(await reservations.taken_for_booking(tx))
            await reservations.add(tx, made)
            return made, True

    async def get(self, reservation_id: str) -> Reservation:
        """One reservation.

        Raises:
            NotFound: there never was such a reservation.
        """
        async with self._transactions.read() as tx:
            found = await reservations.one(tx, reservation_id)
        if found is None:
            raise NotFound(
                f"there is no reservation {reservation_id!r}: `vmm reservations` lists them"
            )
        return found

    async def all(self, *, over: bool = False) -> list[Reservation]:
        """Reservations by their start; those that are over or cancelled only if ``over``."""
        async with self._transactions.read() as tx:
            return await reservations.many(tx, over=over)

    async def taken(self) -> Taken:
        """What is booked, and until when leases have machines."""
        async with self._transactions.read() as tx:
            return await reservations.taken(tx)

    async def cancel(self, reservation_id: str) -> Reservation:
        """Cancel one; its leases go on until they end. Cancelling twice is fine.

        Raises:
            NotFound: there never was such a reservation.
            Conflict: it is over.
        """
        async with self._transactions.write() as tx:
            await tx.alone()
            done = await reservations.cancel(tx, reservation_id)
            found = await reservations.one(tx, reservation_id)
        if found is None:
            raise NotFound(
                f"there is no reservation {reservation_id!r}: `vmm reservations` lists them"
            )
        if not done and found.cancelled_at is None:
            raise Conflict(f"reservation {reservation_id} is over: there is nothing to cancel")
        return found
