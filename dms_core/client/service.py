"""The client of a DMS service: look, list, read, and have tokens made.

::

    async with DmsClient("https://dms.example.org", token) as dms:
        async for entry in dms.scan("/archive/NDXSANS2D"):
            print(entry.path, entry.size)

:class:`Dms` is the same, blocking.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Self

from ..model import Entry, Health, Near, Space, Token, Volume
from ..rest import parsed, parsed_list
from ..storage.remote import RemoteStorage
from .blocking import Background

PIECE_BYTES = 8 << 20
"""A longer read is made of several of this size."""


class DmsClient:
    """One service, seen with one token.

    Every method raises :mod:`dms_core.errors`: what the service told, or
    ``Unreachable`` or ``TimedOut`` naming its URL.

    Args:
        url: The service, e.g. ``https://dms.example.org``.
        token: A user's token, or a frontend's for :meth:`issue_token`.
        timeout_s: Deadline of one call.
    """

    def __init__(self, url: str, token: str = "", *, timeout_s: float = 10) -> None:
        self.token = token
        self._storage = RemoteStorage(url, lambda: self.token, timeout_s=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._storage.close()

    async def volumes(self) -> tuple[Volume, ...]:
        """The top folders."""
        return await self._storage.volumes()

    async def lookup(self, path: str) -> Entry:
        """The entry at ``path``."""
        return await self._storage.lookup(path)

    async def scan(self, path: str) -> AsyncIterator[Entry]:
        """Everything in the folder at ``path``, in the byte order of names."""
        cursor = None
        while True:
            page = await self._storage.scan(path, cursor=cursor)
            for entry in page.entries:
                yield entry
            if page.cursor is None:
                return
            cursor = page.cursor

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes ``[offset, offset + length)`` of a file, to its end without a length.

        Raises:
            Stale: the file changed while it was read.
        """
        entry = await self._storage.lookup(path)
        end = entry.size if length is None else min(entry.size, offset + length)
        pieces = []
        while True:
            piece = await self._storage.read(entry, offset, min(PIECE_BYTES, max(0, end - offset)))
            pieces.append(piece)
            offset += len(piece)
            if offset >= end:
                return b"".join(pieces)

    async def space(self, path: str) -> Space:
        """Room where ``path`` is."""
        return await self._storage.space(path)

    async def where_is(self, paths: Sequence[str]) -> tuple[Near, ...]:
        """The locations that have some of the bytes at ``paths``, the most first.

        A folder counts with the files in it. Locations are the service's words;
        give a VMM that knows them the answer as a request's ``near``.
        """
        query = {"path": list(paths)}
        return parsed_list(Near, await self._storage.rest.call("GET", "/where", query))

    async def health(self) -> Health:
        """Whether the service is whole, and how its storages are.

        Needs no token; why a storage is away is told to administrators only.
        """
        return parsed(Health, await self._storage.rest.call("GET", "/health"))

    async def issue_token(self, user: str, lifetime_s: float | None = None) -> Token:
        """A token for ``user``; this client's must be a frontend's."""
        body = json.dumps({"user": user, "lifetime_s": lifetime_s}).encode()
        return parsed(Token, await self._storage.rest.call("POST", "/tokens", body=body))

    async def renew(self) -> Token:
        """A later token for the same user, which this client uses from now on."""
        token = parsed(Token, await self._storage.rest.call("POST", "/tokens/renew"))
        self.token = token.token
        return token


class Dms:
    """:class:`DmsClient` for scripts and notebooks: the same, blocking."""

    def __init__(self, url: str, token: str = "", *, timeout_s: float = 10) -> None:
        self._client = DmsClient(url, token, timeout_s=timeout_s)
        self._background = Background()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._background.run(self._client.close())
        self._background.close()

    def volumes(self) -> tuple[Volume, ...]:
        """See :meth:`DmsClient.volumes`."""
        return self._background.run(self._client.volumes())

    def lookup(self, path: str) -> Entry:
        """See :meth:`DmsClient.lookup`."""
        return self._background.run(self._client.lookup(path))

    def scan(self, path: str) -> Iterator[Entry]:
        """See :meth:`DmsClient.scan`."""
        return self._background.iterate(self._client.scan(path))

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See :meth:`DmsClient.read`."""
        return self._background.run(self._client.read(path, offset, length))

    def space(self, path: str) -> Space:
        """See :meth:`DmsClient.space`."""
        return self._background.run(self._client.space(path))

    def where_is(self, paths: Sequence[str]) -> tuple[Near, ...]:
        """See :meth:`DmsClient.where_is`."""
        return self._background.run(self._client.where_is(paths))

    def health(self) -> Health:
        """See :meth:`DmsClient.health`."""
        return self._background.run(self._client.health())

    def issue_token(self, user: str, lifetime_s: float | None = None) -> Token:
        """See :meth:`DmsClient.issue_token`."""
        return self._background.run(self._client.issue_token(user, lifetime_s))

    def renew(self) -> Token:
        """See :meth:`DmsClient.renew`."""
        return self._background.run(self._client.renew())
