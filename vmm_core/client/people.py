"""What both clients can do with the time of leases and with the people around them."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from ..api.models import Acting, ExtendRequest, GrantRequest
from ..model import AuditEntry, Handover, Lease, Member, Role
from .transport import Transport

T = TypeVar("T")

_LEASE = TypeAdapter(Lease)
_MEMBER = TypeAdapter(Member)
_MEMBERS = TypeAdapter(list[Member])
_HANDOVER = TypeAdapter(Handover)
_ENTRIES = TypeAdapter(list[AuditEntry])


class PeopleCalls:
    """A part of :class:`vmm_core.client.VmmClient`.

    ``acting`` is who does something, for a frontend's token: one of its users; None is
    the lease's owner. Other tokens act for their own name and leave it out.
    """

    _transport: Transport

    async def extend(
        self, lease_id: str, *, acting: str | None = None, hours: float | None = None
    ) -> Lease:
        """Let a lease end later, as its lifetime allows.

        Args:
            lease_id: which.
            acting: who does it.
            hours: so many, whatever the lifetime allows; needs the scope ``operate``.

        Raises:
            Conflict: it cannot be extended (any more, or yet); it says when it ends.
        """
        body = ExtendRequest(acting=acting, hours=hours).model_dump_json()
        return await self._transport.call(
            "POST", f"{_path(lease_id)}/extend", _LEASE, body=body, again=False
        )

    async def restore(self, lease_id: str, *, acting: str | None = None) -> Lease:
        """Take a lease back that has ended, with its machine; bind it anew afterwards.

        Raises:
            Conflict: its machine is gone, or its session is still being ended.
            LimitReached: its owner has as much as allowed.
        """
        body = Acting(acting=acting).model_dump_json()
        return await self._transport.call("POST", f"{_path(lease_id)}/restore", _LEASE, body=body)

    async def members(self, lease_id: str) -> list[Member]:
        """Who may enter a lease's machine besides its owner."""
        return await self._transport.call("GET", f"{_path(lease_id)}/members", _MEMBERS)

    async def share(
        self, lease_id: str, user: str, role: Role = Role.MEMBER, *, acting: str | None = None
    ) -> Member:
        """Let ``user`` see a lease and enter its machine. The same again is fine."""
        body = GrantRequest(user=user, role=role, acting=acting).model_dump_json()
        return await self._transport.call("POST", f"{_path(lease_id)}/members", _MEMBER, body=body)

    async def unshare(self, lease_id: str, user: str, *, acting: str | None = None) -> list[Member]:
        """Let ``user`` in no more, from now on; who is left."""
        return await self._transport.call(
            "DELETE",
            f"{_path(lease_id)}/members/{quote(user, safe='')}",
            _MEMBERS,
            params={"acting": acting} if acting else {},
        )

    async def enter(self, lease_id: str, *, acting: str | None = None) -> Handover:
        """Where the session of a lease answers, for its owner and those it is shared with.

        Raises:
            NotAllowed: it is not shared with who asks, or not any more.
            Conflict: no session runs on it.
        """
        body = Acting(acting=acting).model_dump_json()
        return await self._transport.call("POST", f"{_path(lease_id)}/enter", _HANDOVER, body=body)

    async def audit(
        self, lease_id: str | None = None, *, since: int = 0, most: int = 1000
    ) -> list[AuditEntry]:
        """Who did what, oldest first: of one lease, or (scope ``operate``) all there is.

        Args:
            lease_id: of this lease only.
            since: the number of the first line wanted; ask on from the last one plus 1.
            most: so many lines at most; 1000 is the most of an answer.
        """
        path = "audit" if lease_id is None else f"{_path(lease_id)}/audit"
        params = {"since": str(since), "most": str(most)}
        return await self._transport.call("GET", path, _ENTRIES, params=params)


def _path(lease_id: str) -> str:
    return f"leases/{quote(lease_id, safe='')}"
