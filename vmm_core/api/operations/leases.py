"""Leases: asked for, seen, followed, bound, released."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from pydantic import Field

from ...errors import (
    BadRequest,
    BindFailed,
    Conflict,
    Impossible,
    LimitReached,
    NotAllowed,
    NotFound,
    Unavailable,
    VmmError,
)
from ...model import (
    Handover,
    Lease,
    LeaseEvent,
    LeaseState,
    Noun,
    Session,
)
from ...sharing import stranger
from ...store.claims import Request
from ...tokens import Scope
from ..keys import key_of
from ..models import PREFIX, LeaseRequest, Owner
from ..problems import BodyTooLarge
from ..routes import (
    LEASING,
    MIB,
    SEEING_LEASES,
    Answer,
    Call,
    Nothing,
    Route,
    Services,
)
from .visible import groups_of, may_see, owned_lease, visible_lease


class LeasesQuery(Noun):
    """Which leases to list."""

    owner: Owner | None = Field(default=None, description="of this user only")
    ended: bool = Field(default=False, description="also those that are over")
    held: bool = Field(default=False, description="only those whose machine is held after the end")


MOST_EVENTS = 2**31 - 2
"""A lease has fewer."""


class EventsQuery(Noun):
    """Where to start."""

    since: int = Field(
        default=0, ge=0, le=MOST_EVENTS, description="number of the first event wanted"
    )


async def acquire(services: Services, call: Call[LeaseRequest, Nothing]) -> Answer:
    """Ask for a machine."""
    owner = call.body.owner or call.caller.name
    if not call.caller.may_act_for(owner):
        raise NotAllowed(
            f"the token {call.caller.name!r} may lease for itself only, not for {owner!r}: "
            "use a token with the scope lease:any"
        )
    groups = groups_of(call.caller, call.body.groups)
    if groups is None:
        groups = call.caller.groups if owner == call.caller.name else ()
    request = Request(
        owner=owner,
        frontend=call.caller.name,
        key=key_of(call.headers),
        needs=call.body.needs,
        groups=groups,
        reservation=call.body.reservation,
    )
    began = time.perf_counter()
    try:
        asked = await services.leases.ask(request)
    except VmmError:
        known = request.needs.environment in services.catalogue.environments
        services.metrics.refused(request.needs.environment if known else None)
        raise
    if asked.new:
        services.metrics.claimed(asked.lease, time.perf_counter() - began)
    status = 201 if asked.new else 200
    if asked.lease.state is LeaseState.WAITING:
        status = 202
    return Answer(asked.lease, status, {"Location": f"{PREFIX}/leases/{asked.lease.id}"})


async def list_leases(services: Services, call: Call[Nothing, LeasesQuery]) -> Answer:
    """The leases that the caller may see."""
    query = call.query
    found = await services.leases.list(query.owner, ended=query.ended, held=query.held)
    shared = await services.store.members.leases_of(call.caller.name)
    return Answer([lease for lease in found if may_see(call.caller, lease, shared)])


async def show_lease(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """One lease."""
    return Answer(await visible_lease(services, call.caller, call.path["lease"]))


async def events(services: Services, call: Call[Nothing, EventsQuery]) -> AsyncIterator[LeaseEvent]:
    """What happened to the lease, and what happens next."""
    found = await visible_lease(services, call.caller, call.path["lease"])
    since = call.query.since
    last = call.headers.get("Last-Event-ID")
    if last is not None:
        if not last.isdecimal() or len(last) > 10:
            raise BadRequest("Last-Event-ID must be the number of an event")
        since = min(int(last), MOST_EVENTS) + 1
    return services.leases.events(found.id, since)


async def bind(services: Services, call: Call[Session, Nothing]) -> Answer:
    """Make the lease's machine the user's."""
    found = await owned_lease(services, call.caller, call.path["lease"], "start sessions on")
    if not call.caller.may_act_for(found.owner):
        raise NotAllowed(f"the token {call.caller.name!r} may not start sessions on this lease")
    if Scope.LEASE_ANY not in call.caller.scopes and _asks_for_root(call.body):
        raise NotAllowed(
            "daemons and files of root's need a token with the scope lease:any: "
            "leave daemons empty and give files to the user"
        )
    return Answer(await services.leases.bind(found.id, call.body))


async def release(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """End the lease."""
    found = await owned_lease(services, call.caller, call.path["lease"], "release")
    return Answer(await services.leases.release(found.id, by=stranger(call.caller, found)))


def _asks_for_root(session: Session) -> bool:
    return bool(session.daemons) or any(file.owner == "root" for file in session.files)


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="POST",
        path="/leases",
        name="acquire",
        summary="Ask for a machine: 201 a new lease, 200 the one of this key, 202 it waits",
        answers={200: Lease, 201: Lease, 202: Lease},
        body=LeaseRequest,
        query=Nothing,
        run=acquire,
        scopes=LEASING,
        headers={
            "Idempotency-Key": "the same key returns the same lease while it lasts; "
            "without one, every request is a new one"
        },
        errors=(Impossible, LimitReached, NotFound, BodyTooLarge),
    ),
    Route(
        method="GET",
        path="/leases",
        name="list_leases",
        summary="The leases that the token may see",
        answers={200: list[Lease]},
        body=Nothing,
        query=LeasesQuery,
        run=list_leases,
        scopes=SEEING_LEASES,
    ),
    Route(
        method="GET",
        path="/leases/{lease}",
        name="show_lease",
        summary="One lease",
        answers={200: Lease},
        body=Nothing,
        query=Nothing,
        run=show_lease,
        scopes=SEEING_LEASES,
        errors=(NotFound,),
    ),
    Route(
        method="GET",
        path="/leases/{lease}/events",
        name="lease_events",
        summary="What happened to the lease and what happens next, as Server-Sent Events "
        "with a LeaseEvent as data; `event: end` closes the stream of a lease that is over",
        answers={200: LeaseEvent},
        body=Nothing,
        query=EventsQuery,
        follow=events,
        scopes=SEEING_LEASES,
        headers={"Last-Event-ID": "go on after this event; wins over `since`"},
        errors=(BadRequest, NotFound),
    ),
    Route(
        method="POST",
        path="/leases/{lease}/bind",
        name="bind",
        summary="Make the lease's machine the user's; answers when the session's program does",
        answers={200: Handover},
        body=Session,
        query=Nothing,
        run=bind,
        scopes=LEASING,
        errors=(NotFound, Conflict, BindFailed, Unavailable, BodyTooLarge),
        body_limit=4 * MIB,
    ),
    Route(
        method="DELETE",
        path="/leases/{lease}",
        name="release",
        summary="End the lease; its machine is deleted. Again is fine",
        answers={200: Lease},
        body=Nothing,
        query=Nothing,
        run=release,
        scopes=SEEING_LEASES,
        errors=(NotFound,),
    ),
)
