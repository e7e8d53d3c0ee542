"""The same as :mod:`.booking`, without asyncio."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from typing import Any, TypeVar

from ..model import Needs, Reservation
from .booking import BookingCalls

T = TypeVar("T")


class BookingBlocking:
    """A part of :class:`vmm_core.client.Vmm`."""

    _client: BookingCalls

    def book(
        self,
        needs: Needs,
        *,
        machines: int,
        starts_at: datetime,
        ends_at: datetime,
        owner: str | None = None,
        group: str = "",
        key: str | None = None,
    ) -> Reservation:
        """See :meth:`VmmClient.book`."""
        return self._run(
            self._client.book(
                needs,
                machines=machines,
                starts_at=starts_at,
                ends_at=ends_at,
                owner=owner,
                group=group,
                key=key,
            )
        )

    def reservations(self, owner: str | None = None, *, over: bool = False) -> list[Reservation]:
        """See :meth:`VmmClient.reservations`."""
        return self._run(self._client.reservations(owner, over=over))

    def reservation(self, reservation_id: str) -> Reservation:
        """See :meth:`VmmClient.reservation`."""
        return self._run(self._client.reservation(reservation_id))

    def cancel(self, reservation_id: str) -> Reservation:
        """See :meth:`VmmClient.cancel`."""
        return self._run(self._client.cancel(reservation_id))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        raise NotImplementedError
