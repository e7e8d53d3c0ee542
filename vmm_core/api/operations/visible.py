"""Who may know of a lease: decided here and nowhere else.

A lease is seen by the user it is for, by the frontend that asked for it, and by
operators; to anybody else it does not exist.
"""

from __future__ import annotations

from ...errors import NotFound
from ...model import Lease
from ...tokens import Caller, Scope
from ..routes import Services


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
