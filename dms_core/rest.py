"""The caller's end of the DMS's REST API: connections, deadlines, failures.

One aiohttp session with kept connections. Every call has a deadline, every
failure is one of :mod:`dms_core.errors`, and an answer that ends early is a
failure. :mod:`dms_core.storage.remote` and :mod:`dms_core.client` build on it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError
from yarl import URL

from . import errors
from .model import Entry
from .problems import error_of

API = "/dms/api/v1"
SLOWEST_BYTES_PER_S = 256 * 1024
"""A call may take its deadline plus its bytes at this rate."""

_M = TypeVar("_M", bound=BaseModel)


class Rest:
    """Calls the service at ``url``.

    Args:
        url: The service, e.g. ``https://dms.example.org``.
        token: Called for each request, so that a renewed token is used at once.
        root: The service's folder that is the root here; errors name paths without it.
        timeout_s: Deadline of one call; longer for much data, see ``SLOWEST_BYTES_PER_S``.
        connections: How many are kept open at most.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        *,
        root: str = "/",
        timeout_s: float = 10,
        connections: int = 32,
    ) -> None:
        self.url = url.rstrip("/")
        self.advice = "try again"
        """What to do when it does not answer, at the end of the sentence that says so."""
        self._token = token
        self._root = root
        self._timeout_s = timeout_s
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self,
        method: str,
        resource: str,
        query: Mapping[str, str | list[str]] | None = None,
        *,
        body: bytes | None = None,
        again: bool = True,
    ) -> bytes:
        """The body of the answer; ``again`` says that repeating the call does no harm.

        Raises:
            DmsError: what the service told, or ``Unreachable`` or ``TimedOut``.
        """
        return await self._request(method, resource, query, body=body, again=again)

    async def read(self, resource: str, entry: Entry, offset: int, length: int) -> bytes:
        """Exactly the bytes ``[offset, offset + length)`` of this version, or an error."""
        return await self._request("GET", resource, wanted=(entry, offset, length))

    async def close(self) -> None:
        """Close the kept connections; a later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _request(
        self,
        method: str,
        resource: str,
        query: Mapping[str, str | list[str]] | None = None,
        *,
        body: bytes | None = None,
        wanted: tuple[Entry, int, int] | None = None,
        again: bool = True,
    ) -> bytes:
        call = f"{method} {resource}"
        headers = {"Authorization": f"Bearer {self._token()}"}
        size = len(body or b"")
        if wanted is not None:
            entry, offset, size = wanted
            headers["If-Match"] = f'"{entry.version}"'
            headers["Range"] = f"bytes={offset}-{offset + size - 1}"
        timeout_s = self._timeout_s + size / SLOWEST_BYTES_PER_S
        attempts = 2 if again else 1
        while True:
            attempts -= 1
            try:
                async with self._open_session().request(
                    method,
                    URL(f"{self.url}{API}{resource}", encoded=True).with_query(query),
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=self._timeout_s),
                ) as answer:
                    if answer.status >= 300:
                        told = _json(await answer.read())
                        raise error_of(answer.status, told, f"{self.url} ({call})", self._root)
                    if wanted is not None:
                        self._check_range(answer, *wanted)
                    data = await answer.read()
                    if wanted is not None and len(data) != size:
                        raise self._not_a_dms(call)
                    return data
            except TimeoutError:
                raise errors.TimedOut(
                    f"{self.url} did not answer within {timeout_s:.0f} s ({call}); {self.advice}."
                ) from None
            except aiohttp.ClientConnectorError as error:
                raise errors.Unreachable(
                    f"{self.url} cannot be reached ({_reason(error)}); {self.advice}."
                ) from None
            except (aiohttp.ClientError, OSError) as error:
                # Most often a kept connection that the service closed meanwhile.
                if not attempts:
                    raise errors.Unreachable(
                        f"{self.url} broke the connection "
                        f"({type(error).__name__}, {call}); {self.advice}."
                    ) from None

    def _check_range(
        self, answer: aiohttp.ClientResponse, entry: Entry, offset: int, length: int
    ) -> None:
        """Whether these are the bytes of the version asked for, whoever answers."""
        span = f"bytes {offset}-{offset + length - 1}/{entry.size}"
        if answer.status != 206 or answer.headers.get("Content-Range") != span:
            raise self._not_a_dms(f"GET {entry.path}")
        if answer.headers.get("ETag") != f'"{entry.version}"':
            raise errors.Stale(f"{entry.path} changed since it was looked up; look it up again.")

    def _not_a_dms(self, call: str) -> errors.DmsError:
        return errors.Unreachable(
            f"{self.url} answered other bytes than were asked for ({call}); "
            "is it a DMS, and what is between?"
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Accept-Encoding",),
                read_bufsize=1 << 20,
            )
            # aiohttp would repeat a DELETE whose answer was lost, and tell NotFound for success.
            self._session._retry_connection = False
        return self._session


def parsed(model: type[_M], data: bytes) -> _M:
    """``data`` as a ``model``.

    Raises:
        Unreachable: it is none, so whatever answered is no DMS.
    """
    try:
        return model.model_validate_json(data)
    except ValidationError:
        raise _no(model.__name__) from None


def parsed_list(model: type[_M], data: bytes) -> tuple[_M, ...]:
    """``data`` as a list of ``model``, else as :func:`parsed`."""
    rows = _json(data)
    if not isinstance(rows, list):
        raise _no(f"list of {model.__name__}")
    return tuple(parsed(model, json.dumps(row).encode()) for row in rows)


def _no(what: str) -> errors.Unreachable:
    return errors.Unreachable(
        f"The answer is no {what}; is the service a DMS of this version? Check its URL."
    )


def _reason(error: OSError) -> str:
    """Why no connection came about: in the system's words, not asyncio's for each address."""
    known = error.errno is not None and error.errno > 0  # a resolver's are negative
    return os.strerror(error.errno or 0) if known else error.strerror or str(error)


def _json(data: bytes) -> object:
    try:
        value: object = json.loads(data)
    except ValueError:
        return None
    return value
