"""Leases that are shared: who is let in, and their entry."""

from __future__ import annotations

from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from ...errors import Conflict, NotFound
from ...model import Handover, Member, Noun
from ...sharing import acting
from ..models import Acting, GrantRequest, Owner
from ..problems import bad_request_of
from ..routes import SEEING_LEASES, Answer, Call, Nothing, Route, Services
from .visible import visible_lease

_USER: TypeAdapter[str] = TypeAdapter(Owner)


class RevokeQuery(Noun):
    """Who revokes."""

    acting: Owner | None = Field(
        default=None,
        description="who does it, if the token is a frontend's; the lease's owner if not given",
    )


async def members(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """Who may enter besides the owner."""
    lease = await visible_lease(services, call.caller, call.path["lease"])
    return Answer(await services.store.members.living(lease.id))


async def share(services: Services, call: Call[GrantRequest, Nothing]) -> Answer:
    """Let somebody in."""
    lease = await visible_lease(services, call.caller, call.path["lease"])
    who = acting(call.caller, lease, call.body.acting)
    who.must_own(lease, "share")
    grant = services.store.members.grant
    return Answer(await grant(lease.id, call.body.user, call.body.role, who.by))


async def unshare(services: Services, call: Call[Nothing, RevokeQuery]) -> Answer:
    """Let somebody in no more; members may go by themselves."""
    lease = await visible_lease(services, call.caller, call.path["lease"])
    who, user = acting(call.caller, lease, call.query.acting), _name(call.path["user"])
    if who.by.name != user:
        who.must_own(lease, "share")
    await services.store.members.revoke(lease.id, user, who.by)
    return Answer(await services.store.members.living(lease.id))


def _name(user: str) -> str:
    try:
        return _USER.validate_python(user)
    except ValidationError as error:
        raise bad_request_of(error, "user's name") from None


async def enter(services: Services, call: Call[Acting, Nothing]) -> Answer:
    """Where the running session answers, for one who may enter it."""
    lease = await visible_lease(services, call.caller, call.path["lease"])
    who = acting(call.caller, lease, call.body.acting)
    entered, port = await services.store.members.enter(lease.id, who.by)
    machine = entered.machine
    assert machine is not None  # noqa: S101 - a lease that is entered has one
    return Answer(
        Handover(lease=lease.id, address=machine.address or "", port=machine.ports.get(port, port))
    )


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="GET",
        path="/leases/{lease}/members",
        name="members",
        summary="Who may enter the lease's machine besides its owner",
        answers={200: list[Member]},
        body=Nothing,
        query=Nothing,
        run=members,
        scopes=SEEING_LEASES,
        errors=(NotFound,),
    ),
    Route(
        method="POST",
        path="/leases/{lease}/members",
        name="share",
        summary="Let somebody see the lease and enter its machine; the same again is fine",
        answers={200: Member},
        body=GrantRequest,
        query=Nothing,
        run=share,
        scopes=SEEING_LEASES,
        errors=(NotFound, Conflict),
    ),
    Route(
        method="DELETE",
        path="/leases/{lease}/members/{user}",
        name="unshare",
        summary="Let somebody in no more, from now on; who is left. Again is fine",
        answers={200: list[Member]},
        body=Nothing,
        query=RevokeQuery,
        run=unshare,
        scopes=SEEING_LEASES,
        errors=(NotFound,),
    ),
    Route(
        method="POST",
        path="/leases/{lease}/enter",
        name="enter",
        summary="Where the lease's session answers, for its owner and for those it is shared "
        "with; each entry is a line of the audit log",
        answers={200: Handover},
        body=Acting,
        query=Nothing,
        run=enter,
        scopes=SEEING_LEASES,
        errors=(NotFound, Conflict),
    ),
)
