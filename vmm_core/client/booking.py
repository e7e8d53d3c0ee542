"""What both clients can do with reservations."""

from __future__ import annotations

import uuid
from datetime import datetime
from urllib.parse import quote

from pydantic import TypeAdapter

from ..api.models import ReservationRequest
from ..model import Needs, Reservation
from .transport import Transport

_RESERVATION = TypeAdapter(Reservation)
_RESERVATIONS = TypeAdapter(list[Reservation])


class BookingCalls:
    """A part of :class:`vmm_core.client.VmmClient`."""

    _transport: Transport

    async def book(
        self,
        needs: Needs,
        *,
        machines: int,
        starts_at: datetime,
        ends_at: datetime,
        owner: str | None = None,
        group: str = "",
        key: str | None = None,
    ) -> Reservation:
        """Book machines for a time. Needs the scope ``lease:any`` or ``operate``.

        Args:
            needs: what each must have.
            machines: at any moment of the time.
            starts_at: from then on leases can be had of it; with a timezone.
            ends_at: its leases end then.
            owner: the user it is for; None is the token's own name.
            group: whose members may use it; empty: the owner only.
            key: repeating a request with the same key returns the same reservation.

        Raises:
            Impossible: no place has so many machines free in all that time.
            LimitReached: the user or group would have too many booked at once.
        """
        request = ReservationRequest(
            needs=needs,
            machines=machines,
            starts_at=starts_at,
            ends_at=ends_at,
            owner=owner,
            group=group,
        )
        return await self._transport.call(
            "POST",
            "reservations",
            _RESERVATION,
            headers={"Idempotency-Key": key or uuid.uuid4().hex},
            body=request.model_dump_json(),
        )

    async def reservations(
        self, owner: str | None = None, *, over: bool = False
    ) -> list[Reservation]:
        """The reservations that the token may see; those over or cancelled only if ``over``."""
        params = {"over": "true"} if over else {}
        if owner is not None:
            params["owner"] = owner
        return await self._transport.call("GET", "reservations", _RESERVATIONS, params=params)

    async def reservation(self, reservation_id: str) -> Reservation:
        """The reservation as it is now."""
        return await self._transport.call(
            "GET", f"reservations/{quote(reservation_id, safe='')}", _RESERVATION
        )

    async def cancel(self, reservation_id: str) -> Reservation:
        """Cancel a reservation; its leases go on. Cancelling twice is fine."""
        path = f"reservations/{quote(reservation_id, safe='')}"
        return await self._transport.call("DELETE", path, _RESERVATION)
