"""Reads a stream of Server-Sent Events (HTML Living Standard, section 9.2), line by line."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of a stream."""

    name: str
    data: str


async def read_events(lines: AsyncIterable[bytes]) -> AsyncIterator[ServerEvent]:
    """The events of ``lines``. Comments and fields we have no use for are skipped.

    An event that was cut off before its blank line is dropped, as the standard asks.
    """
    name, data = "message", list[str]()
    async for raw in lines:
        line = raw.decode().rstrip("\r\n")
        if not line:
            if data:
                yield ServerEvent(name, "\n".join(data))
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
