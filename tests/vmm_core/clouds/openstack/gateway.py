"""A small VMM that the lab's servers dial over their network, and a session for them to run."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from vmm_core.agent.protocol import Bound, Ready
from vmm_core.clouds.base import CloudMachine
from vmm_core.model import Program, Session

from ...agent.service import Service

SESSION = Session(
    user="alice",
    program=Program(argv=(sys.executable, "-m", "http.server", "8888")),  # on every address
    port=8888,
    health_path="/",
)


class GatewayService(Service):
    """The agents' side of a VMM, at an address of this host."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/vmm/api/v1/agent", self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.address, self.port).start()
        self.port = self._runner.addresses[0][1]

    def user_data(self, machine: str, preload: tuple[str, ...] = ()) -> str:
        return super().user_data(machine, preload).replace("127.0.0.1", self.address)

    async def serves(self, machine: CloudMachine, port: int) -> bool:
        """Whether a session on the machine answers at its address; binds one first."""
        await self.wait_for(Ready)
        bound = await self.bind(machine.name, "lease-1", SESSION)
        assert isinstance(bound, Bound), bound
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(machine.address, machine.ports[port])
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = await reader.read(-1)
            writer.close()
        return b" 200 " in answer.partition(b"\r\n")[0]
