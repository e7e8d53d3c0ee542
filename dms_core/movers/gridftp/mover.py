"""The mover of ``ftp://`` and ``gsiftp://``: a GridFTP server's files by range.

Data connections are dialled by the server (MODE E), so this belongs on a site's
DMS node, which the server can reach, and not behind NAT: use HTTP there. With
GSI the control channel is authenticated and encrypted, the data channels are
neither (``DCAU N``): only the server's own address may send, unless
``any_data_peer``, and nothing on the way is hidden. Where the path between the
sites is not trusted, use a VPN or HTTPS.
"""

from __future__ import annotations

import ssl
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ... import errors
from ...model import Entry
from ...paths import parts_of
from ..base import Mover, Range, merged, seconds_for, within
from .peer import Peer
from .pool import Pool, opened

_PORT = 2811
_CHECKSUM_BYTES_PER_S = 20_000_000  # the slowest disk a server may read for CKSM
_LIST_S = 300.0  # the server sorts and sends huge folders in one piece


class GridftpOptions(BaseModel):
    """What a GridFTP mover is configured with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        pattern=r"^(gsi)?ftp://[^/?#@\s]+(/[^?#]*)?$",
        description="ftp:// is anonymous, gsiftp:// with certificates; names the far folder",
    )
    ca: Path | None = Field(default=None, description="CA file or folder; gsiftp:// only")
    certificate: Path | None = Field(
        default=None, description="certificate or proxy to log in with; gsiftp:// only"
    )
    key: Path | None = Field(default=None, description="its key, if not in the same file")
    server_name: str = Field(
        default="", description="the name in the server's certificate, if not the url's host"
    )
    user: str = Field(default="anonymous", pattern=r"^[^\s]+$", description="ftp:// only")
    sessions: int = Field(default=8, ge=1, le=256, description="kept at most")
    streams: int = Field(default=4, ge=1, le=64, description="data connections of a session")
    idle_s: float = Field(default=60, gt=0, description="an unused session is closed after")
    timeout_s: float = Field(
        default=5, gt=0, description="deadline of an answer, and between two parts of it"
    )
    data_ports: str = Field(
        default="", pattern=r"^(\d+-\d+)?$", description="the server dials one of these, FROM-TO"
    )
    any_data_peer: bool = Field(
        default=False, description="striped servers: take data from any address, not only its own"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        secure = self.url.startswith("gsiftp:")
        if secure and not (self.ca and self.certificate):
            raise ValueError("a gsiftp:// url needs 'ca' and 'certificate'; add them")
        if not secure and (self.ca or self.certificate or self.key):
            raise ValueError("an ftp:// url takes no certificates; write gsiftp://")
        return self


class GridftpMover(Mover):
    """Files below ``url``.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """

    Options: ClassVar[type[BaseModel]] = GridftpOptions
    schemes: ClassVar[tuple[str, ...]] = ("gsiftp", "ftp")
    checksums: ClassVar[tuple[str, ...]] = ("md5", "adler32", "sha1", "sha256", "sha512")

    def __init__(self, url: str, **options: object) -> None:
        checked = GridftpOptions.model_validate({"url": url, **options})
        parts = urlsplit(checked.url)
        folder = unquote(parts.path).rstrip("/")
        parts_of(folder or "/")
        self.url = checked.url
        self.parallel = min(4, checked.sessions)
        self.skipped_names = 0
        """How often a name was left out of a listing because GridFTP cannot say it."""
        self._timeout_s = checked.timeout_s
        first, _, last = (checked.data_ports or "0-0").partition("-")
        peer = Peer(
            url=checked.url,
            host=parts.hostname or "",
            port=parts.port or _PORT,
            folder=folder,
            gsi=_context(checked),
            server_name=checked.server_name or parts.hostname or "",
            user=checked.user,
            password="dms@",  # noqa: S106 - what anonymous FTP asks for
            streams=checked.streams,
            data_ports=range(int(first), int(last) + 1),
            any_data_peer=checked.any_data_peer,
            timeout_s=checked.timeout_s,
        )
        self._pool = Pool(
            checked.url,
            lambda: opened(peer, checked.timeout_s),
            most=checked.sessions,
            idle_s=checked.idle_s,
        )

    async def stat(self, path: str) -> Entry:
        """See :meth:`Mover.stat`; links are followed by the server."""
        parts_of(path)
        return await self._pool.use(lambda session: session.stat(path), self._timeout_s)

    async def listing(self, path: str) -> AsyncIterator[Sequence[Entry]]:
        """See :meth:`Mover.listing`; the server sends a listing in one piece."""
        parts_of(path)
        found, skipped = await self._pool.use(
            lambda session: session.listing(path), self._timeout_s + _LIST_S
        )
        self.skipped_names += skipped
        yield found

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Mover.read`."""
        length = within(entry, offset, length)
        if not length:
            await self._same(entry)
            return b""
        return await self._pool.use(
            lambda session: session.read(entry, offset, length),
            seconds_for(self._timeout_s, length),
        )

    async def read_many(self, entry: Entry, ranges: Sequence[Range]) -> Sequence[bytes]:
        """See :meth:`Mover.read_many`: one transfer for all, which brings no byte twice."""
        wanted = [(offset, within(entry, offset, length)) for offset, length in ranges]
        pieces = merged([one for one in wanted if one[1]])
        if not pieces:
            return await super().read_many(entry, ranges)
        total = sum(length for _, length in pieces)
        parts = await self._pool.use(
            lambda session: session.read_many(entry, pieces), seconds_for(self._timeout_s, total)
        )
        starts = [offset for offset, _ in pieces]
        found = []
        for offset, length in wanted:
            at = bisect_right(starts, offset) - 1
            skip = offset - starts[at]
            found.append(parts[at][skip : skip + length] if length else b"")
        return found

    async def checksum(
        self, entry: Entry, algorithm: str, offset: int = 0, length: int | None = None
    ) -> str:
        """See :meth:`Mover.checksum`; the server reads the bytes of its disk."""
        size = within(entry, offset, entry.size if length is None else length)
        if algorithm.lower() not in self.checksums:
            return await super().checksum(entry, algorithm, offset, length)
        return await self._pool.use(
            lambda session: session.checksum(entry, algorithm, offset, size),
            self._timeout_s + size / _CHECKSUM_BYTES_PER_S,
        )

    async def close(self) -> None:
        """Close the kept sessions."""
        await self._pool.close()

    async def _same(self, entry: Entry) -> None:
        try:
            now = await self.stat(entry.path)
        except errors.NotFound:
            raise errors.Stale(f"{entry.path} is gone; look it up again.") from None
        if now.version != entry.version:
            raise errors.Stale(f"{entry.path} changed since it was looked up; look it up again.")


def _context(options: GridftpOptions) -> ssl.SSLContext | None:
    if options.ca is None or options.certificate is None:
        return None
    from . import security  # only what gsiftp:// needs

    try:
        return security.context(options.ca, options.certificate, options.key or options.certificate)
    except (OSError, ssl.SSLError) as error:
        raise errors.ConfigError(
            f"The certificates of {options.url} cannot be used ({error.strerror or error}); "
            "correct 'ca', 'certificate' and 'key', and who may read them."
        ) from None
