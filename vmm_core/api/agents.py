"""The WebSocket that machines' agents dial: tornado's end of a switchboard's link."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..switchboard import Switchboard
from .handlers import ProblemHandler, bearer_token

QUEUE = 64
"""Frames of one agent that wait to be handled; then its connection is read no further."""


class SocketLink:
    """A :class:`vmm_core.switchboard.Link` over one tornado WebSocket."""

    def __init__(self, socket: AgentSocket) -> None:
        self._socket = socket
        self._pings: dict[bytes, asyncio.Future[None]] = {}

    async def send(self, text: str) -> None:
        """Send a frame; ConnectionError if it is closed."""
        try:
            await self._socket.write_message(text)
        except (WebSocketClosedError, StreamClosedError):
            raise ConnectionError from None

    async def ping(self) -> None:
        """Return when the other end answered a ping; ConnectionError if it is closed."""
        mark = secrets.token_bytes(8)
        self._pings[mark] = asyncio.get_running_loop().create_future()
        try:
            self._socket.ping(mark)
            await self._pings[mark]
        except (WebSocketClosedError, StreamClosedError):
            raise ConnectionError from None
        finally:
            del self._pings[mark]

    def close(self, code: int, reason: str) -> None:
        """Close it, which also ends its incoming frames."""
        self._socket.close(code, reason)
        self._socket.hang_up()

    def answered(self, mark: bytes) -> None:
        """A ping came back."""
        ping = self._pings.get(mark)
        if ping is not None and not ping.done():
            ping.set_result(None)

    def gone(self) -> None:
        """No ping comes back any more."""
        for ping in self._pings.values():
            if not ping.done():
                ping.set_exception(ConnectionError())


class AgentSocket(ProblemHandler, WebSocketHandler):
    """One agent's connection."""

    def initialize(self, switchboard: Switchboard) -> None:
        """Take the switchboard."""
        self._switchboard = switchboard
        self._link = SocketLink(self)
        self._frames: asyncio.Queue[str | None] = asyncio.Queue(QUEUE)
        self._alive = True
        self._serving: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        """Refuse the upgrade without a token; whose token it is, the switchboard finds out."""
        self._token = bearer_token(self)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Hand the connection to the switchboard."""
        self._serving = asyncio.create_task(
            self._switchboard.serve(self._link, self._token, self._incoming())
        )

    async def on_message(self, message: str | bytes) -> None:
        """Queue a frame; binary ones are none of the protocol's and fail its check."""
        await self._frames.put(message if isinstance(message, str) else "")

    def on_pong(self, data: bytes) -> None:
        """A ping came back."""
        self._link.answered(data)

    def on_close(self) -> None:
        """The connection is gone."""
        self._link.gone()
        self.hang_up()

    def hang_up(self) -> None:
        """End the incoming frames, after those that are queued."""
        if not self._alive:
            return
        self._alive = False
        if self._frames.full():
            self._frames.get_nowait()
        self._frames.put_nowait(None)

    async def _incoming(self) -> AsyncGenerator[str, None]:
        while (frame := await self._frames.get()) is not None:
            yield frame
