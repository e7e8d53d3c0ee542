"""The operations of the API: what each route of :mod:`vmm_core.api.table` does.

Who may do what is decided here and nowhere else. A lease is seen by the user it
is for, by the frontend that asked for it, and by operators; to anybody else it
does not exist.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator

from pydantic import Field

from .. import __version__
from ..errors import BadRequest, NotAllowed, NotFound
from ..model import Lease, LeaseEvent, LeaseState, Needs, Noun, Session
from ..tokens import Caller, Scope
from .models import PREFIX, Health, LeaseRequest, Owner
from .routes import Answer, Call, Nothing, Services

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class LeasesQuery(Noun):
    """Which leases to list."""

    owner: Owner | None = Field(default=None, description="of this user only")
    ended: bool = Field(default=False, description="also those that are over")
    held: bool = Field(default=False, description="only those whose machine is held after the end")


class EventsQuery(Noun):
    """Where to start."""

    since: int = Field(default=0, ge=0, description="number of the first event wanted")


class DeleteQuery(Noun):
    """How to delete a machine."""

    discard: bool = Field(default=False, description="also what it holds that is nowhere else")


async def health(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """The service answers, and so does its store."""
    await services.store.leases.holder_of("")  # any query will do; this one is cheap
    return Answer(Health(version=__version__))


async def environments(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """What can be asked for."""
    return Answer(list(services.catalogue.environments.values()))


async def locations(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """Where the clouds run."""
    return Answer(list(services.catalogue.locations.values()))


async def offers(services: Services, call: Call[Nothing, Needs]) -> Answer:
    """Every environment at every place in every size that meets the needs."""
    return Answer(await services.leases.offers(call.query))


async def pools(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """The pools and how many machines of each are in which state."""
    return Answer(await services.pools.status())


async def machines(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """Every machine that is not deleted."""
    return Answer(await services.store.machines.all())


async def delete_machine(services: Services, call: Call[Nothing, DeleteQuery]) -> Answer:
    """Delete a machine that nobody leases."""
    machine_id = call.path["machine"]
    return Answer(await services.pools.held.remove(machine_id, discard=call.query.discard))


async def acquire(services: Services, call: Call[LeaseRequest, Nothing]) -> Answer:
    """Ask for a machine."""
    owner = call.body.owner or call.caller.name
    if not call.caller.may_act_for(owner):
        raise NotAllowed(
            f"the token {call.caller.name!r} may lease for itself only, not for {owner!r}: "
            "use a token with the scope lease:any"
        )
    key = call.headers.get("Idempotency-Key") or uuid.uuid4().hex
    if not _KEY.fullmatch(key):
        raise BadRequest("the Idempotency-Key must be 1 to 255 visible ASCII characters")
    known = {
        lease.id
        for lease in await services.leases.list(owner)
        if (lease.frontend, lease.key) == (call.caller.name, key)
    }
    lease = await services.leases.acquire(
        owner=owner, frontend=call.caller.name, key=key, needs=call.body.needs
    )
    status = 200 if lease.id in known else 201
    if lease.state is LeaseState.WAITING:
        status = 202
    return Answer(lease, status, {"Location": f"{PREFIX}/leases/{lease.id}"})


async def list_leases(services: Services, call: Call[Nothing, LeasesQuery]) -> Answer:
    """The leases that the caller may see."""
    query = call.query
    found = await services.leases.list(query.owner, ended=query.ended, held=query.held)
    return Answer([lease for lease in found if may_see(call.caller, lease)])


async def show_lease(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """One lease."""
    return Answer(await visible_lease(services, call.caller, call.path["lease"]))


async def events(services: Services, call: Call[Nothing, EventsQuery]) -> AsyncIterator[LeaseEvent]:
    """What happened to the lease, and what happens next."""
    found = await visible_lease(services, call.caller, call.path["lease"])
    since = call.query.since
    last = call.headers.get("Last-Event-ID")
    if last is not None:
        if not last.isdecimal():
            raise BadRequest("Last-Event-ID must be the number of an event")
        since = int(last) + 1
    return services.leases.events(found.id, since)


async def bind(services: Services, call: Call[Session, Nothing]) -> Answer:
    """Make the lease's machine the user's."""
    found = await visible_lease(services, call.caller, call.path["lease"])
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
    found = await visible_lease(services, call.caller, call.path["lease"])
    return Answer(await services.leases.release(found.id))


def may_see(caller: Caller, lease: Lease) -> bool:
    """Whether the caller may know of the lease."""
    return (
        Scope.OPERATE in caller.scopes
        or lease.frontend == caller.name
        or lease.owner == caller.name
    )


async def visible_lease(services: Services, caller: Caller, lease_id: str) -> Lease:
    """The lease, if the caller may know of it.

    Raises:
        NotFound: no such lease, or none of the caller's: the answer is the same.
    """
    try:
        lease = await services.leases.get(lease_id)
    except NotFound:
        lease = None
    if lease is None or not may_see(caller, lease):
        raise NotFound(
            f"there is no lease {lease_id!r} that this token may see: "
            "list those that there are with GET /leases, or `vmm leases`"
        )
    return lease


def _asks_for_root(session: Session) -> bool:
    return bool(session.daemons) or any(file.owner == "root" for file in session.files)
