"""Who besides its owner may enter a lease's machine; each method is one transaction.

Each change and each entry has its line in the audit log, written with it.
"""

from __future__ import annotations

from collections.abc import Collection

from ..errors import Conflict, NotAllowed, NotFound
from ..model import Lease, LeaseState, Member, Role
from .engine import Transaction
from .queries import audit, leases, lifetimes, members
from .records import Actor
from .transactions import Rows


class MemberRows(Rows):
    """Grants on leases."""

    async def living(self, lease_id: str) -> list[Member]:
        """Who may enter the lease's machine now, the first granted first."""
        async with self._transactions.read() as tx:
            return await members.living(tx, lease_id)

    async def leases_of(self, user: str) -> set[str]:
        """The leases that a user is a member of now."""
        async with self._transactions.read() as tx:
            return await members.leases_of(tx, user)

    async def grant(self, lease_id: str, user: str, role: Role, by: Actor) -> Member:
        """Give a user a role, in place of one that the user has. The same again is fine.

        Raises:
            NotFound: there never was such a lease.
            Conflict: it has ended, or the user is its owner.
        """
        async with self._transactions.write() as tx:
            lease = await _locked(tx, lease_id)
            if lease.ended_at is not None:
                raise Conflict(f"lease {lease_id} has ended: nobody can be let in any more")
            if lease.owner == user:
                raise Conflict(f"lease {lease_id} is {user}'s own: name somebody else")
            return await _grant(tx, lease_id, user, role, by)

    async def revoke(self, lease_id: str, user: str, by: Actor) -> bool:
        """Take a user's role back, from now on; whether the user had one."""
        async with self._transactions.write() as tx:
            await _locked(tx, lease_id)
            return await _revoke(tx, lease_id, user, by)

    async def are(self, lease_id: str, users: Collection[str], role: Role, by: Actor) -> None:
        """Let the members of a lease be exactly these; a lease that has ended has none.

        Raises:
            NotFound: there never was such a lease.
        """
        async with self._transactions.write() as tx:
            lease = await _locked(tx, lease_id)
            wanted = set(users) - {lease.owner} if lease.ended_at is None else set()
            for member in await members.living(tx, lease_id):
                if member.user not in wanted:
                    await _revoke(tx, lease_id, member.user, by)
            for user in sorted(wanted):
                await _grant(tx, lease_id, user, role, by)

    async def enter(self, lease_id: str, by: Actor) -> tuple[Lease, int]:
        """Note that somebody enters; the lease, and the port where its session answers.

        Raises:
            NotFound: there never was such a lease.
            NotAllowed: it is not ``by``'s, who has no role on it now.
            Conflict: it has ended, or no session runs on it.
        """
        async with self._transactions.write() as tx:
            lease = await _locked(tx, lease_id)
            member = await members.one(tx, lease_id, by.name)
            if lease.owner != by.name and member is None:
                raise NotAllowed(
                    f"{by.name} may not enter lease {lease_id}: "
                    f"let {lease.owner} or an operator grant it"
                )
            if lease.state is not LeaseState.ACQUIRED or lease.machine is None:
                why = "waits for its machine" if lease.ended_at is None else "has ended"
                raise Conflict(f"lease {lease_id} {why}: there is nothing to enter")
            bound = await leases.binding(tx, lease_id)
            if bound is None or bound.port is None:
                raise Conflict(
                    f"no session runs on lease {lease_id}: enter when {lease.owner} has started one"
                )
            role = member.role.value if member else "owner"
            await audit.note(
                tx, by, "enter", lease=lease_id, machine=lease.machine.id, subject=role
            )
            return lease, bound.port


async def _locked(tx: Transaction, lease_id: str) -> Lease:
    """The lease, which does not end before the transaction does."""
    if not await lifetimes.lock(tx, lease_id):
        raise NotFound(f"there is no lease {lease_id!r}: `vmm leases` lists yours")
    found = await leases.one(tx, lease_id)
    assert found is not None  # noqa: S101 - its row is locked
    return found


async def _grant(tx: Transaction, lease_id: str, user: str, role: Role, by: Actor) -> Member:
    has = await members.one(tx, lease_id, user)
    if has is not None and has.role is role:
        return has
    if has is not None:
        await members.revoke(tx, lease_id, user)
    await members.add(tx, lease_id, user, role, by.name)
    made = await members.one(tx, lease_id, user)
    assert made is not None  # noqa: S101 - added above
    await audit.note(tx, by, "grant", lease=lease_id, subject=user, detail=role.value)
    return made


async def _revoke(tx: Transaction, lease_id: str, user: str, by: Actor) -> bool:
    if not await members.revoke(tx, lease_id, user):
        return False
    await audit.note(tx, by, "revoke", lease=lease_id, subject=user)
    return True
