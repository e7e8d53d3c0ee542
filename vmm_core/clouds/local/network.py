"""The two sides of a machine's network: a namespace with nothing but loopback.

A socket belongs for ever to the network namespace that it was made in. So the
process inside the namespace only makes sockets and hands them out; the
supervisor outside listens and connects with them and relays the bytes:

* into the host: the machine's ``127.0.0.1:P`` is the host's, for each port it may reach,
  and so is ``ADDRESS:P`` of elsewhere, an address that the machine holds on its loopback;
* into the machine: a random port of the host's ``127.0.0.1`` leads to each of its ports.

No virtual cable, no address, no firewall rule: nothing to clean up, and
nothing is reachable that was not named.
"""

from __future__ import annotations

import asyncio
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

LOOPBACK = "127.0.0.1"
CHUNK = 1 << 17
"""Bytes buffered per direction of a relayed connection: all that is ever held of it."""

_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_IFF_UP_RUNNING = 0x1 | 0x40
_BACKLOG = 512


def loopback_up() -> None:
    """Bring ``lo`` up in the current network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", _IFF_UP_RUNNING, b""))


def endpoint(text: str) -> tuple[str, int]:
    """Address and port of ``ADDRESS:PORT``."""
    address, _, port = text.rpartition(":")
    return address, int(port)


def hold(addresses: Iterable[str]) -> None:
    """Give ``lo`` of the current network namespace those of the addresses that it lacks.

    Each alone: with the mask that the kernel derives, its whole network would be local.
    """
    foreign = [a for a in dict.fromkeys(addresses) if not ipaddress.ip_address(a).is_loopback]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for number, address in enumerate(foreign):
            alias = f"lo:{number}".encode()
            for request, value in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, "255.255.255.255")):
                wanted = struct.pack("16sHH4s8x", alias, socket.AF_INET, 0, socket.inet_aton(value))
                fcntl.ioctl(control, request, wanted)


def listeners(endpoints: Iterable[tuple[str, int]]) -> list[socket.socket]:
    """Listening sockets in the current network namespace, in the order given."""
    made: list[socket.socket] = []
    for address, port in endpoints:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        made.append(listener)
    return made


class Relay:
    """Accepts on one listening socket and connects each caller onwards."""

    def __init__(self, listener: socket.socket, onward: Callable[[], Awaitable[socket.socket]]):
        """``onward`` makes a connected, non-blocking socket, or raises ``OSError``."""
        listener.setblocking(False)
        self._listener = listener
        self._onward = onward
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled; connections end with it."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    caller, _ = await loop.sock_accept(self._listener)
                except OSError:  # out of descriptors, or the caller is gone: others go on
                    await asyncio.sleep(0.05)
                    continue
                task = loop.create_task(self._serve(caller))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)
        finally:
            self._listener.close()
            for task in self._connections:
                task.cancel()

    async def _serve(self, caller: socket.socket) -> None:
        with caller:
            caller.setblocking(False)
            try:
                other = await self._onward()
            except OSError:
                reset(caller)
                return
            with other:
                await _both_ways(caller, other)


async def _both_ways(one: socket.socket, other: socket.socket) -> None:
    for end in (one, other):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_one_way(one, other))
            group.create_task(_one_way(other, one))
    except* OSError:  # one side broke: the other must see a break too, not an end
        reset(one)
        reset(other)


async def _one_way(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the end of ``source``, then say the end to ``sink`` and leave its answer open."""
    loop = asyncio.get_running_loop()
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    while count := await loop.sock_recv_into(source, buffer):
        await loop.sock_sendall(sink, view[:count])
        if count == CHUNK:
            await asyncio.sleep(0)  # a bulk transfer that never blocks lets the others through
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def reset(end: socket.socket) -> None:
    """Make the coming close a reset, as a broken connection is."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
