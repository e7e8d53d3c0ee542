"""How long leases last: extended, taken back."""

from __future__ import annotations

from typing import Any

from ...errors import Conflict, LimitReached, NotAllowed, NotFound
from ...model import Lease
from ...sharing import acting
from ..models import Acting, ExtendRequest
from ..routes import SEEING_LEASES, Answer, Call, Nothing, Route, Services
from .visible import visible_lease


async def extend(services: Services, call: Call[ExtendRequest, Nothing]) -> Answer:
    """Let a lease end later."""
    lease = await visible_lease(services, call.caller, call.path["lease"])
    who = acting(call.caller, lease, call.body.acting)
    who.must_own(lease, "extend")
    if call.body.hours is not None and not who.operator:
        raise NotAllowed("only an operator says by how many hours: leave 'hours' out")
    return Answer(await services.pools.keeper.extend(lease.id, who.by, hours=call.body.hours))


async def restore(services: Services, call: Call[Acting, Nothing]) -> Answer:
    """Take a lease back that has ended."""
    lease = await visible_lease(services, call.caller, call.path["lease"])
    who = acting(call.caller, lease, call.body.acting)
    who.must_own(lease, "restore")
    keeper = services.pools.keeper
    return Answer(await keeper.restore(lease.id, who.by, operator=who.operator))


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="POST",
        path="/leases/{lease}/extend",
        name="extend",
        summary="Let a lease end later, as often and by as much as its lifetime allows",
        answers={200: Lease},
        body=ExtendRequest,
        query=Nothing,
        run=extend,
        scopes=SEEING_LEASES,
        errors=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path="/leases/{lease}/restore",
        name="restore",
        summary="Take back a lease that has ended, with its machine and what is on it, "
        "within the time that its lifetime allows; bind it anew afterwards. Again is fine",
        answers={200: Lease},
        body=Acting,
        query=Nothing,
        run=restore,
        scopes=SEEING_LEASES,
        errors=(NotFound, Conflict, LimitReached),
    ),
)
