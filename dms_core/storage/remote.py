"""Another DMS, reached over its REST service, as a storage.

What travels and fails how is in :mod:`dms_core.rest`; here is which call of
the service is which method of a storage. Bytes are only taken in full and only
of the version that was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from .. import errors
from ..model import Entry, Kind, Page, Space, Volume
from ..paths import is_within, parts_of
from ..rest import Rest, parsed, parsed_list
from .base import PAGE_ENTRIES, WritableStorage

WRITE_BYTES = 8 << 20
"""A longer write is sent in pieces of this size, below the service's limit."""


class RemoteOptions(BaseModel):
    """What a remote storage is configured with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://[^/?#]+[^?#]*$", description="where the other DMS answers")
    token_file: Path | None = Field(default=None, description="holds the token, read on each call")
    path: str = Field(default="/", description="the folder over there that is the root here")
    timeout_s: float = Field(default=5, gt=0, description="deadline of one call")
    connections: int = Field(default=32, ge=1, description="kept open at most")


class RemoteStorage(WritableStorage):
    """The tree below ``path`` of the DMS at ``url``, as its token's user sees it.

    Args:
        url: The service, e.g. ``https://dms.example.org``.
        token: Called for each request, so that a renewed token is used at once.
        token_file: Instead of ``token``: a file that holds it.
        path: The folder over there that is ``/`` here.
        timeout_s: Deadline of one call; longer for much data, see :class:`Rest`.
        connections: How many are kept open at most.
    """

    Options: ClassVar[type[BaseModel]] = RemoteOptions

    def __init__(
        self,
        url: str,
        token: Callable[[], str] | None = None,
        *,
        token_file: Path | None = None,
        path: str = "/",
        timeout_s: float = 10,
        connections: int = 32,
    ) -> None:
        parts_of(path)
        self.url = url.rstrip("/")
        self._path = path
        self.rest = Rest(
            url,
            token or (lambda: token_in(token_file)),
            root=path,
            timeout_s=timeout_s,
            connections=connections,
        )

    async def volumes(self) -> tuple[Volume, ...]:
        """The top folders over there."""
        return parsed_list(Volume, await self.rest.call("GET", "/volumes"))

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Storage.lookup`."""
        return self._entry(await self.rest.call("GET", self._at("/entries", path)))

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Storage.scan`."""
        query = {"scan": "", "limit": str(limit)}
        if cursor is not None:
            query["cursor"] = cursor
        page = parsed(Page, await self.rest.call("GET", self._at("/entries", path), query))
        if self._path == "/":
            return page
        return Page(entries=tuple(map(self._here, page.entries)), cursor=page.cursor)

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`; all the bytes there are in the range, or an error."""
        if offset < 0 or length < 0:
            raise errors.BadRequest("Offset and length of a read cannot be negative.")
        if entry.kind is Kind.FOLDER:
            raise errors.IsAFolder(f"{entry.path} is a folder; name a file.")
        length = min(length, entry.size - offset)
        if length > 0:
            return await self.rest.read(self._at("/content", entry.path), entry, offset, length)
        if (await self.lookup(entry.path)).version != entry.version:
            raise errors.Stale(f"{entry.path} changed since it was looked up; look it up again.")
        return b""

    async def space(self, path: str) -> Space:
        """See :meth:`Storage.space`."""
        return parsed(Space, await self.rest.call("GET", self._at("/space", path)))

    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        """See :meth:`WritableStorage.create`."""
        query = {"mode": f"{mode:o}"} | ({"exclusive": ""} if exclusive else {})
        at = self._at("/content", path)
        return self._entry(await self.rest.call("PUT", at, query, again=not exclusive))

    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        """See :meth:`WritableStorage.make_folder`."""
        at = self._at("/entries", path)
        return self._entry(await self.rest.call("PUT", at, {"mode": f"{mode:o}"}, again=False))

    async def write(self, path: str, offset: int, data: bytes) -> Entry:
        """See :meth:`WritableStorage.write`; a long one is sent in pieces."""
        if offset < 0:
            raise errors.BadRequest("The offset of a write cannot be negative.")
        at = self._at("/content", path)
        done = 0
        while True:
            piece = data[done : done + WRITE_BYTES]
            query = {"offset": str(offset + done)}
            answer = await self.rest.call("PATCH", at, query, body=piece)
            done += len(piece)
            if done >= len(data):
                return self._entry(answer)

    async def truncate(self, path: str, size: int) -> Entry:
        """See :meth:`WritableStorage.truncate`."""
        return await self._patch(path, {"size": size})

    async def commit(self, path: str) -> Entry:
        """See :meth:`WritableStorage.commit`."""
        return self._entry(await self.rest.call("POST", self._at("/commit", path)))

    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        """See :meth:`WritableStorage.rename`."""
        change = {"path": self._there(path), "to": self._there(to), "replace": replace}
        body = json.dumps(change).encode()
        return self._entry(await self.rest.call("POST", "/rename", body=body, again=False))

    async def replace(self, path: str, to: str, version: str) -> Entry:
        """See :meth:`WritableStorage.replace`."""
        change = {"path": self._there(path), "to": self._there(to), "version": version}
        body = json.dumps(change).encode()
        return self._entry(await self.rest.call("POST", "/rename", body=body, again=False))

    async def remove(self, path: str) -> None:
        """See :meth:`WritableStorage.remove`."""
        await self.rest.call("DELETE", self._at("/entries", path), again=False)

    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        """See :meth:`WritableStorage.set_attributes`."""
        return await self._patch(path, {"mode": mode, "mtime_ns": mtime_ns})

    async def close(self) -> None:
        """Close the kept connections; a later call opens new ones."""
        await self.rest.close()

    async def _patch(self, path: str, change: dict[str, int | None]) -> Entry:
        body = json.dumps({key: value for key, value in change.items() if value is not None})
        at = self._at("/entries", path)
        return self._entry(await self.rest.call("PATCH", at, body=body.encode()))

    def _there(self, path: str) -> str:
        """``path`` here as the service knows it."""
        parts_of(path)
        if self._path == "/":
            return path
        return self._path if path == "/" else self._path + path

    def _at(self, resource: str, path: str) -> str:
        return resource + quote(self._there(path))

    def _here(self, entry: Entry) -> Entry:
        """``entry`` of the service with its path here."""
        if self._path == "/":
            return entry
        if not is_within(entry.path, self._path):
            raise errors.Unreachable(f"{self.url} answered with another path than was asked for.")
        return entry.model_copy(update={"path": entry.path[len(self._path) :] or "/"})

    def _entry(self, answer: bytes) -> Entry:
        return self._here(parsed(Entry, answer))


def token_in(file: Path | None) -> str:
    """The token a file holds; empty without a file.

    Raises:
        NotAuthenticated: the file cannot be read.
    """
    if file is None:
        return ""
    try:
        return file.read_text().strip()
    except OSError as error:
        raise errors.NotAuthenticated(
            f"The token file {file} cannot be read ({error.strerror}); correct its path."
        ) from None
