"""The mover of ``http://`` and ``https://``: a web server's files by range.

Any server that answers ``Range`` with 206 will do. Folders are listed where it
lists them as nginx does with ``autoindex on; autoindex_format json;``, which
leaves out names that begin with a dot; elsewhere files are read by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from email.utils import formatdate
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field

from ... import errors
from ...model import Entry, Kind
from ...paths import parts_of
from ..base import Mover, Range, changed, seconds_for, within
from . import answers
from .client import Client

_MOST_RANGES = 64
"""Ranges in one request; servers refuse very many."""
_MOST_BYTES = 32 << 20
"""Bytes of one request for several ranges."""
_MOST_LISTING_BYTES = 256 << 20


class HttpOptions(BaseModel):
    """What an HTTP mover is configured with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        pattern=r"^https?://[^/?#@\s]+(/[^?#]*)?$", description="the far folder that is / here"
    )
    ca: Path | None = Field(default=None, description="CA file or folder; the system's if absent")
    token_file: Path | None = Field(
        default=None, description="holds a bearer token, read on each call"
    )
    version: Literal["modified", "etag"] = Field(
        default="modified",
        description="size and Last-Modified, or the server's ETag (a request per listed file)",
    )
    connections: int = Field(default=16, ge=1, le=256, description="kept open at most")
    idle_s: float = Field(default=60, gt=0, description="an unused connection is closed after")
    timeout_s: float = Field(
        default=5, gt=0, description="deadline of an answer, and between two parts of it"
    )


