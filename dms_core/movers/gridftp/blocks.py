"""Data channels in extended block mode (MODE E, GFD.20): the server dials and sends blocks.

A block is a descriptor byte, a count and an offset, then the bytes, which land
in the buffer of the piece they belong to. Channels stay open between transfers,
so that a later range costs one round trip.
"""

from __future__ import annotations

import asyncio
import bisect
import struct
from collections.abc import Callable, Sequence

from .control import Broken

_HEAD = struct.Struct(">BQQ")  # descriptor, bytes, offset
_EOF, _EOD, _CLOSE = 0x40, 0x08, 0x04


class Landing:
    """Where the blocks of one transfer go: pieces by their offset in the transfer.

    Args:
        pieces: (offset, length), ascending, not overlapping.
    """

    def __init__(self, pieces: Sequence[tuple[int, int]]) -> None:
        self._starts = [start for start, _ in pieces]
        self._buffers = [bytearray(length) for _, length in pieces]
        self._views = [memoryview(buffer) for buffer in self._buffers]
        self._covered: list[tuple[int, int]] = []
        self._wanted = sum(length for _, length in pieces)
        self._ends = 0
        self._ends_expected: int | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Set when every channel said that it sent all."""
        self.progress: Callable[[], None] = lambda: None
        """Called when bytes came."""

    def room(self, offset: int, count: int) -> memoryview:
        """Where a block of the transfer goes.

        Raises:
            Broken: nobody asked for it.
        """
        at = bisect.bisect_right(self._starts, offset) - 1
        skip = offset - self._starts[at]
        if at < 0 or skip + count > len(self._views[at]):
            raise Broken("the server sent bytes that nobody asked for")
        self._covered.append((offset, count))
        return self._views[at][skip : skip + count]

    def ends_expected(self, count: int) -> None:
        """How many channels will say that they are done."""
        self._ends_expected = count
        self._check()

    def ended(self) -> None:
        """A channel is done."""
        self._ends += 1
        self._check()

    def fail(self, error: Broken) -> None:
        """There will be no more."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # seen: the transfer may have been given up

    def result(self) -> list[bytes]:
        """The pieces, every byte of which came, once.

        Raises:
            Broken: some did not.
        """
        end = -1
        for offset, count in sorted(self._covered):
            if offset < end:
                raise Broken("the server sent bytes twice")
            end = offset + count
        if sum(count for _, count in self._covered) != self._wanted:
            raise Broken("the server sent fewer bytes than were asked for")
        return [bytes(buffer) for buffer in self._buffers]

    def _check(self) -> None:
        whole = self._ends_expected is not None and self._ends >= self._ends_expected
        if whole and not self.done.done():
            self.done.set_result(None)


class Channels:
    """The data channels of one session, and the transfer they are used for now."""

    def __init__(self, peer: str | None) -> None:
        self.landing: Landing | None = None
        self.peer = peer
        """Only this address may send; None: any."""
        self._open: set[asyncio.BaseTransport] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, address: str, ports: Sequence[int] = (0,)) -> int:
        """Take the server's connections at ``address``; the port.

        Raises:
            OSError: none of ``ports`` is free.
        """
        loop = asyncio.get_running_loop()
        for number, port in enumerate(ports):
            try:
                self._server = await loop.create_server(
                    lambda: _Channel(self), address, port, backlog=64
                )
            except OSError:
                if number == len(ports) - 1:
                    raise
                continue
            break
        assert self._server is not None  # noqa: S101 - the loop raised otherwise
        return int(self._server.sockets[0].getsockname()[1])

    def opened(self, transport: asyncio.BaseTransport) -> bool:
        """Whether a channel that was dialled may stay."""
        peer = transport.get_extra_info("peername")
        if self._server is None or (self.peer is not None and peer and peer[0] != self.peer):
            return False
        self._open.add(transport)
        return True

    def closed(self, transport: asyncio.BaseTransport) -> None:
        """A channel ended."""
        self._open.discard(transport)

    def abort(self) -> None:
        """Close the listener and every channel at once."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for transport in list(self._open):
            if isinstance(transport, asyncio.Transport):
                transport.abort()


class _Channel(asyncio.BufferedProtocol):
    """Reads heads, and bytes straight to where they belong."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._head = bytearray(_HEAD.size)
        self._view = memoryview(self._head)
        self._got = 0
        self._flags = 0
        self._room: memoryview | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        if not self._channels.opened(transport):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._channels.closed(self._transport)
        cut = self._room is not None or self._got or not self._flags & _EOD
        if self._channels.landing is not None and cut:
            self._channels.landing.fail(Broken("a data connection ended in mid-transfer"))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room if self._room is not None else self._view[self._got :]

    def buffer_updated(self, nbytes: int) -> None:
        if self._channels.landing is not None:
            self._channels.landing.progress()
        if self._room is not None:
            self._room = self._room[nbytes:] if nbytes < len(self._room) else None
            if self._room is None:
                self._end_of_block()
            return
        self._got += nbytes
        if self._got == _HEAD.size:
            self._got = 0
            try:
                self._begin_block(*_HEAD.unpack(self._head))
            except Broken as error:
                if self._channels.landing is not None:
                    self._channels.landing.fail(error)
                assert self._transport is not None  # noqa: S101
                self._transport.abort()

    def _begin_block(self, flags: int, count: int, offset: int) -> None:
        landing = self._channels.landing
        if landing is None:
            raise Broken("the server sent bytes that nobody asked for")
        self._flags = flags
        if flags & _EOF:  # then the offset says how many ends of data will come
            landing.ends_expected(offset)
            count = 0
        if count:
            self._room = landing.room(offset, count)
        else:
            self._end_of_block()

    def _end_of_block(self) -> None:
        if self._flags & _EOD:
            if self._channels.landing is not None:
                self._channels.landing.ended()
            if self._flags & _CLOSE and self._transport is not None:
                self._transport.close()
