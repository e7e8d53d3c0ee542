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
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
from pydantic import ValidationError

from .. import __version__
from ..model import Session
from .activity import Meter
from .connection import Connection
from .holds import Holds
from .identity import Identity
from .programs import PreloadError, Programs, ServerGoneError
from .protocol import (
    Bind,
    BindError,
    Bound,
    Ended,
    Failed,
    Hello,
    Holding,
    Progress,
    Ready,
    Unbind,
    Unbound,
)
from .session import RunningSession, SessionError

log = logging.getLogger(__name__)

PRELOAD_S = 300.0
"""Modules that are not imported by then are a failure."""

ACTIVITY_S = 30.0
"""Between two reports of how busy the machine is."""

HOLDS_S = 1.0
"""Between two looks at what the machine holds; what is there at one look only is not told."""

HOLDS_AGAIN_S = 30.0
"""Between two reports of what it holds while it goes on to hold something."""


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
        self._holds = Holds(root)
        self._told_holding = ""
        self._told_at = 0.0
        self._connection = Connection(
            identity,
            Hello(machine=identity.machine, version=__version__, root=root, isolation=isolation),
            on_welcome=self._say_what_holds,
            on_request=self._on_request,
        )
        self._readiness: Ready | Failed | None = None
        self._session: RunningSession | None = None
        self._work: asyncio.Task[None] | None = None
        self._unbinding: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop``, then reap the session."""
        works = (self._prepare(), self._connection.run(), self._watch_holds())
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(work) for work in works]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            tasks += [stopping, *self._unbinding]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end_session(holds=lambda: False)

    async def _prepare(self) -> None:
        """Say ready once the modules are imported, then now and then how busy it is."""
        try:
            async with asyncio.timeout(PRELOAD_S):
                self._readiness = Ready(preload_s=await self._programs.preloaded())
        except PreloadError as error:
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
        while True:
            await asyncio.sleep(ACTIVITY_S)
            self._connection.mention(self._meter.read())

    def _on_request(self, request: Bind | Unbind) -> None:
        if isinstance(request, Bind):
            self._on_bind(request)
        else:
            unbinding = asyncio.create_task(self._unbind(request.lease))
            self._unbinding.add(unbinding)
            unbinding.add_done_callback(self._unbinding.discard)

    def _on_bind(self, bind: Bind) -> None:
        identity = self._identity
        try:
            claims = jwt.decode(
                bind.signed,
                identity.public_key,
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
        refusal = self._refusal(claims["machine"], lease)
        try:
            session = Session.model_validate(claims["session"])
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
            refusal = refusal or f"the session is wrong in {fields}"
        if refusal:
            self._connection.send(BindError(lease=lease, reason=refusal))
        elif identity.lease is None:
            self._holds.prepare()
            identity.bound(lease)
            self._work = asyncio.create_task(self._bind(lease, session))

    def _refusal(self, machine: object, lease: str) -> str:
        if machine != self._identity.machine:
            return "the bind is for another machine"
        if self._identity.lease is not None and self._identity.lease != lease:
            return "this machine was already somebody's"
        if not isinstance(self._readiness, Ready):
            return "this machine is not ready"
        return ""

    async def _bind(self, lease: str, wanted: Session) -> None:
        path = str(Path(sys.executable).parent)
        session = self._session = RunningSession(wanted, self._programs, self._root, path)

        def tell(percent: int, message: str) -> None:
            self._connection.mention(Progress(lease=lease, percent=percent, message=message))

        try:
            ended = await session.start(tell)
        except Exception as error:
            if isinstance(error, SessionError):
                reason = str(error)
                log.warning("lease %s: %s", lease, reason)
            else:
                reason = f"the machine's agent failed: {type(error).__name__}: {error}"
                log.exception("lease %s", lease)
            await session.stop()
            self._connection.send(BindError(lease=lease, reason=reason))
            return
        seconds = {stage: round(value, 3) for stage, value in session.seconds.items()}
        log.info("lease %s: bound, seconds %s", lease, seconds)
        self._connection.send(Bound(lease=lease, port=wanted.port, seconds=seconds))
        status = await asyncio.shield(ended)  # an unbind still needs to see the end
        log.info("lease %s: its program ended with status %d", lease, status)
        self._connection.send(Ended(lease=lease, exit_status=status))

    async def _unbind(self, lease: str) -> None:
        """End the session and say so; what holds something ends later, which is said again."""
        if self._identity.lease == lease:
            await self._end_session(holds=lambda: bool(self._holds.reason()))
            self._tell_holding(self._holds.reason())
        self._connection.send(Unbound(lease=lease))
        if self._session and self._identity.lease == lease:
            await self._session.linger()
            self._session = None
            self._tell_holding(self._holds.reason())
            self._connection.send(Unbound(lease=lease))

    async def _end_session(self, holds: Callable[[], bool]) -> None:
        """Leaves a session whose daemons stay, because something is held."""
        async with self._ending:
            if self._work:
                self._work.cancel()
                await asyncio.gather(self._work, return_exceptions=True)
            if self._session and await self._session.stop(holds):
                self._session = None

    async def _watch_holds(self) -> None:
        """Say what the machine holds: not each file that is being saved, nor each byte more."""
        before = ""
        while True:
            reason = self._holds.reason()
            again = time.monotonic() - self._told_at >= HOLDS_AGAIN_S
            lasts = bool(reason) == bool(before)
            if lasts and (again or bool(reason) != bool(self._told_holding)):
                self._tell_holding(reason)
            before = reason
            await asyncio.sleep(HOLDS_S)

    def _tell_holding(self, reason: str, *, anew: bool = False) -> None:
        lease = self._identity.lease
        if lease is not None and (anew or reason != self._told_holding):
            self._told_holding, self._told_at = reason, time.monotonic()
            self._connection.send(Holding(lease=lease, reason=reason))

    def _say_what_holds(self) -> None:
        """To a VMM that may know nothing of us any more."""
        if self._identity.lease is None:
            if self._readiness is not None:
                self._connection.send(self._readiness)
            return
        self._tell_holding(self._holds.reason(), anew=True)
        if self._session is None and self._work is None:
            # The agent crashed, and the session with it.
            killed = -int(signal.SIGKILL)
            self._connection.send(Ended(lease=self._identity.lease, exit_status=killed))


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
