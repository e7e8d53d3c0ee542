"""The route table: the single source of what the API offers.

Paths are below ``/vmm/api/v1``. The agents' WebSocket and the document itself
are no operations of this table.
"""

from __future__ import annotations

from typing import Any

from ..errors import BadRequest, BindFailed, Conflict, Impossible, NotFound, Unavailable
from ..model import (
    Environment,
    Handover,
    Lease,
    LeaseEvent,
    Location,
    Machine,
    Needs,
    Offer,
    Session,
)
from ..pools.status import PoolStatus
from ..tokens import Scope
from . import operations
from .models import Health, LeaseRequest
from .operations import DeleteQuery, EventsQuery, LeasesQuery
from .problems import BodyTooLarge
from .routes import MIB, Nothing, Route

LEASING = frozenset({Scope.LEASE, Scope.LEASE_ANY})
SEEING_LEASES = LEASING | {Scope.OPERATE}
SEEING_POOLS = frozenset({Scope.READ, Scope.OPERATE})
OPERATING = frozenset({Scope.OPERATE})

ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="GET",
        path="/health",
        name="health",
        summary="Whether the service and its store answer",
        answers={200: Health},
        body=Nothing,
        query=Nothing,
        run=operations.health,
        scopes=None,
    ),
    Route(
        method="GET",
        path="/environments",
        name="environments",
        summary="What can be asked for",
        answers={200: list[Environment]},
        body=Nothing,
        query=Nothing,
        run=operations.environments,
    ),
    Route(
        method="GET",
        path="/locations",
        name="locations",
        summary="Where the clouds run",
        answers={200: list[Location]},
        body=Nothing,
        query=Nothing,
        run=operations.locations,
    ),
    Route(
        method="GET",
        path="/offers",
        name="offers",
        summary="Every environment at every place in every size that meets the needs",
        answers={200: list[Offer]},
        body=Nothing,
        query=Needs,
        run=operations.offers,
    ),
    Route(
        method="GET",
        path="/pools",
        name="pools",
        summary="The pools and how many machines of each are in which state",
        answers={200: list[PoolStatus]},
        body=Nothing,
        query=Nothing,
        run=operations.pools,
        scopes=SEEING_POOLS,
    ),
    Route(
        method="GET",
        path="/machines",
        name="machines",
        summary="Every machine that is not deleted",
        answers={200: list[Machine]},
        body=Nothing,
        query=Nothing,
        run=operations.machines,
        scopes=OPERATING,
    ),
    Route(
        method="DELETE",
        path="/machines/{machine}",
        name="delete_machine",
        summary="Delete a machine that nobody leases; with `discard` also what it holds",
        answers={200: Machine},
        body=Nothing,
        query=DeleteQuery,
        run=operations.delete_machine,
        scopes=OPERATING,
        errors=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path="/leases",
        name="acquire",
        summary="Ask for a machine: 201 a new lease, 200 the one of this key, 202 it waits",
        answers={200: Lease, 201: Lease, 202: Lease},
        body=LeaseRequest,
        query=Nothing,
        run=operations.acquire,
        scopes=LEASING,
        headers={
            "Idempotency-Key": "the same key returns the same lease while it lasts; "
            "without one, every request is a new one"
        },
        errors=(Impossible, BodyTooLarge),
    ),
    Route(
        method="GET",
        path="/leases",
        name="list_leases",
        summary="The leases that the token may see",
        answers={200: list[Lease]},
        body=Nothing,
        query=LeasesQuery,
        run=operations.list_leases,
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
        run=operations.show_lease,
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
        follow=operations.events,
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
        run=operations.bind,
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
        run=operations.release,
        scopes=SEEING_LEASES,
        errors=(NotFound,),
    ),
)