class HttpMover(Mover):
    """Files below ``url``.

    Raises:
        ConfigError: the CA certificates cannot be used.
    """

    Options: ClassVar[type[BaseModel]] = HttpOptions
    schemes: ClassVar[tuple[str, ...]] = ("https", "http")

    def __init__(self, url: str, **options: object) -> None:
        checked = HttpOptions.model_validate({"url": url, **options})
        self.url = checked.url.rstrip("/")
        self.parallel = min(8, checked.connections)
        self.skipped_names = 0
        """How often a name was left out of a listing because it is not UTF-8."""
        self._tagged = checked.version == "etag"
        self._timeout_s = checked.timeout_s
        self._client = Client(
            self.url,
            ca=checked.ca,
            token_file=checked.token_file,
            connections=checked.connections,
            idle_s=checked.idle_s,
            silence_s=checked.timeout_s,
        )

    async def stat(self, path: str) -> Entry:
        """See :meth:`Mover.stat`; one request, two for the root."""
        parts_of(path)
        url = self._at(path) if path != "/" else f"{self.url}/"
        async with self._client.request("HEAD", url, path, self._timeout_s, {}) as answer:
            if path == "/":
                return answers.folder_entry(path)
            if answer.status in (301, 302, 307, 308):
                target = unquote(urlsplit(answer.headers.get("Location", "")).path)
                if target != f"{unquote(urlsplit(url).path)}/":
                    raise self._odd(path, f"it redirects to {target!r}; give the url it names")
                return answers.folder_entry(path)
            if answer.status != 200 or "Content-Length" not in answer.headers:
                raise self._odd(path, "it does not tell the file's size")
            return self._entry(answer, path, int(answer.headers["Content-Length"]))

    async def listing(self, path: str) -> AsyncIterator[Sequence[Entry]]:
        """See :meth:`Mover.listing`; a server sends it in one piece."""
        parts_of(path)
        url = f"{self._at(path).rstrip('/')}/"
        try:
            async with self._client.request(
                "GET", url, path, self._timeout_s * 10, {"Accept": "application/json"}
            ) as answer:
                if answer.status != 200:
                    raise self._odd(path, f"it answers {answer.status} for a folder")
                body = await answer.content.read(_MOST_LISTING_BYTES)
                while more := await answer.content.read(_MOST_LISTING_BYTES):
                    body += more
                    if len(body) > _MOST_LISTING_BYTES:
                        raise self._odd(path, "its listing is endless")
        except errors.NotFound:
            if (await self.stat(path)).kind is Kind.FILE:
                raise errors.NotAFolder(f"{path} is a file; name a folder.") from None
            raise
        try:
            found, skipped = await asyncio.to_thread(answers.listed, body, path)
        except ValueError:
            wrong = "it lists no folders as JSON; set 'autoindex_format json' in nginx"
            raise self._odd(path, wrong) from None
        self.skipped_names += skipped
        if self._tagged:
            found = [
                await self.stat(entry.path) if entry.kind is Kind.FILE else entry for entry in found
            ]
        yield found

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Mover.read`."""
        length = within(entry, offset, length)
        if not length:
            await self._same(entry)
            return b""
        async with self._get(entry, [(offset, length)]) as answer:
            span = answers.span_of(answer.headers.get("Content-Range", ""))
            if answer.status != 206 or span is None or span[:2] != (offset, length):
                raise self._not_the_range(entry, answer)
            self._check(entry, answer, span.size)
            data = await answer.read()
        if len(data) != length:
            raise self._odd(entry.path, "it sent fewer bytes than it announced")
        return data

    async def read_many(self, entry: Entry, ranges: Sequence[Range]) -> Sequence[bytes]:
        """See :meth:`Mover.read_many`: several ranges in a request, if the server can."""
        wanted = [(offset, within(entry, offset, length)) for offset, length in ranges]
        ordered = sorted({one for one in wanted if one[1]})
        found: dict[Range, bytes] = {}
        for batch in _batches(ordered):
            parts = await self._multipart(entry, batch) if len(batch) > 1 else None
            if parts is None:
                parts = await super().read_many(entry, batch)
            found |= zip(batch, parts, strict=True)
        return [found.get(one, b"") for one in wanted]

    async def _multipart(self, entry: Entry, batch: Sequence[Range]) -> Sequence[bytes] | None:
        """The ranges in one answer; None if the server would not."""
        async with self._get(entry, batch) as answer:
            boundary = answers.boundary_of(answer.headers.get("Content-Type", ""))
            if answer.status != 206 or boundary is None:
                return None
            self._check(entry, answer, None)
            body = await answer.read()
        try:
            return answers.parts_in(body, boundary, batch, entry.size)
        except (ValueError, StopIteration):
            return None

    def _get(
        self, entry: Entry, ranges: Sequence[Range]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """A request for ranges of that version only."""
        spans = ",".join(f"{offset}-{offset + length - 1}" for offset, length in ranges)
        headers = {"Range": f"bytes={spans}"}
        if self._tagged:
            headers["If-Match"] = entry.version
        elif entry.mtime_ns:
            headers["If-Unmodified-Since"] = formatdate(entry.mtime_ns // 10**9, usegmt=True)
        total = sum(length for _, length in ranges)
        return self._client.request(
            "GET", self._at(entry.path), entry.path, seconds_for(self._timeout_s, total), headers
        )

    def _check(self, entry: Entry, answer: aiohttp.ClientResponse, size: int | None) -> None:
        """Whether the bytes that come are of that version, whatever the server checked."""
        now = self._entry(answer, entry.path, entry.size if size is None else size)
        if now.version != entry.version:
            raise changed(entry.path)

    def _entry(self, answer: aiohttp.ClientResponse, path: str, size: int) -> Entry:
        mtime_s = answers.seconds_of(answer.headers.get("Last-Modified"))
        tag = answer.headers.get("ETag") if self._tagged else None
        if self._tagged and (tag is None or tag.startswith("W/")):
            raise self._odd(path, "it gives no strong ETag; use 'version: modified'")
        if not self._tagged and mtime_s is None:
            raise self._odd(path, "it gives no Last-Modified; use 'version: etag'")
        return answers.file_entry(path, size, mtime_s, tag)

    async def _same(self, entry: Entry) -> None:
        try:
            now = await self.stat(entry.path)
        except errors.NotFound:
            raise errors.Stale(f"{entry.path} is gone; look it up again.") from None
        if now.version != entry.version:
            raise changed(entry.path)

    def _not_the_range(self, entry: Entry, answer: aiohttp.ClientResponse) -> errors.DmsError:
        if answer.status == 200:
            return self._odd(entry.path, "it ignores Range; enable byte ranges there")
        return self._odd(entry.path, f"it answers {answer.status} with another range")

    def _odd(self, path: str, what: str) -> errors.DmsError:
        return errors.Unsupported(f"{path} cannot be read from {self.url}: {what}.")

    async def close(self) -> None:
        """Close the kept connections."""
        await self._client.close()

    def _at(self, path: str) -> str:
        return self.url + quote(path)


def _batches(ranges: Sequence[Range]) -> list[list[Range]]:
    """Ranges as requests of a size that servers take and deadlines allow."""
    found: list[list[Range]] = []
    size = 0
    for one in ranges:
        size += one[1]
        if not found or len(found[-1]) == _MOST_RANGES or size > _MOST_BYTES:
            found.append([])
            size = one[1]
        found[-1].append(one)
    return found
