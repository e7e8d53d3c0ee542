"""The agent: dials the VMM, says what happens on the machine, does what it is told.

The connection and the machine's state are apart. A lost connection changes
nothing here: the session goes on, and what must be said waits. After each
Welcome the agent says what still holds (ready, or its session's end), so that
a VMM that restarted knows it again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
from pydantic import ValidationError

from .. import __version__
from ..model import Session
from .activity import Meter
from .connection import Connection
from .identity import Identity
from .programs import PreloadError, Programs, ServerGoneError
from .protocol import Bind, BindError, Failed, Hello, Ready, Unbind
from .ssh.endpoint import CannotServe, Endpoint
from .ssh.obey import Obey
from .tenancy import Tenancy

log = logging.getLogger(__name__)

PRELOAD_S = 300.0
"""Modules that are not imported by then are a failure."""

FIRST_ACTIVITY_S = 5.0
"""After that the first report is due, if not sooner."""


class Agent:
    """One machine's agent.

    Args:
        identity: who the machine is.
        root: folder that stands for ``/``, ending in a slash.
        isolation: what separates the machine, in words.
        programs: the fork server.
    """

    def __init__(self, identity: Identity, root: str, isolation: str, programs: Programs) -> None:
        self._identity = identity
        self._root = root
        self._programs = programs
        self._meter = Meter(root)
        self._connection = Connection(
            identity,
            Hello(machine=identity.machine, version=__version__, root=root, isolation=isolation),
            on_welcome=self._say_what_holds,
            on_request=self._on_request,
        )
        self._tenancy = Tenancy(identity, programs, root, self._connection)
        self._readiness: Ready | Failed | None = None
        self._obey: Obey | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop``, then reap the session."""
        works = (self._prepare(), self._connection.run(), self._tenancy.watch_holds())
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(work) for work in works]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
            await self._tenancy.close()

    async def _prepare(self) -> None:
        """Say ready once the modules are imported, then now and then how busy it is."""
        endpoint = None
        try:
            async with asyncio.timeout(PRELOAD_S):
                ready = Ready(preload_s=await self._programs.preloaded())
            endpoint = await self._offer_commands()
            self._readiness = ready
        except (PreloadError, CannotServe) as error:
            self._readiness = Failed(reason=str(error))
        except ServerGoneError:
            self._readiness = Failed(reason="importing the environment's modules ended the agent")
        except TimeoutError:
            self._readiness = Failed(
                reason=f"the environment's modules were not imported within {PRELOAD_S:g} s"
            )
        log.info("%s", self._readiness)
        if self._identity.lease is None:
            self._connection.mention(self._readiness)  # else it is said at the next welcome
        try:
            await self._report_activity()
        finally:
            if endpoint:
                await endpoint.close()

    async def _offer_commands(self) -> Endpoint | None:
        """Serve what is offered over SSH, if anything is.

        Raises:
            CannotServe: it cannot be.
        """
        access = self._identity.ssh
        if access is None:
            return None
        self._obey = Obey(access, self._identity, self._tenancy, self._root, self._connection.send)
        endpoint = Endpoint(access, Path(self._root, "run/vmm/ssh_host_key"), self._obey)
        await endpoint.open()
        return endpoint

    async def _report_activity(self) -> None:
        delay_s = min(FIRST_ACTIVITY_S, self._identity.activity_s)
        while True:
            await asyncio.sleep(delay_s)
            delay_s = self._identity.activity_s
            try:
                activity = await self._meter.read(self._tenancy.serving())
            except OSError as error:
                log.warning("activity cannot be read: %s", error)
                continue
            self._connection.mention(activity)

    def _on_request(self, request: Bind | Unbind) -> None:
        if isinstance(request, Bind):
            self._on_bind(request)
        else:
            self._tenancy.unbind(request.lease)

    def _on_bind(self, bind: Bind) -> None:
        try:
            claims = jwt.decode(
                bind.signed,
                self._identity.public_key,
                algorithms=["EdDSA"],
                options={"require": ["machine", "lease", "exp", "session"]},
            )
        except jwt.InvalidTokenError as error:
            log.warning("a bind is refused: %s", error)
            if lease := _claimed_lease(bind.signed):
                reason = f"the bind is refused: {error}"
                self._connection.send(BindError(lease=lease, reason=reason))
            return
        lease = str(claims["lease"])
        try:
            session = Session.model_validate(claims["session"])
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
            self._connection.send(
                BindError(lease=lease, reason=f"the session is wrong in {fields}")
            )
            return
        if refusal := self._refusal(claims["machine"], lease, session.user):
            self._connection.send(BindError(lease=lease, reason=refusal))
        else:
            self._tenancy.bind(lease, session)

    def _refusal(self, machine: object, lease: str, user: str) -> str:
        if machine != self._identity.machine:
            return "the bind is for another machine"
        if taken := self._tenancy.refusal(lease, user):
            return taken
        if not isinstance(self._readiness, Ready):
            return "this machine is not ready"
        return ""

    def _say_what_holds(self) -> None:
        """To a VMM that may know nothing of us any more."""
        if self._identity.lease is None and self._readiness is not None:
            self._connection.send(self._readiness)
        self._tenancy.say_what_holds()
        if self._obey:
            self._obey.say_people()


def _claimed_lease(signed: str) -> str:
    """The lease that a refused bind names: trusted for nothing but to say which was refused."""
    with suppress(jwt.InvalidTokenError):
        return str(jwt.decode(signed, options={"verify_signature": False}).get("lease", ""))
    return ""


def run(identity: Identity, *, root: str, isolation: str, server: socket.socket) -> int:
    """Run the agent until SIGTERM; returns the exit status."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        programs = Programs(server)
        await programs.open()
        try:
            await Agent(identity, root, isolation, programs).run(stop)
        finally:
            await programs.close()

    with suppress(KeyboardInterrupt):
        asyncio.run(main())
    _await_server()
    return 0


def _await_server(deadline_s: float = 10) -> None:
    """The fork server ends everything once we are gone from its socket; be there until then."""
    end = time.monotonic() + deadline_s
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] == 0 and time.monotonic() < end:
            time.sleep(0.01)
