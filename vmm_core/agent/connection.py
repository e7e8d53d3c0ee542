"""The agent's connection to the VMM: dialled for ever, and what was not yet said waits."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp
from pydantic import ValidationError

from . import backoff, jumps
from .identity import Identity
from .protocol import Bind, FromAgent, Hello, ToAgent, Unbind, Welcome, to_agent

log = logging.getLogger(__name__)

PING_S = 20.0
"""A VMM that does not answer a ping within half of this is dialled again."""

CONNECT_S = 10.0
"""A VMM that does not accept by then is dialled again."""


CLOSE_S = 1.0
"""A VMM that does not answer our goodbye by then is left without."""

Result = TypeVar("Result")


class JumpedError(Exception):
    """Time jumped, so whatever was being waited for is not worth waiting for; says how far."""


class Connection:
    """One machine's line to the VMM.

    Args:
        identity: whose token dials; takes the token that the VMM gives.
        hello: the first frame of every connection.
        on_welcome: called when the VMM knows us; what it sends goes out first.
        on_request: called with each bind and unbind.
    """

    def __init__(
        self,
        identity: Identity,
        hello: Hello,
        *,
        on_welcome: Callable[[], None],
        on_request: Callable[[Bind | Unbind], None],
    ) -> None:
        self._identity = identity
        self._hello = hello
        self._on_welcome = on_welcome
        self._on_request = on_request
        self._services = itertools.cycle(identity.service.split())
        self._outbox: deque[FromAgent] = deque()
        self._filled = asyncio.Event()
        self.up = False
        """Whether the VMM has welcomed us and is still there."""

    def send(self, frame: FromAgent) -> None:
        """Say it now, or when there is a connection again."""
        self._outbox.append(frame)
        self._filled.set()

    def mention(self, frame: FromAgent) -> None:
        """Say it now or never: nobody wants to know later."""
        if self.up:
            self.send(frame)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        async with aiohttp.ClientSession() as http:
            delays = backoff.delays()
            while True:
                welcomed, began = self._identity.token, time.monotonic()
                try:
                    code = await _unless_jump(self._converse(http))
                    reason = f"the VMM closed the connection with code {code}"
                except JumpedError as error:
                    log.info("%s; dialling again", error)
                    delays = backoff.delays()
                    continue
                except (aiohttp.ClientError, OSError, TimeoutError, ValidationError) as error:
                    reason = str(error) or type(error).__name__
                if self._identity.token != welcomed or time.monotonic() - began > PING_S:
                    delays = backoff.delays()
                delay = next(delays)
                log.info("%s; dialling again in %.1f s", reason, delay)
                try:
                    await _unless_jump(asyncio.sleep(delay))
                except JumpedError:
                    delays = backoff.delays()

    async def _converse(self, http: aiohttp.ClientSession) -> int | None:
        """One connection, from dialling to its end; returns how it was closed."""
        async with asyncio.timeout(CONNECT_S):
            socket = await http.ws_connect(
                f"{next(self._services).rstrip('/')}/vmm/api/v1/agent",
                headers={"Authorization": f"Bearer {self._identity.token}"},
                heartbeat=PING_S,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            )
        async with socket:
            await socket.send_str(self._hello.model_dump_json())
            sending: asyncio.Task[None] | None = None
            try:
                async for message in socket:
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        continue
                    frame: ToAgent = to_agent.validate_json(message.data)
                    if not isinstance(frame, Welcome):
                        self._on_request(frame)
                    elif sending is None:
                        self._identity.enrolled(frame.reconnect_token)
                        self._on_welcome()
                        self.up = True
                        sending = asyncio.create_task(self._empty_outbox(socket))
            finally:
                self.up = False
                if sending:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
        return socket.close_code

    async def _empty_outbox(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            while self._outbox:
                await socket.send_str(self._outbox[0].model_dump_json())
                self._outbox.popleft()
            self._filled.clear()
            await self._filled.wait()


async def _unless_jump(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of ``work``.

    Raises:
        JumpedError: time jumped while it was worked on; it is cancelled.
    """
    tasks: tuple[asyncio.Task[Result], asyncio.Task[str]]
    tasks = asyncio.create_task(work), asyncio.create_task(jumps.jump())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            return tasks[0].result()
        raise JumpedError(tasks[1].result())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
