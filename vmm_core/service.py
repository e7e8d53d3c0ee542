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
from .api.internal import ROUTE as INTERNAL
from .api.internal import Internal
from .api.routes import Services
from .catalogue import load
from .errors import BadRequest
from .leases import Leases
from .metrics import Metrics
from .pools.inventory import Inventory
from .pools.manager import PoolManager
from .pools.policy import Policy
from .pools.sizer import Sizer
from .replicas.answering import Answering
from .replicas.elsewhere import Elsewhere
from .replicas.everywhere import Everywhere
from .replicas.membership import Membership, new_id
from .replicas.tickets import Tickets
from .reservations import Reservations
from .signing import Signer
from .simulation import HereAndSimulated
from .store import Store
from .switchboard import Switchboard
from .tokens import TokensFile
from .topcat import handlers as topcat
from .topcat.arrivals import Arrivals
from .topcat.face import Face

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
    replica_url: str = ""
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
        self.replica = new_id()
        """Who it is among the processes of the service."""
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

        replica_id = self.replica
        switchboard = Switchboard(
            store,
            signer,
            replica=replica_id,
            on_ready=lambda machine: self._pools.agent_ready(machine),
            on_failed=lambda machine, reason: self._pools.agent_failed(machine, reason),
            on_ended=lambda machine, status: self._pools.session_ended(machine, status),
            on_holding=lambda machine, what: self._pools.held.holding(machine, what),
            on_unbound=lambda machine: self._pools.held.settled(machine),
            on_activity=lambda machine, frame: self._pools.keeper.activity(machine, frame),
            on_people=Arrivals(store, catalogue.topcat).people if catalogue.topcat else None,
        )
        self._here = HereAndSimulated(switchboard, inventory, store, replica_id)
        tickets = Tickets(signer, replica_id)
        elsewhere = Elsewhere(tickets)
        self._open.push_async_callback(elsewhere.close)
        agents = Everywhere(store, replica_id, self._here, elsewhere)
        policy = Policy(agent_grace_s=settings.agent_grace_s)
        self._pools = PoolManager(
            store,
            inventory,
            agents,
            policy=policy,
            holder=replica_id,
            floors=Sizer(store, inventory),
        )
        leases = Leases(store, inventory, agents, wake=self._pools.wake)
        self._open.push_async_callback(leases.close)
        self._membership = Membership(
            store,
            replica_id,
            settings.replica_url or _reached_at(settings.ip, port),
            on_return=lambda: self._return(switchboard),
            on_gone=self._pools.wake,
        )
        await self._membership.join()
        self._open.push_async_callback(self._membership.leave)

        services = Services(
            catalogue,
            store,
            leases,
            self._pools,
            tokens,
            reservations=Reservations(store, inventory, policy, wake=self._pools.wake),
            metrics=Metrics(),
        )
        application = make_application(services, switchboard)
        if catalogue.topcat:
            face = Face(
                catalogue.topcat,
                catalogue=catalogue,
                store=store,
                leases=leases,
                tokens=tokens,
                probe=agents.answers,
            )
            application.add_handlers(r".*", topcat.routes(face))
        answering = {"answering": Answering(self._here, tickets)}
        application.add_handlers(r".*", [(INTERNAL, Internal, answering)])
        server = HTTPServer(application, max_body_size=MAX_BODY, body_timeout=BODY_S)
        server.add_sockets(sockets)
        self._open.push_async_callback(_hang_up, server)
        self._open.push_async_callback(switchboard.close)
        self._open.callback(server.stop)

    async def run(self, stop: asyncio.Event) -> None:
        """Work the pools until ``stop`` is set."""
        working = asyncio.create_task(self._pools.run(stop))
        simulating = asyncio.create_task(self._here.simulate(self._pools.agent_ready))
        living = asyncio.create_task(self._membership.run())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({working}, timeout=STOP_S)
        finally:
            for task in (working, stopping, simulating):
                task.cancel()
            await asyncio.wait({working, stopping, simulating})
        try:
            if not working.cancelled():
                working.result()
            if self._settings.delete_machines_on_stop:
                log.warning("deleting all machines")
                for machine in await self._pools.drain(DRAIN_S):
                    log.error("machine %s could not be deleted in %g s", machine, DRAIN_S)
        finally:
            living.cancel()
            await asyncio.wait({living})

    async def close(self) -> None:
        """Stop answering and close everything. Closing twice is fine."""
        await self._open.aclose()

    async def _return(self, switchboard: Switchboard) -> None:
        """The other replicas thought that we are gone."""
        await switchboard.reclaim()
        await self._here.reclaim()
        self._pools.wake()


async def _hang_up(server: HTTPServer) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            await server.close_all_connections()


def _in_url(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip or "0.0.0.0"  # noqa: S104 - as it was told


def _reached_at(ip: str, port: int) -> str:
    """The URL of this process for the others, as far as it can be guessed."""
    if ip in EVERYWHERE:
        return f"http://{socket.getfqdn()}:{port}"
    return f"http://{_in_url(ip)}:{port}"
