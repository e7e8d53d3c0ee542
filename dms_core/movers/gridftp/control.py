"""The control channel: commands out, answers in, in their order; logged in when opened."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable

from ..base import Busy, Refused
from .replies import Reply
from .security import Security

_LONGEST_LINE = 256 << 20  # a protected listing of a huge folder is one line
_END = b"\r\n"
_YIELD_LINES = 500  # of a long listing, so that the loop serves others meanwhile


class Broken(Exception):
    """The connection ended, or what came on it makes no sense: give the session up."""


class Control:
    """One connection to a server's control port. Ended by :meth:`close` or :meth:`abort`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._security: Security | None = None
        self._lines: deque[bytes] = deque()  # unwrapped, not yet read
        self._rest = b""
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.local: str = writer.get_extra_info("sockname")[0]
        """Our address as the server sees it, so that it can dial back."""
        self.peer: str = writer.get_extra_info("peername")[0]

    @classmethod
    async def open(cls, host: str, port: int) -> Control:
        """Connect and read the greeting.

        Raises:
            OSError: nobody listens there.
            Broken: no FTP server answers.
            Busy: it has no room.
        """
        # IPv4: PORT, which names our data port, knows no other.
        reader, writer = await asyncio.open_connection(
            host, port, limit=_LONGEST_LINE, family=socket.AF_INET
        )
        control = cls(reader, writer)
        try:
            greeting = await control.reply()
            if not greeting.ok:
                raise Busy(
                    f"the server takes no more sessions now ({greeting.text}); "
                    "raise its limit or lower 'sessions'"
                )
        except BaseException:
            control.abort()
            raise
        return control

    async def log_in(
        self, gsi: ssl.SSLContext | None, server_name: str, user: str, password: str
    ) -> None:
        """Prove who we are: by certificate if ``gsi``, else by name.

        Raises:
            Refused: one side does not accept the other.
        """
        if gsi is not None:
            await self._secure(Security(gsi, server_name))
            user, password = ":globus-mapping:", "none"
        for command in (f"USER {user}", f"PASS {password}"):
            reply = await self.ask(command)
            if not reply.ok:
                whom = "this certificate" if gsi is not None else f"the user {user!r}"
                raise Refused(
                    f"the server does not let {whom} in ({reply.text}); have it added there"
                )
            if reply.code == 230:
                return

    async def _secure(self, security: Security) -> None:
        reply = await self.ask("AUTH GSSAPI")
        while reply.code in (334, 335):
            reply = await self.ask(f"ADAT {security.step(reply.lines[-1])}")
        if reply.code != 235:
            raise Refused(f"the server does not accept the certificate of the DMS ({reply.text})")
        security.step(reply.lines[-1])
        self._security = security

    def send(self, command: str) -> None:
        """Send a command; its answers come after those of the ones before."""
        data = command.encode() + _END
        self._writer.write(self._security.wrap(data) if self._security else data)

    async def ask(self, command: str) -> Reply:
        """Send a command and wait for its answer."""
        self.send(command)
        return await self.reply()

    async def reply(self, each: Callable[[str], None] | None = None) -> Reply:
        """The next answer; ``each`` gets the indented lines of its text if given.

        Raises:
            Broken: there will be none.
        """
        first = last = await self._line()
        if not first[:3].isdigit() or first[3:4] not in ("-", " ", ""):
            raise Broken(f"the answer {first[:60]!r} is none of an FTP server")
        lines, end, count = [first], f"{first[:3]} ", 0
        while first[3:4] == "-" and not last.startswith(end):
            last = await self._line()
            if each is not None and last[:1] == " ":
                each(last)
                count += 1
                if count % _YIELD_LINES == 0:
                    await asyncio.sleep(0)
            else:
                lines.append(last)
        return Reply(int(first[:3]), lines)

    async def _line(self) -> str:
        while not self._lines:
            try:
                line = await self._reader.readuntil(_END)
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
                raise Broken(f"the connection ended ({type(error).__name__})") from None
            if self._security is None or not line.startswith((b"631", b"632", b"633")):
                return line[:-2].decode(errors="surrogateescape")
            try:
                text = self._rest + self._security.unwrap(line)
            except (ssl.SSLError, ValueError):
                raise Broken("the protected answer cannot be read") from None
            *whole, self._rest = text.split(_END)
            self._lines.extend(whole)
        return self._lines.popleft().decode(errors="surrogateescape")

    @property
    def ended(self) -> bool:
        """Whether the server is known to have ended the connection."""
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        """Say goodbye and close; does not wait."""
        with contextlib.suppress(OSError, ssl.SSLError):
            self.send("QUIT")
        self._writer.close()

    def abort(self) -> None:
        """Close at once: whatever is on its way belongs to nobody."""
        self._writer.transport.abort()
