"""Knowing that something is up: a mount, a socket, an HTTP server.

Each question is asked often, because a user waits, and in ways that cannot
hang: mounts are read from the kernel's table, never touched.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

POLL_S = 0.02
"""Between two questions."""

_ANSWER_S = 5
"""A server that accepted and says nothing for that long is asked again."""


def is_mounted(path: str) -> bool:
    """Whether something is mounted on exactly this folder."""
    table = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    wanted = path.rstrip("/") or "/"
    return any(_unescaped(line.split()[4]) == wanted for line in table.splitlines())


async def accepts(socket_path: str) -> bool:
    """Whether a Unix socket accepts a connection."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            _, writer = await asyncio.open_unix_connection(socket_path)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def answers(port: int, path: str) -> bool:
    """Whether HTTP on 127.0.0.1 answers ``GET path`` with a status below 500."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
                writer.write(f"{request}\r\n".encode())
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False
    status = line.split()[1:2]
    return bool(status) and status[0].isdigit() and int(status[0]) < 500


async def listens(port: int) -> bool:
    """Whether a TCP port of 127.0.0.1 accepts a connection."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def until(
    condition: Callable[[], Awaitable[bool]], ended: asyncio.Future[int], timeout_s: float
) -> bool:
    """Ask until the answer is yes; False if ``ended`` comes first.

    Raises:
        TimeoutError: neither within ``timeout_s`` seconds.
    """
    async with asyncio.timeout(timeout_s):
        while not ended.done():
            if await condition():
                return True
            await asyncio.wait([ended], timeout=POLL_S)
    return False


def _unescaped(field: str) -> str:
    """Mount points in the kernel's table have blanks and backslashes as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
