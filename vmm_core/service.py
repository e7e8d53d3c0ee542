"""Puts the service together: every part is made here, started, and stopped in order.

Stopping ends this process's part of the work and touches no machine: leases,
sessions and vacant machines are there when the next service starts.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from .api.application import MAX_BODY, make_application
from .api.routes import Services
from .catalogue import load
from .errors import BadRequest
from .leases import Leases
from .pools.inventory import Inventory
from .pools.manager import PoolManager
from .pools.policy import Policy
from .signing import Signer
from .simulation import EveryAgent
from .store import Store
from .switchboard import Switchboard
from .tokens import TokensFile

log = logging.getLogger(__name__)

STOP_S = 1.0
"""How long each part may take to stop."""
BODY_S = 60.0
"""How long a request's body may take to arrive."""
DRAIN_S = 60.0
"""How long the deletion of all machines may take, if they are to be deleted."""
EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - told apart, not bound to


@dataclass(frozen=True, slots=True)
class Settings:
    """What a service is told; see :class:`vmm_core.app.VMM` for what each means."""

    catalogue: Path
    database: str
    tokens_file: Path
    key_file: Path
    ip: str = "127.0.0.1"
    port: int = 0
    machine_url: str = ""
    agent_grace_s: float = 30
    delete_machines_on_stop: bool = False


def listen(ip: str, port: int) -> list[socket.socket]:
    """Sockets that listen there.

    Raises:
        BadRequest: the port is in use, or the address is none of this host's.
    """
    try:
        return bind_sockets(port, ip)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadRequest(
                f"port {port} of {ip} is in use: stop what uses it, or choose another with --port"
            ) from None
        why = error.strerror or os.strerror(error.errno or 0)
        raise BadRequest(
            f"cannot listen on port {port} of {ip} ({why}): choose others with --ip and --port"
        ) from None


class Service:
    """One process of the VMM."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = AsyncExitStack()
        self.url = ""
        """Where it answers; known once started."""

    async def start(self) -> None:
        """Open everything and answer requests. Call :meth:`close` even if this fails.

        Raises:
            VmmError: something that it was told cannot be used, with the remedy.
        """
        settings = self._settings
        sockets = listen(settings.ip, settings.port)
        for each in sockets:
            self._open.callback(each.close)
        port = sockets[0].getsockname()[1]
        self.url = f"http://{_in_url(settings.ip)}:{port}"
        machine_url = settings.machine_url or self.url
        if not settings.machine_url and settings.ip in EVERYWHERE:
            raise BadRequest(
                f"--ip={settings.ip} is every address of this host: "
                "say with --machine-url at which one machines dial it"
            )
        catalogue = load(settings.catalogue)
        tokens = TokensFile(settings.tokens_file)
        signer = Signer.load_or_create(settings.key_file)

        store = Store(settings.database)
        await store.open()
        self._open.push_async_callback(store.close)
        inventory = await Inventory.open(
            catalogue, service_url=machine_url, public_key=signer.public_pem
        )
        self._open.push_async_callback(inventory.close)

        switchboard = Switchboard(
            store,
            signer,
            on_ready=lambda machine: self._pools.agent_ready(machine),
            on_failed=lambda machine, reason: self._pools.agent_failed(machine, reason),
            on_lost=lambda machine: self._pools.agent_lost(machine),
            on_ended=lambda machine, status: self._pools.session_ended(machine, status),
            on_holding=lambda machine, what: self._pools.held.holding(machine, what),
            on_unbound=lambda machine: self._pools.held.settled(machine),
        )
        self._agents = EveryAgent(switchboard, inventory, store.installation)
        policy = Policy(agent_grace_s=settings.agent_grace_s)
        self._pools = PoolManager(store, inventory, self._agents, policy=policy)
        leases = Leases(store, inventory, self._agents, wake=self._pools.wake)

        services = Services(catalogue, store, leases, self._pools, tokens)
        server = HTTPServer(
            make_application(services, switchboard), max_body_size=MAX_BODY, body_timeout=BODY_S
        )
        server.add_sockets(sockets)
        self._open.push_async_callback(_hang_up, server)
        self._open.push_async_callback(switchboard.close)
        self._open.callback(server.stop)

    async def run(self, stop: asyncio.Event) -> None:
        """Work the pools until ``stop`` is set."""
        working = asyncio.create_task(self._pools.run(stop))
        simulating = asyncio.create_task(self._agents.simulate(self._pools.agent_ready))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({working}, timeout=STOP_S)
        finally:
            for task in (working, stopping, simulating):
                task.cancel()
            await asyncio.wait({working, stopping, simulating})
        if not working.cancelled():
            working.result()
        if self._settings.delete_machines_on_stop:
            log.warning("deleting all machines")
            for machine in await self._pools.drain(DRAIN_S):
                log.error("machine %s could not be deleted in %g s", machine, DRAIN_S)

    async def close(self) -> None:
        """Stop answering and close everything. Closing twice is fine."""
        await self._open.aclose()


async def _hang_up(server: HTTPServer) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            await server.close_all_connections()


def _in_url(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip or "0.0.0.0"  # noqa: S104 - as it was told
