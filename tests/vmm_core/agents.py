"""A small agent for tests: a real WebSocket client that speaks the protocol."""

from __future__ import annotations

import asyncio
from typing import Self

import aiohttp
import jwt

from vmm_core.agent.protocol import (
    Bind,
    Bound,
    Ended,
    Hello,
    Progress,
    Ready,
    ToAgent,
    Unbind,
    Unbound,
    Welcome,
    to_agent,
)
from vmm_core.api.models import PREFIX
from vmm_core.model import Noun, Session

WAIT_S = 20


class HungUpError(Exception):
    """The service closed the connection."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class WireAgent:
    """One connection of one machine, driven by hand.

    ``answer_pings=False`` makes an agent whose machine hangs while its connection stays.
    """

    def __init__(self, url: str, machine: str, token: str, *, answer_pings: bool = True) -> None:
        self.machine = machine
        self._url = f"{url}{PREFIX}/agent"
        self._token = token
        self._answer_pings = answer_pings
        self._http = aiohttp.ClientSession()
        self._frames: asyncio.Queue[str | None] = asyncio.Queue()
        self.reconnect_token = ""

    async def __aenter__(self) -> Self:
        try:
            self._socket = await self._http.ws_connect(
                self._url,
                headers={"Authorization": f"Bearer {self._token}"},
                autoping=self._answer_pings,
            )
        except BaseException:
            await self._http.close()
            raise
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        await self._socket.close()
        await self._http.close()

    async def cut(self) -> None:
        """Lose the connection without a word."""
        connection = self._socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()

    async def send(self, frame: Noun) -> None:
        await self._socket.send_str(frame.model_dump_json())

    async def send_text(self, text: str) -> None:
        await self._socket.send_str(text)

    async def receive(self, within_s: float | None = WAIT_S) -> ToAgent:
        """The next frame from the service."""
        async with asyncio.timeout(within_s):  # wait_for of Python 3.11 may lose a cancellation
            frame = await self._frames.get()
        if frame is None:
            raise HungUpError(self._socket.close_code)
        return to_agent.validate_json(frame)

    async def _read(self) -> None:
        """Read on, also when nobody receives: only then are pings answered."""
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._frames.put_nowait(message.data)
        self._frames.put_nowait(None)

    async def greet(self, **facts: str) -> Self:
        """Say hello and keep the reconnect token."""
        await self.send(Hello(machine=self.machine, version="test", **facts))
        welcome = await self.receive()
        assert isinstance(welcome, Welcome)
        self.reconnect_token = welcome.reconnect_token
        return self

    async def ready(self) -> None:
        await self.send(Ready(preload_s=0.1))

    async def receive_bind(self, public_pem: str) -> tuple[str, Session]:
        """The lease and the session of the next bind, with its signature checked."""
        frame = await self.receive()
        assert isinstance(frame, Bind)
        claims = jwt.decode(frame.signed, public_pem, algorithms=["EdDSA"])
        assert claims["machine"] == self.machine
        return claims["lease"], Session.model_validate(claims["session"])

    async def progress(self, lease: str, percent: int, message: str) -> None:
        await self.send(Progress(lease=lease, percent=percent, message=message))

    async def bound(self, lease: str, port: int) -> None:
        await self.send(Bound(lease=lease, port=port))

    async def ended(self, lease: str, exit_status: int) -> None:
        await self.send(Ended(lease=lease, exit_status=exit_status))

    async def serve(self, public_pem: str, port: int) -> None:
        """Be a good agent: ready, then bind and unbind whatever comes, until hung up on."""
        await self.ready()
        try:
            while True:
                match await self.receive(within_s=None):
                    case Bind(signed=signed):
                        claims = jwt.decode(signed, public_pem, algorithms=["EdDSA"])
                        await self.progress(claims["lease"], 60, "making the account")
                        await self.bound(claims["lease"], port)
                    case Unbind(lease=lease):
                        await self.send(Unbound(lease=lease))
                    case _:
                        pass
        except HungUpError:
            pass
