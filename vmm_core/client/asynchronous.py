"""The asyncio client of the VMM's REST API.

Every call ends: with its answer, with an error of :mod:`vmm_core.errors`, or at
its deadline. Requests that are safe to repeat are sent again once when a kept
connection turns out to be dead; the event stream reconnects by itself and goes
on after the last event it had.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Self, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from ..api.models import LeaseRequest
from ..errors import Unavailable
from ..model import (
    Environment,
    Handover,
    Lease,
    LeaseEvent,
    LeaseState,
    Location,
    Needs,
    Offer,
    Session,
)
from .booking import BookingCalls
from .operating import OperatingCalls
from .people import PeopleCalls
from .sse import read_events
from .transport import Transport

T = TypeVar("T")

_ENVIRONMENTS = TypeAdapter(list[Environment])
_LOCATIONS = TypeAdapter(list[Location])
_OFFERS = TypeAdapter(list[Offer])
_LEASES = TypeAdapter(list[Lease])
_LEASE = TypeAdapter(Lease)
_HANDOVER = TypeAdapter(Handover)
_EVENTS = TypeAdapter(list[LeaseEvent])

RECONNECT_S = 30.0
"""How long the event stream looks for a service that went away."""


class VmmClient(PeopleCalls, BookingCalls, OperatingCalls):
    """The VMM, for asyncio.

    Args:
        url: of the service, such as ``https://vmm.facility.org`` (a path is kept).
        token: bearer token; None only reaches what needs none.
        timeout_s: deadline of one call, in seconds (``bind`` has its session's own).

    Use it as ``async with VmmClient(url, token) as vmm:`` or call :meth:`close`.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = 30) -> None:
        self._transport = Transport(url, token, timeout_s)

    @property
    def url(self) -> str:
        """Of the service, without a slash at its end."""
        return self._transport.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. The client may be used again afterwards."""
        await self._transport.close()

    async def environments(self, *, groups: Sequence[str] | None = None) -> list[Environment]:
        """What can be asked for; by a user in ``groups``, which frontends may say."""
        params = {} if groups is None else {"groups": list(groups) or [""]}
        return await self._get("environments", _ENVIRONMENTS, params=params)

    async def locations(self) -> list[Location]:
        """Where the clouds run."""
        return await self._get("locations", _LOCATIONS)

    async def offers(
        self,
        needs: Needs | None = None,
        *,
        groups: Sequence[str] | None = None,
        at: datetime | None = None,
        for_h: float = 0,
    ) -> list[Offer]:
        """Every environment at every place in every size, and what is free now.

        Args:
            needs: leaves only what meets them; None shows all.
            groups: leaves only what a user in them may use; for frontends.
            at: also tells what will be free then, with a timezone (``free_at``).
            for_h: for so many hours from then on.
        """
        params = query_of(needs) if needs else {}
        if groups is not None:
            params["groups"] = list(groups) or [""]
        if at is not None:
            params |= {"at": at.isoformat(), "for_h": f"{for_h:g}"}
        return await self._get("offers", _OFFERS, params=params)

    async def acquire(
        self,
        needs: Needs,
        *,
        owner: str | None = None,
        groups: Sequence[str] | None = None,
        reservation: str | None = None,
        key: str | None = None,
    ) -> Lease:
        """Ask for a machine; the answer is ACQUIRED or WAITING at once.

        Args:
            needs: what it must have.
            owner: the user it is for; None is the token's own name. Another name
                needs the scope ``lease:any``.
            groups: those that the user is in, the most wanted first; needs it, too.
            reservation: the booking that it is to be part of; None finds one that fits.
            key: repeating a request with the same key returns the same lease while
                it lasts; None asks for one more machine.

        Raises:
            Impossible: no pool can ever meet the needs.
            LimitReached: the user has as much as allowed.
            NotAllowed: an environment for others, or a scope is missing.
            BadRequest: an unknown name in the needs.
        """
        return await self._transport.call(
            "POST",
            "leases",
            _LEASE,
            headers={"Idempotency-Key": key or uuid.uuid4().hex},
            body=LeaseRequest(
                needs=needs,
                owner=owner,
                groups=None if groups is None else tuple(groups),
                reservation=reservation,
            ).model_dump_json(exclude_defaults=True),
        )

    async def lease(self, lease_id: str) -> Lease:
        """The lease as it is now."""
        return await self._get(f"leases/{quote(lease_id, safe='')}", _LEASE)

    async def leases(
        self, owner: str | None = None, *, ended: bool = False, held: bool = False
    ) -> list[Lease]:
        """The leases that the token may see, of ``owner`` only if given.

        Args:
            owner: a user's name; None is all.
            ended: also those that are over.
            held: only those whose machine is held after the end, for what is on it only.
        """
        wanted = {"ended": ended, "held": held}
        params = {name: "true" for name, value in wanted.items() if value}
        if owner is not None:
            params["owner"] = owner
        return await self._get("leases", _LEASES, params=params)

    async def history(self, lease_id: str) -> list[LeaseEvent]:
        """What happened to the lease so far."""
        return await self._get(f"leases/{quote(lease_id, safe='')}/history", _EVENTS)

    async def wait(self, lease_id: str, timeout_s: float) -> Lease:
        """The lease once it is not WAITING any more.

        Raises:
            Unavailable: it still waits after ``timeout_s`` seconds. It keeps its
                place in the queue until it is released.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while (lease := await self.lease(lease_id)).state is LeaseState.WAITING:
                    async with aclosing(self.events(lease_id)) as events:
                        async for event in events:
                            if event.stage not in ("requested", "waiting"):
                                break
                return lease
        except TimeoutError:
            raise Unavailable(
                f"no machine became free for lease {lease_id} within {timeout_s:g} s; it keeps "
                "its place in the queue: wait again, or release it"
            ) from None

    async def bind(self, lease_id: str, session: Session) -> Handover:
        """Make the lease's machine the user's and start the session's program there.

        Raises:
            BindFailed: the machine could not be made the user's, with the reason.
            Conflict: the lease holds no machine.
        """
        stages_s = session.timeout_s + sum(daemon.timeout_s for daemon in session.daemons)
        return await self._transport.call(
            "POST",
            f"leases/{quote(lease_id, safe='')}/bind",
            _HANDOVER,
            body=session.model_dump_json(),
            # A machine that does not answer is replaced once, silently.
            timeout_s=2 * stages_s + self._transport.timeout_s,
            again=False,
        )

    async def release(self, lease_id: str) -> Lease:
        """End the lease; its machine is deleted. Releasing twice is fine."""
        return await self._transport.call("DELETE", f"leases/{quote(lease_id, safe='')}", _LEASE)

    async def events(self, lease_id: str, since: int = 0) -> AsyncGenerator[LeaseEvent, None]:
        """What happened to the lease from event ``since`` on, and what happens next.

        Ends when the lease is over, or when the caller stops. A service that is
        away for a moment (a restart) is waited for; nothing is lost or repeated.
        """
        path = f"leases/{quote(lease_id, safe='')}/events"
        gone_since: float | None = None
        while True:
            try:
                async with self._transport.stream(path, {"since": since}) as lines:
                    gone_since = None
                    async for event in read_events(lines):
                        if event.name == "end":
                            return
                        step = LeaseEvent.model_validate_json(event.data)
                        since = step.number + 1
                        yield step
            except Unavailable:
                gone_since = gone_since or time.monotonic()
                if time.monotonic() - gone_since > RECONNECT_S:
                    raise
            await asyncio.sleep(0.3)

    async def _get(
        self, path: str, answer: TypeAdapter[T], params: Mapping[str, str | list[str]] | None = None
    ) -> T:
        return await self._transport.call("GET", path, answer, params=params)


def query_of(needs: Needs) -> dict[str, str | list[str]]:
    """The needs as query parameters, without those that ask for nothing."""
    fields = needs.model_dump(mode="json", exclude_defaults=True)
    return {
        name: [str(item) for item in value] if isinstance(value, list) else str(value)
        for name, value in fields.items()
    }
