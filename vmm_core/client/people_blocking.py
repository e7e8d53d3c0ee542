"""The same as :mod:`.people`, without asyncio."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from ..model import AuditEntry, Handover, Lease, Member, Role
from .people import PeopleCalls

T = TypeVar("T")


class PeopleBlocking:
    """A part of :class:`vmm_core.client.Vmm`."""

    _client: PeopleCalls

    def extend(
        self, lease_id: str, *, acting: str | None = None, hours: float | None = None
    ) -> Lease:
        """See :meth:`VmmClient.extend`."""
        return self._run(self._client.extend(lease_id, acting=acting, hours=hours))

    def restore(self, lease_id: str, *, acting: str | None = None) -> Lease:
        """See :meth:`VmmClient.restore`."""
        return self._run(self._client.restore(lease_id, acting=acting))

    def members(self, lease_id: str) -> list[Member]:
        """See :meth:`VmmClient.members`."""
        return self._run(self._client.members(lease_id))

    def share(
        self, lease_id: str, user: str, role: Role = Role.MEMBER, *, acting: str | None = None
    ) -> Member:
        """See :meth:`VmmClient.share`."""
        return self._run(self._client.share(lease_id, user, role, acting=acting))

    def unshare(self, lease_id: str, user: str, *, acting: str | None = None) -> list[Member]:
        """See :meth:`VmmClient.unshare`."""
        return self._run(self._client.unshare(lease_id, user, acting=acting))

    def enter(self, lease_id: str, *, acting: str | None = None) -> Handover:
        """See :meth:`VmmClient.enter`."""
        return self._run(self._client.enter(lease_id, acting=acting))

    def audit(
        self, lease_id: str | None = None, *, since: int = 0, most: int = 1000
    ) -> list[AuditEntry]:
        """See :meth:`VmmClient.audit`."""
        return self._run(self._client.audit(lease_id, since=since, most=most))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        raise NotImplementedError
