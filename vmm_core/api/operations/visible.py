"""Who may know of a lease, and whose it is: decided here and nowhere else.

A lease is seen by the user it is for, by the frontend that asked for it, by its
members while they are, and by operators; to anybody else it does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextlib import suppress

from ...errors import NotAllowed, NotFound
from ...model import Lease
from ...tokens import Caller, Scope
from ..routes import Services

LEASE_ID = "[a-zA-Z0-9._-]{1,63}"
"""What may be a lease's id; anything else is not looked for."""


def owns(caller: Caller, lease: Lease) -> bool:
    """Whether the caller may do with the lease what its owner may."""
    return (
        Scope.OPERATE in caller.scopes
        or lease.frontend == caller.name
        or lease.owner == caller.name
    )


def may_see(caller: Caller, lease: Lease, shared: Collection[str] = ()) -> bool:
    """Whether the caller may know of the lease; ``shared`` are those that it is a member of."""
    return owns(caller, lease) or lease.id in shared


async def visible_lease(services: Services, caller: Caller, lease_id: str) -> Lease:
    """The lease, if the caller may know of it.

    Raises:
        NotFound: no such lease, or none of the caller's: the answer is the same.
    """
    lease = None
    if re.fullmatch(LEASE_ID, lease_id):
        with suppress(NotFound):
            lease = await services.leases.get(lease_id)
    if lease is None or not (owns(caller, lease) or await _shares(services, caller, lease_id)):
        raise NotFound(
            f"there is no lease {lease_id!r} that this token may see: "
            "list those that there are with GET /leases, or `vmm leases`"
        )
    return lease


async def owned_lease(services: Services, caller: Caller, lease_id: str, what: str) -> Lease:
    """The lease, if the caller may do ``what`` its owner may.

    Raises:
        NotFound: no such lease, or none that the caller may know of.
        NotAllowed: the caller is a member of it only.
    """
    lease = await visible_lease(services, caller, lease_id)
    if not owns(caller, lease):
        raise NotAllowed(
            f"{caller.name} may not {what} lease {lease.id}: its owner {lease.owner} may"
        )
    return lease


async def _shares(services: Services, caller: Caller, lease_id: str) -> bool:
    return lease_id in await services.store.members.leases_of(caller.name)


def groups_of(caller: Caller, stated: Sequence[str] | None) -> tuple[str, ...] | None:
    """In which groups the user is for whom the caller looks or asks; None: nobody said.

    Raises:
        NotAllowed: the caller says it and is no frontend.
    """
    if Scope.LEASE_ANY in caller.scopes:
        return None if stated is None else tuple(stated)
    if stated is not None:
        raise NotAllowed(
            f"the token {caller.name!r} may not say in which groups a user is: its own are in the "
            "tokens file; leave groups out, or use a token with the scope lease:any"
        )
    sees_all = caller.scopes & {Scope.OPERATE, Scope.READ} and Scope.LEASE not in caller.scopes
    return None if sees_all else caller.groups
