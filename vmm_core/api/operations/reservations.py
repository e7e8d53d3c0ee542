"""Reservations: booked, seen, cancelled."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from pydantic import Field

from ...allocation.bookings import Wish
from ...errors import Conflict, Impossible, LimitReached, NotFound
from ...model import Noun, Reservation
from ...tokens import Caller, Scope
from ..keys import key_of
from ..models import PREFIX, Owner, ReservationRequest
from ..problems import BodyTooLarge
from ..routes import SEEING_LEASES, Answer, Call, Nothing, Route, Services

BOOKING = frozenset({Scope.LEASE_ANY, Scope.OPERATE})
"""Who books takes machines from others: a frontend decides for its users, or an operator."""

NAME = "[a-zA-Z0-9._-]{1,63}"
"""What may be a reservation's id; anything else is not looked for."""


class ReservationsQuery(Noun):
    """Which reservations to list."""

    owner: Owner | None = Field(default=None, description="of this user only")
    over: bool = Field(default=False, description="also those that are over or cancelled")


async def book(services: Services, call: Call[ReservationRequest, Nothing]) -> Answer:
    """Book machines for a time."""
    body = call.body
    wish = Wish(
        owner=body.owner or call.caller.name,
        group=body.group,
        needs=body.needs,
        machines=body.machines,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
    )
    services.leases.check(wish.needs)
    key = key_of(call.headers)
    made, new = await services.reservations.book(wish, frontend=call.caller.name, key=key)
    return Answer(made, 201 if new else 200, {"Location": f"{PREFIX}/reservations/{made.id}"})


async def list_reservations(services: Services, call: Call[Nothing, ReservationsQuery]) -> Answer:
    """The reservations that the caller may see."""
    found = await services.reservations.all(over=call.query.over)
    owner = call.query.owner
    return Answer(
        [each for each in found if _may_see(call.caller, each) and owner in (None, each.owner)]
    )


async def show_reservation(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """One reservation."""
    return Answer(await _visible(services, call))


async def cancel(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """Cancel a reservation."""
    return Answer(await services.reservations.cancel((await _visible(services, call)).id))


def _may_see(caller: Caller, reservation: Reservation) -> bool:
    return Scope.OPERATE in caller.scopes or caller.name in (
        reservation.frontend,
        reservation.owner,
    )


async def _visible(services: Services, call: Call[Nothing, Nothing]) -> Reservation:
    """The reservation of the path, if the caller may know of it.

    Raises:
        NotFound: no such reservation, or none of the caller's: the answer is the same.
    """
    name, found = call.path["reservation"], None
    if re.fullmatch(NAME, name):
        with suppress(NotFound):
            found = await services.reservations.get(name)
    if found is None or not _may_see(call.caller, found):
        raise NotFound(
            f"there is no reservation {name!r} that this token may see: "
            "list those that there are with GET /reservations, or `vmm reservations`"
        )
    return found


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="POST",
        path="/reservations",
        name="book",
        summary="Book machines for a time: 201 a new reservation, 200 the one of this key",
        answers={200: Reservation, 201: Reservation},
        body=ReservationRequest,
        query=Nothing,
        run=book,
        scopes=BOOKING,
        headers={"Idempotency-Key": "the same key returns the same reservation"},
        errors=(Impossible, LimitReached, BodyTooLarge),
    ),
    Route(
        method="GET",
        path="/reservations",
        name="list_reservations",
        summary="The reservations that the token may see, by their start",
        answers={200: list[Reservation]},
        body=Nothing,
        query=ReservationsQuery,
        run=list_reservations,
        scopes=SEEING_LEASES,
    ),
    Route(
        method="GET",
        path="/reservations/{reservation}",
        name="show_reservation",
        summary="One reservation",
        answers={200: Reservation},
        body=Nothing,
        query=Nothing,
        run=show_reservation,
        scopes=SEEING_LEASES,
        errors=(NotFound,),
    ),
    Route(
        method="DELETE",
        path="/reservations/{reservation}",
        name="cancel_reservation",
        summary="Cancel a reservation; leases that it has go on. Again is fine",
        answers={200: Reservation},
        body=Nothing,
        query=Nothing,
        run=cancel,
        scopes=SEEING_LEASES,
        errors=(NotFound, Conflict),
    ),
)
