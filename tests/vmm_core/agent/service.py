"""A small VMM for tests: a real WebSocket server that speaks the agents' protocol."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

import jwt
from aiohttp import WSMsgType, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vmm_core.agent.protocol import (
    Bind,
    BindError,
    Bound,
    FromAgent,
    Hello,
    ToAgent,
    Unbind,
    Unbound,
    UserData,
    Welcome,
    from_agent,
)
from vmm_core.model import Session

WAIT_S = 40
Frame = TypeVar("Frame")


class Service:
    """Admits agents by token, keeps what they say, tells them what to do."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.key = Ed25519PrivateKey.generate()
        self.frames: list[FromAgent] = []
        self.tokens: list[str] = []
        self.welcomes = 0
        self.enrolment_token = secrets.token_urlsafe(16)
        self.reconnect_token = secrets.token_urlsafe(16)
        self._enrolled = False
        self._changed = asyncio.Condition()
        self._socket: web.WebSocketResponse | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/vmm/api/v1/agent", self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Go away, as a restart does; ``start`` comes back on the same port."""
        if self._socket is not None:
            await self._socket.close(code=1012)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def user_data(self, machine: str, preload: tuple[str, ...] = (), **more: object) -> str:
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        values: dict[str, object] = {
            "service": f"http://127.0.0.1:{self.port}",
            "machine": machine,
            "enrolment_token": self.enrolment_token,
            "public_key": pem.decode(),
            "preload": preload,
            **more,
        }
        return UserData.model_validate(values).model_dump_json()

    async def wait_for(
        self,
        kind: type[Frame],
        where: Callable[[Frame], bool] = lambda frame: True,
        *,
        since: int = 0,
    ) -> Frame:
        """The first frame of this kind from number ``since`` on, once it is there."""

        def found() -> Frame | None:
            return next((f for f in self.frames[since:] if isinstance(f, kind) and where(f)), None)

        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: found() is not None)
        frame = found()
        assert frame is not None
        return frame

    async def wait_welcomes(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: self.welcomes >= count)

    def sign(self, machine: str, lease: str, session: Session, *, lasts_s: float = 60) -> str:
        claims = {
            "machine": machine,
            "lease": lease,
            "exp": int(time.time() + lasts_s),
            "session": session.model_dump(mode="json"),
        }
        return jwt.encode(claims, self.key, algorithm="EdDSA")

    async def send(self, frame: ToAgent) -> None:
        assert self._socket is not None
        await self._socket.send_str(frame.model_dump_json())

    async def bind(self, machine: str, lease: str, session: Session) -> Bound | BindError:
        since = len(self.frames)
        await self.send(Bind(signed=self.sign(machine, lease, session)))
        return await self.wait_for(
            (Bound, BindError),  # type: ignore[arg-type]
            lambda frame: frame.lease == lease,
            since=since,
        )

    async def unbind(self, lease: str) -> None:
        since = len(self.frames)
        await self.send(Unbind(lease=lease))
        await self.wait_for(Unbound, lambda frame: frame.lease == lease, since=since)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.tokens.append(token)
        first = token == self.enrolment_token and not self._enrolled
        if not first and token != self.reconnect_token:
            raise web.HTTPUnauthorized
        self._enrolled = True
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        self._socket = connection
        async for message in connection:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = from_agent.validate_python(json.loads(message.data))
            if isinstance(frame, Hello):
                welcome = Welcome(reconnect_token=self.reconnect_token)
                await connection.send_str(welcome.model_dump_json())
                self.welcomes += 1
            async with self._changed:
                self.frames.append(frame)
                self._changed.notify_all()
        return connection
