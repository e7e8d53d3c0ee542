"""Who acts on a lease, and what they may do there. Pure.

An owner does everything with a lease; a member and support see it and enter its
machine; an operator does all but enter. A frontend speaks for its own users: it
says who acts, and it is the lease's owner if it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import NotAllowed
from .model import Lease
from .store.records import Actor
from .tokens import Caller, Scope


@dataclass(frozen=True, slots=True)
class Acting:
    """Somebody who wants something of a lease."""

    by: Actor
    owner: bool
    """It is theirs."""
    operator: bool

    def must_own(self, lease: Lease, what: str) -> None:
        """Refuse those who are neither its owner nor an operator.

        Raises:
            NotAllowed: with who may do ``what``.
        """
        if not (self.owner or self.operator):
            raise NotAllowed(
                f"{self.by.name} may not {what} lease {lease.id}: its owner {lease.owner} may"
            )


def acting(caller: Caller, lease: Lease, user: str | None = None) -> Acting:
    """Who acts on a lease that the caller may see.

    Args:
        caller: whose token it is.
        lease: on which.
        user: whom a frontend speaks for, if not the lease's owner.

    Raises:
        NotAllowed: the caller may not speak for ``user``.
    """
    speaks = Scope.LEASE_ANY in caller.scopes and lease.frontend == caller.name
    name = caller.name
    if speaks:
        name = user or lease.owner
    elif user is not None and user != caller.name:
        raise NotAllowed(
            f"the token {caller.name!r} may act for itself only, not for {user!r}: leave "
            "'acting' out, or use the token of the frontend that asked for the lease"
        )
    return Acting(
        by=Actor(name, caller.name),
        owner=name == lease.owner,
        operator=Scope.OPERATE in caller.scopes,
    )


def stranger(caller: Caller, lease: Lease) -> Actor | None:
    """The caller, if it is neither the lease's owner nor the frontend that speaks for them."""
    if caller.name in (lease.owner, lease.frontend):
        return None
    return Actor(caller.name, caller.name)
