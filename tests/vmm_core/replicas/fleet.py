"""The machines of a simulated cloud, each with an agent that dials whichever replica answers.

Their agents keep what a real one keeps when its connection breaks: the session
goes on, a bind that is asked again is answered again, and starts nothing twice.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import jwt

from vmm_core.agent.protocol import Bind, Bound, Progress, Ready, Unbind, Unbound, UserData
from vmm_core.model import Noun

from ..agents import WAIT_S, HungUpError, WireAgent

PORT = 8888


class MachineAgent:
    """One machine's agent, through all its connections."""

    def __init__(self, fleet: Fleet, data: UserData) -> None:
        self._fleet = fleet
        self._data = data
        self._token = data.enrolment_token
        self._outbox: asyncio.Queue[Noun] = asyncio.Queue()
        self._starting: asyncio.Task[None] | None = None
        self._lease = ""
        self._bound: Bound | None = None

    async def run(self) -> None:
        """Dial one replica after the other, for ever."""
        first = sum(map(ord, self._data.machine))  # not all machines at one replica
        urls = self._fleet.urls
        for number in itertools.count(first):
            url = urls[number % len(urls)]
            with suppress(aiohttp.ClientError, HungUpError, OSError, TimeoutError):
                async with WireAgent(url, self._data.machine, self._token) as agent:
                    await agent.greet()
                    self._token = agent.reconnect_token
                    self._fleet.at[self._data.machine] = url
                    await self._speak(agent)
            self._fleet.at.pop(self._data.machine, None)
            await asyncio.sleep(0.05)

    async def _speak(self, agent: WireAgent) -> None:
        if self._bound:
            await agent.send(self._bound)
        elif not self._starting:
            await agent.send(Ready(preload_s=0))
        sending = asyncio.create_task(self._empty_outbox(agent))
        try:
            while True:
                match await agent.receive(within_s=None):
                    case Bind(signed=signed):
                        claims = jwt.decode(signed, self._data.public_key, algorithms=["EdDSA"])
                        self._bind(claims["lease"])
                    case Unbind(lease=lease):
                        self._unbind(lease)
        finally:
            sending.cancel()
            await asyncio.wait({sending})

    async def _empty_outbox(self, agent: WireAgent) -> None:
        while True:
            await agent.send(await self._outbox.get())

    def _bind(self, lease: str) -> None:
        if self._bound:
            self._outbox.put_nowait(self._bound)
        elif self._starting is None:
            self._starting = asyncio.create_task(self._start(lease))

    async def _start(self, lease: str) -> None:
        self._fleet.starts[lease] += 1
        self._outbox.put_nowait(Progress(lease=lease, percent=50, message="making the account"))
        self._fleet.asked.set()
        await self._fleet.go.wait()
        self._bound = Bound(lease=lease, port=PORT)
        self._outbox.put_nowait(self._bound)

    def _unbind(self, lease: str) -> None:
        if self._starting:
            self._starting.cancel()
        self._starting = self._bound = None
        self._fleet.ends[lease] += 1
        self._outbox.put_nowait(Unbound(lease=lease))


class Fleet:
    """Runs an agent for each machine that the cloud's file has."""

    def __init__(self, state_file: Path, urls: Sequence[str]) -> None:
        self._state_file = state_file
        self.urls = list(urls)
        """What an agent dials, one after the other."""
        self.at: dict[str, str] = {}
        """Machine -> the URL that its agent is connected to."""
        self.starts: Counter[str] = Counter()
        """How many sessions were started for a lease."""
        self.ends: Counter[str] = Counter()
        self.asked = asyncio.Event()
        """Set when a bind has begun."""
        self.go = asyncio.Event()
        """Sessions answer when this is set."""
        self.go.set()
        self.most = 0
        """The most machines that the cloud ever had."""
        self._agents: dict[str, asyncio.Task[None]] = {}

    def machines(self) -> list[str]:
        """Names of all machines at the cloud now."""
        try:
            return [record["name"] for record in json.loads(self._state_file.read_text())]
        except FileNotFoundError:
            return []

    async def run(self) -> None:
        """Look for machines until cancelled."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(0.02)
        finally:
            for task in self._agents.values():
                task.cancel()
            if self._agents:
                _, alive = await asyncio.wait(self._agents.values(), timeout=WAIT_S)
                assert not alive

    async def _look(self) -> None:
        try:
            records = json.loads(self._state_file.read_text())
        except FileNotFoundError:
            return
        given = {record["name"]: record["user_data"] for record in records}
        self.most = max(self.most, len(given))
        for name in self._agents.keys() - given.keys():
            self._agents.pop(name).cancel()
        for name in given.keys() - self._agents.keys():
            data = UserData.model_validate_json(given[name])
            self._agents[name] = asyncio.create_task(MachineAgent(self, data).run())


@asynccontextmanager
async def fleet_of(state_file: Path, urls: Sequence[str]) -> AsyncIterator[Fleet]:
    """A fleet that runs inside the ``with``."""
    fleet = Fleet(state_file, urls)
    running = asyncio.create_task(fleet.run())
    try:
        yield fleet
        if running.done():
            running.result()
    finally:
        running.cancel()
        await asyncio.wait({running})
