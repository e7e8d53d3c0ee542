"""The asyncio client of the VMM's REST API.

One kept-alive aiohttp session per client. Every call ends: with its answer,
with an error of :mod:`vmm_core.errors`, or at its deadline. Requests that are
safe to repeat are sent again once when a kept connection turns out to be dead;
the event stream reconnects by itself and goes on after the last event it had.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
from pydantic import TypeAdapter, ValidationError

from ..api.models import PREFIX, LeaseRequest
from ..errors import BadRequest, Unavailable
from ..model import (
    Environment,
    Handover,
    Lease,
    LeaseEvent,
    LeaseState,
    Location,
    Machine,
    Needs,
    Offer,
    Session,
)
from ..pools.status import PoolStatus
from .problems import error_of
from .sse import read_events

T = TypeVar("T")

_ENVIRONMENTS = TypeAdapter(list[Environment])
_LOCATIONS = TypeAdapter(list[Location])
_OFFERS = TypeAdapter(list[Offer])
_POOLS = TypeAdapter(list[PoolStatus])
_MACHINES = TypeAdapter(list[Machine])
_LEASES = TypeAdapter(list[Lease])
_LEASE = TypeAdapter(Lease)
_HANDOVER = TypeAdapter(Handover)

SILENCE_S = 45.0
"""A stream that says nothing for this long, not even keep-alive, is dead."""
RECONNECT_S = 30.0
"""How long the event stream looks for a service that went away."""


class VmmClient:
    """The VMM, for asyncio.

    Args:
        url: of the service, such as ``https://vmm.facility.org`` (a path is kept).
        token: bearer token; None only reaches what needs none.
        timeout_s: deadline of one call, in seconds (``bind`` has its session's own).

    Use it as ``async with VmmClient(url, token) as vmm:`` or call :meth:`close`.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = 30) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise BadRequest(f"{url!r} is no URL of a VMM: write it like http://127.0.0.1:8440")
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. The client may be used again afterwards."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def environments(self) -> list[Environment]:
        """What can be asked for."""
        return await self._get("environments", _ENVIRONMENTS)

    async def locations(self) -> list[Location]:
        """Where the clouds run."""
        return await self._get("locations", _LOCATIONS)

    async def offers(self, needs: Needs | None = None) -> list[Offer]:
        """Every environment at every place in every size, and what is free now.

        Args:
            needs: leaves only what meets them; None shows all.
        """
        return await self._get("offers", _OFFERS, params=query_of(needs) if needs else {})

    async def pools(self) -> list[PoolStatus]:
        """The pools and how many of their machines are in which state."""
        return await self._get("pools", _POOLS)

    async def machines(self) -> list[Machine]:
        """Every machine that is not deleted. Needs the scope ``operate``."""
        return await self._get("machines", _MACHINES)

    async def acquire(
        self, needs: Needs, *, owner: str | None = None, key: str | None = None
    ) -> Lease:
        """Ask for a machine; the answer is ACQUIRED or WAITING at once.

        Args:
            needs: what it must have.
            owner: the user it is for; None is the token's own name. Another name
                needs the scope ``lease:any``.
            key: repeating a request with the same key returns the same lease while
                it lasts; None asks for one more machine.

        Raises:
            Impossible: no pool can ever meet the needs.
            BadRequest: an unknown name in the needs.
        """
        return await self._call(
            "POST",
            "leases",
            _LEASE,
            headers={"Idempotency-Key": key or uuid.uuid4().hex},
            body=LeaseRequest(needs=needs, owner=owner).model_dump_json(),
        )

    async def lease(self, lease_id: str) -> Lease:
        """The lease as it is now."""
        return await self._get(f"leases/{quote(lease_id, safe='')}", _LEASE)

    async def leases(self, owner: str | None = None, *, ended: bool = False) -> list[Lease]:
        """The leases that the token may see, of ``owner`` only if given.

        Args:
            owner: a user's name; None is all.
            ended: also those that are over.
        """
        params = {"ended": "true"} if ended else {}
        if owner is not None:
            params["owner"] = owner
        return await self._get("leases", _LEASES, params=params)

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
        return await self._call(
            "POST",
            f"leases/{quote(lease_id, safe='')}/bind",
            _HANDOVER,
            body=session.model_dump_json(),
            # A machine that does not answer is replaced once, silently.
            timeout_s=2 * stages_s + self._timeout_s,
            again=False,
        )

    async def release(self, lease_id: str) -> Lease:
        """End the lease; its machine is deleted. Releasing twice is fine."""
        return await self._call("DELETE", f"leases/{quote(lease_id, safe='')}", _LEASE)

    async def events(self, lease_id: str, since: int = 0) -> AsyncGenerator[LeaseEvent, None]:
        """What happened to the lease from event ``since`` on, and what happens next.

        Ends when the lease is over, or when the caller stops. A service that is
        away for a moment (a restart) is waited for; nothing is lost or repeated.
        """
        gone_since: float | None = None
        while True:
            try:
                async with self._stream(lease_id, since) as response:
                    gone_since = None
                    async for event in read_events(response.content):
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

    @asynccontextmanager
    async def _stream(
        self, lease_id: str, since: int
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        try:
            async with self._http().get(
                f"{self.url}{PREFIX}/leases/{quote(lease_id, safe='')}/events",
                params={"since": since},
                headers={**self._headers, "Accept": "text/event-stream"},
                timeout=aiohttp.ClientTimeout(connect=self._timeout_s, sock_read=SILENCE_S),
            ) as response:
                if response.status != 200 or response.content_type != "text/event-stream":
                    raise error_of(response.status, await response.read(), self.url)
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def _get(
        self, path: str, answer: TypeAdapter[T], params: Mapping[str, str | list[str]] | None = None
    ) -> T:
        return await self._call("GET", path, answer, params=params)

    async def _call(
        self,
        method: str,
        path: str,
        answer: TypeAdapter[T],
        *,
        params: Mapping[str, str | list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        timeout_s: float | None = None,
        again: bool = True,
    ) -> T:
        """One call; ``again`` allows a second try on a connection that broke."""
        arguments: dict[str, Any] = {
            "params": params,
            "headers": {**self._headers, **(headers or {})},
            "timeout": aiohttp.ClientTimeout(total=timeout_s or self._timeout_s),
            "allow_redirects": False,
        }
        if body is not None:
            arguments["data"] = body.encode()
            arguments["headers"]["Content-Type"] = "application/json"
        url = f"{self.url}{PREFIX}/{path}"
        try:
            async with self._http().request(method, url, **arguments) as response:
                content = await response.read()
                status = response.status
        except aiohttp.ClientConnectorError as error:
            raise self._unreachable(error) from None
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            if not again:
                raise self._unreachable(error) from None
            return await self._call(
                method,
                path,
                answer,
                params=params,
                headers=headers,
                body=body,
                timeout_s=timeout_s,
                again=False,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None
        if not 200 <= status < 300:
            raise error_of(status, content, self.url)
        try:
            return answer.validate_json(content)
        except ValidationError:
            raise Unavailable(
                f"{self.url} answered, but not as this version's VMM does: "
                "check the address, and update the older of the two"
            ) from None

    def _unreachable(self, error: Exception) -> Unavailable:
        if isinstance(error, TimeoutError):
            why = "no answer in time"
        elif isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno:
            why = _words_of(error.os_error)
        else:
            why = str(error) or "cut off"
        return Unavailable(
            f"the VMM at {self.url} cannot be reached ({why}): is it running, "
            "and is the address right?"
        )


def _words_of(error: OSError) -> str:
    """What the system calls the error; asyncio's own words are of calls and tuples."""
    if isinstance(error, socket.gaierror):
        return error.strerror or "unknown name"
    return os.strerror(error.errno or 0)


def query_of(needs: Needs) -> dict[str, str | list[str]]:
    """The needs as query parameters, without those that ask for nothing."""
    fields = needs.model_dump(mode="json", exclude_defaults=True)
    return {
        name: [str(item) for item in value] if isinstance(value, list) else str(value)
        for name, value in fields.items()
    }
