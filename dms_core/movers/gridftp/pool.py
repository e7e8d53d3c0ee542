"""Sessions that are kept: at most so many, closed when nobody needed them for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ... import errors
from ..base import Busy, Refused
from .control import Broken
from .peer import Peer
from .session import Session

_T = TypeVar("_T")

_LOOK_AGAIN_S = 0.05


class Pool:
    """Lends sessions, one user at a time each. Used within one event loop.

    Args:
        url: For messages.
        open_one: Makes a session.
        most: How many there are at most.
        idle_s: How long one is kept that nobody uses.
    """

    def __init__(
        self, url: str, open_one: Callable[[], Awaitable[Session]], *, most: int, idle_s: float
    ) -> None:
        self._url = url
        self._open_one = open_one
        self._idle_s = idle_s
        self._room = asyncio.Semaphore(most)
        self._idle: list[tuple[float, Session]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._lent = 0
        self._opening = 0
        self._closed = False

    async def use(self, work: Callable[[Session], Awaitable[_T]], timeout_s: float) -> _T:
        """What ``work`` gives; tried again once if a kept session turned out to be dead.

        Raises:
            TimedOut: not within ``timeout_s``, waiting for a session included.
            Unreachable: the connection broke.
        """
        try:
            async with asyncio.timeout(timeout_s), self._room:
                kept = self._kept()
                if kept is not None:
                    try:
                        return await self._with(kept, work)
                    except Broken:
                        pass  # it died while it was kept, most often: silently on a fresh one
                try:
                    return await self._with(await self._some(), work)
                except Broken as error:
                    raise errors.Unreachable(
                        f"gridftp {self._url}: {error}; see the server's log if it lasts."
                    ) from None
        except TimeoutError:
            raise errors.TimedOut(
                f"gridftp {self._url}: no answer within {timeout_s:.3g} s; "
                "check the server's load, or raise 'timeout_s' or 'sessions'."
            ) from None

    async def _some(self) -> Session:
        """A fresh session; where the server has room for no more, the next that comes back."""
        while True:
            try:
                self._opening += 1
                try:
                    return await self._open_one()
                finally:
                    self._opening -= 1
            except Busy:
                kept = self._kept()
                if kept is not None:
                    return kept
                if not self._lent + self._opening:
                    raise
                await asyncio.sleep(_LOOK_AGAIN_S)

    async def close(self) -> None:
        """Close what is kept; what is in use is closed when it comes back."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for _, session in self._idle:
            session.close()
        self._idle.clear()
        await asyncio.sleep(0)  # lets the transports close

    async def _with(self, session: Session, work: Callable[[Session], Awaitable[_T]]) -> _T:
        self._lent += 1
        try:
            return await work(session)
        finally:
            self._lent -= 1
            # Not clean after a cancellation or a failure: an answer may still be on its way.
            if session.usable and not self._closed:
                self._idle.append((self._now(), session))
                self._expire_later()
            else:
                session.abort()

    def _kept(self) -> Session | None:
        """The session that was used last, whose windows are widest."""
        while self._idle:
            _, session = self._idle.pop()
            if session.usable:
                return session
            session.abort()
        return None

    def _expire_later(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._idle_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        before = self._now() - self._idle_s
        for since, session in self._idle:
            if since <= before:
                session.close()
        self._idle = [(since, session) for since, session in self._idle if since > before]
        if self._idle:
            self._expire_later()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def opened(peer: Peer, timeout_s: float) -> Session:
    """A new session.

    Raises:
        Unreachable, TimedOut, Busy, Refused: with a sentence for the operator.
    """
    here = f"gridftp {peer.url}"
    try:
        async with asyncio.timeout(timeout_s):
            return await Session.open(peer)
    except (Busy, Refused) as error:
        raise type(error)(f"{here}: {error}.") from None
    except TimeoutError:
        raise errors.TimedOut(
            f"{here}: no greeting within {timeout_s:g} s; check that the server is not overloaded."
        ) from None
    except OSError as error:
        raise errors.Unreachable(
            f"{here}: cannot connect ({error.strerror or error}); "
            "check the url and that the server runs."
        ) from None
    except Broken as error:
        raise errors.Unreachable(f"{here}: {error}; check the url and the server's log.") from None
