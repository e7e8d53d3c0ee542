"""The story of one lease, and of one machine: what ``vmm why`` tells."""

from __future__ import annotations

from typing import Any

from ...errors import NotFound
from ...model import LeaseEvent, Machine
from ..routes import OPERATING, SEEING_LEASES, Answer, Call, Nothing, Route, Services
from .visible import visible_lease


async def history(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """What happened to a lease so far."""
    found = await visible_lease(services, call.caller, call.path["lease"])
    return Answer(await services.store.leases.events(found.id))


async def show_machine(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """One machine, also one that is deleted."""
    return Answer(await services.store.machines.get(call.path["machine"]))


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="GET",
        path="/leases/{lease}/history",
        name="lease_history",
        summary="What happened to the lease so far; `events` goes on with what happens next",
        answers={200: list[LeaseEvent]},
        body=Nothing,
        query=Nothing,
        run=history,
        scopes=SEEING_LEASES,
        errors=(NotFound,),
    ),
    Route(
        method="GET",
        path="/machines/{machine}",
        name="show_machine",
        summary="One machine, also one that is deleted",
        answers={200: Machine},
        body=Nothing,
        query=Nothing,
        run=show_machine,
        scopes=OPERATING,
        errors=(NotFound,),
    ),
)
