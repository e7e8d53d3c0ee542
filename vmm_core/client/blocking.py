"""The same client without asyncio, for scripts and notebooks.

Each :class:`Vmm` runs a :class:`VmmClient` on an event loop in a thread of its
own, so that it also works where a loop runs already, as in a notebook.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar

from ..model import (
    Environment,
    Handover,
    Lease,
    LeaseEvent,
    Location,
    Needs,
    Offer,
    Session,
)
from .asynchronous import VmmClient
from .booking_blocking import BookingBlocking
from .operating_blocking import OperatingBlocking
from .people_blocking import PeopleBlocking

T = TypeVar("T")


class Vmm(PeopleBlocking, BookingBlocking, OperatingBlocking):
    """The VMM, blocking. Arguments and methods are those of :class:`VmmClient`.

    Use it as ``with Vmm(url, token) as vmm:`` or call :meth:`close`.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = 30) -> None:
        self._client: VmmClient = VmmClient(url, token, timeout_s=timeout_s)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="vmm-client", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Of the service."""
        return self._client.url

    def close(self) -> None:
        """Close the connections and end the thread. Closing twice is fine."""
        if self._loop.is_closed():
            return
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def environments(self, *, groups: Sequence[str] | None = None) -> list[Environment]:
        """See :meth:`VmmClient.environments`."""
        return self._run(self._client.environments(groups=groups))

    def locations(self) -> list[Location]:
        """See :meth:`VmmClient.locations`."""
        return self._run(self._client.locations())

    def offers(
        self,
        needs: Needs | None = None,
        *,
        groups: Sequence[str] | None = None,
        at: datetime | None = None,
        for_h: float = 0,
    ) -> list[Offer]:
        """See :meth:`VmmClient.offers`."""
        return self._run(self._client.offers(needs, groups=groups, at=at, for_h=for_h))

    def acquire(
        self,
        needs: Needs,
        *,
        owner: str | None = None,
        groups: Sequence[str] | None = None,
        reservation: str | None = None,
        key: str | None = None,
    ) -> Lease:
        """See :meth:`VmmClient.acquire`."""
        return self._run(
            self._client.acquire(
                needs, owner=owner, groups=groups, reservation=reservation, key=key
            )
        )

    def lease(self, lease_id: str) -> Lease:
        """See :meth:`VmmClient.lease`."""
        return self._run(self._client.lease(lease_id))

    def leases(
        self, owner: str | None = None, *, ended: bool = False, held: bool = False
    ) -> list[Lease]:
        """See :meth:`VmmClient.leases`."""
        return self._run(self._client.leases(owner, ended=ended, held=held))

    def history(self, lease_id: str) -> list[LeaseEvent]:
        """See :meth:`VmmClient.history`."""
        return self._run(self._client.history(lease_id))

    def wait(self, lease_id: str, timeout_s: float) -> Lease:
        """See :meth:`VmmClient.wait`."""
        return self._run(self._client.wait(lease_id, timeout_s))

    def bind(self, lease_id: str, session: Session) -> Handover:
        """See :meth:`VmmClient.bind`."""
        return self._run(self._client.bind(lease_id, session))

    def release(self, lease_id: str) -> Lease:
        """See :meth:`VmmClient.release`."""
        return self._run(self._client.release(lease_id))

    def events(self, lease_id: str, since: int = 0) -> Iterator[LeaseEvent]:
        """See :meth:`VmmClient.events`."""
        events = self._client.events(lease_id, since)
        try:
            while (event := self._run(_next(events))) is not None:
                yield event
        finally:
            self._run(events.aclose())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C also ends the call itself
            raise


async def _next(events: AsyncIterator[LeaseEvent]) -> LeaseEvent | None:
    return await anext(events, None)
