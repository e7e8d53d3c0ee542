"""HTTP to one VMM: a kept session, deadlines, and errors of :mod:`vmm_core.errors` only."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from pydantic import TypeAdapter, ValidationError

from ..api.models import PREFIX
from ..errors import BadRequest, Unavailable
from .problems import error_of

T = TypeVar("T")

SILENCE_S = 45.0
"""A stream that says nothing for this long, not even keep-alive, is dead."""


class Transport:
    """Sends requests with one token; see :class:`vmm_core.client.VmmClient`."""

    def __init__(self, url: str, token: str | None, timeout_s: float) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise BadRequest(f"{url!r} is no URL of a VMM: write it like http://127.0.0.1:8440")
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
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
        """One request and its answer; ``again`` allows a second try if the connection broke.

        Raises:
            VmmError: the service's refusal, or Unavailable if it was not reached.
        """
        arguments: dict[str, Any] = {
            "params": params,
            "headers": {**self._headers, **(headers or {})},
            "timeout": aiohttp.ClientTimeout(total=timeout_s or self.timeout_s),
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
            return await self.call(
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

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, int]
    ) -> AsyncGenerator[aiohttp.StreamReader, None]:
        """The lines of a stream of Server-Sent Events.

        Raises:
            VmmError: the service's refusal, or Unavailable when it is lost.
        """
        try:
            async with self._http().get(
                f"{self.url}{PREFIX}/{path}",
                params=params,
                headers={**self._headers, "Accept": "text/event-stream"},
                timeout=aiohttp.ClientTimeout(connect=self.timeout_s, sock_read=SILENCE_S),
            ) as response:
                if response.status != 200 or response.content_type != "text/event-stream":
                    raise error_of(response.status, await response.read(), self.url)
                yield response.content
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

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
