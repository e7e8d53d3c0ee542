"""Whose machine this is, and that user's session: from bind to unbind, and back again.

A machine is one lease's for ever. That lease may end and be restored: then it
is bound once more, and what the user left on the disk is there. A machine may
also be taken over SSH (:mod:`.ssh`), then it is that person's in the same way.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Protocol

from ..model import Session
from .accounts import Account
from .holds import Holds
from .identity import Identity
from .programs import Programs
from .protocol import BindError, Bound, Ended, FromAgent, Holding, Progress, Unbound
from .session import RunningSession, SessionError, Tell, Up

log = logging.getLogger(__name__)

BY_SSH = "by-ssh"
"""The lease of a machine that was taken over SSH: the VMM's name of it is not known here."""

HOLDS_S = 1.0
"""Between two looks at what the machine holds; what is there at one look only is not told."""

HOLDS_AGAIN_S = 30.0
"""Between two reports of what it holds while it goes on to hold something."""


class Line(Protocol):
    """To the VMM."""

    def send(self, frame: FromAgent) -> None:
        """Say it now, or when there is a connection again."""

    def mention(self, frame: FromAgent) -> None:
        """Say it now or never."""


class Tenancy:
    """The one user of this machine.

    Args:
        identity: remembers whose it is.
        programs: starts what the session is made of.
        root: folder that stands for ``/``, ending in a slash.
        line: to the VMM.
    """

    def __init__(self, identity: Identity, programs: Programs, root: str, line: Line) -> None:
        self._identity = identity
        self._programs = programs
        self._root = root
        self._line = line
        self._holds = Holds(root)
        self._told_holding = ""
        self._told_at = 0.0
        self._session: RunningSession | None = None
        self._work: asyncio.Task[None] | None = None
        self._bound: Bound | None = None  # what was said of the session that runs
        self._started: asyncio.Future[None] | None = None
        self._met = False  # whether this agent has begun or ended the session, not one that crashed
        self._unbinding: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Lock()

    def refusal(self, lease: str, user: str) -> str:
        """Why the machine cannot be this lease's and user's; empty if it can."""
        mine = self._identity
        if mine.lease is not None and (mine.lease != lease or mine.user not in (None, user)):
            return "this machine was already somebody's"
        return ""

    def account(self) -> Account | None:
        """The account of the session that is there now."""
        return self._session.account if self._session else None

    def serving(self) -> set[int]:
        """Process ids of what serves the session."""
        return self._session.serving() if self._session else set()

    def bind(self, lease: str, session: Session) -> None:
        """Begin the session, told by frames; nothing if it starts already.

        If it runs, that is said again: who asked first may be gone.
        """
        if self._work is None or self._work.done():
            self._take(lease, session)
            self._work = asyncio.create_task(self._bind(lease, session))
        elif self._bound is not None:
            self._line.send(self._bound)

    async def occupy(self, session: Session, up: Up) -> None:
        """Make the machine the user's of a session that was asked over SSH; wait until it answers.

        Raises:
            SessionError: it could not be started; what was made is undone.
        """
        if self._started is None or self._work is None or self._work.done():
            self._take(BY_SSH, session)
            self._started = asyncio.get_running_loop().create_future()
            self._work = asyncio.create_task(self._occupy(session, up, self._started))
        await asyncio.wait([self._started, self._work], return_when=asyncio.FIRST_COMPLETED)
        if not self._started.done():
            raise SessionError("the machine was released meanwhile")
        self._started.result()

    def unbind(self, lease: str) -> None:
        """Begin to end the session, told by frames; of a lease that is not here, only say so."""
        if self._identity.lease not in (lease, BY_SSH):
            self._line.send(Unbound(lease=lease))
            return
        self._met = True
        unbinding = asyncio.create_task(self._unbind(lease, self._give_up()))
        self._unbinding.add(unbinding)
        unbinding.add_done_callback(self._unbinding.discard)

    async def close(self) -> None:
        """Reap all there is."""
        for task in self._unbinding:
            task.cancel()
        await asyncio.gather(*self._unbinding, return_exceptions=True)
        await self._end(self._give_up(), spare=False)

    async def watch_holds(self) -> None:
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

    def say_what_holds(self) -> None:
        """To a VMM that may know nothing of us any more."""
        if self._identity.lease is None:
            return
        if self._bound is not None:
            self._line.send(self._bound)
        self._tell_holding(self._holds.reason(), anew=True)
        if not self._met:
            # The agent crashed, and the session with it.
            killed = -int(signal.SIGKILL)
            self._line.send(Ended(lease=self._identity.lease, exit_status=killed))

    def _take(self, lease: str, session: Session) -> None:
        self._met = True
        self._holds.prepare()
        self._identity.bound(lease, session.user)

    async def _bind(self, lease: str, wanted: Session) -> None:
        def tell(percent: int, message: str) -> None:
            self._line.mention(Progress(lease=lease, percent=percent, message=message))

        try:
            session = await self._ready_for(wanted, tell)
            ended = await session.start(tell)
        except Exception as error:
            await self._undo(error)
            self._line.send(BindError(lease=lease, reason=_reason(lease, error)))
            return
        seconds = {stage: round(value, 3) for stage, value in session.seconds.items()}
        log.info("lease %s: bound, seconds %s", lease, seconds)
        self._bound = Bound(lease=lease, port=wanted.port, seconds=seconds)
        self._line.send(self._bound)
        try:
            await self._see_end(lease, ended)
        finally:
            self._bound = None

    async def _occupy(self, wanted: Session, up: Up, started: asyncio.Future[None]) -> None:
        try:
            session = await self._ready_for(wanted, lambda percent, message: None, up)
            ended = await session.start(lambda percent, message: None)
        except Exception as error:
            await self._undo(error)
            started.set_exception(SessionError(_reason(BY_SSH, error)))
            return
        log.info("the machine is now %s's, by SSH", wanted.user)
        started.set_result(None)
        await self._see_end(BY_SSH, ended)

    async def _see_end(self, lease: str, ended: asyncio.Future[int]) -> None:
        status = await asyncio.shield(ended)  # an unbind still needs to see the end
        log.info("lease %s: its program ended with status %d", lease, status)
        self._line.send(Ended(lease=lease, exit_status=status))

    async def _ready_for(self, wanted: Session, tell: Tell, up: Up | None = None) -> RunningSession:
        """A new session, once nothing of the one before is there."""
        async with self._ending:
            left = self._session
            if left is not None and not await left.stop(self._held):
                tell(2, "Waiting until what is left of the last session is saved")
                try:
                    async with asyncio.timeout(wanted.timeout_s):
                        await left.linger()
                    await left.stop()
                except TimeoutError:
                    raise SessionError(
                        f"the last session is still saving ({self._holds.reason()}): "
                        "try again when it is saved"
                    ) from None
            path = str(Path(sys.executable).parent)
            self._session = RunningSession(wanted, self._programs, self._root, path, up)
            return self._session

    async def _undo(self, error: Exception) -> None:
        if self._session is not None and await self._session.stop(self._held):
            self._session = None

    async def _unbind(self, lease: str, work: asyncio.Task[None] | None) -> None:
        """End the session and say so; what holds something ends later, which is said again."""
        await self._end(work, spare=True)
        self._tell_holding(self._holds.reason())
        self._line.send(Unbound(lease=lease))
        session = self._session
        if session and self._work is None:
            await session.linger()
            async with self._ending:
                if self._session is not session:
                    return  # the lease was restored meanwhile
                await session.stop()
                self._session = None
            self._tell_holding(self._holds.reason())
            self._line.send(Unbound(lease=lease))

    def _give_up(self) -> asyncio.Task[None] | None:
        """Cancel what starts or watches the session, at once: it may keep others from ending it.

        A bind that comes in the next moment begins after the end, by the order at the lock.
        """
        work, self._work = self._work, None
        if work:
            work.cancel()
        return work

    async def _end(self, work: asyncio.Task[None] | None, *, spare: bool) -> None:
        """Leaves a session whose daemons stay, because something is held, if those are spared."""
        async with self._ending:
            if work:
                await asyncio.gather(work, return_exceptions=True)
            holds = self._held if spare else (lambda: False)
            if self._session and await self._session.stop(holds):
                self._session = None

    def _held(self) -> bool:
        return bool(self._holds.reason())

    def _tell_holding(self, reason: str, *, anew: bool = False) -> None:
        lease = self._identity.lease
        if lease is not None and (anew or reason != self._told_holding):
            self._told_holding, self._told_at = reason, time.monotonic()
            self._line.send(Holding(lease=lease, reason=reason))


def _reason(lease: str, error: Exception) -> str:
    if isinstance(error, SessionError):
        log.warning("lease %s: %s", lease, error)
        return str(error)
    log.error("lease %s", lease, exc_info=error)
    return f"the machine's agent failed: {type(error).__name__}: {error}"
