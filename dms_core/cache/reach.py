"""Whether the source can be reached: one failure closes the door for all, a probe opens it.

While it is closed every call fails at once instead of waiting for its own
deadline. The probe runs in the background, so no caller waits for it; but for
the first after a connection broke: it is sent at once and tells a source that
is away from a single connection that ended, so who asks meanwhile waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .. import errors
from ..model import StorageHealth

T = TypeVar("T")

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0
_PROBE_S = 3.0


class Reach:
    """Guards the calls to one source. Used within one event loop.

    Args:
        probe: a cheap call to the source, tried until it answers.
        changed: called whenever the door opens or closes; who has a name for the source logs it.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[object]],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._probe = probe
        self._changed = changed
        self._prober: asyncio.Task[None] | None = None
        self._doubt: asyncio.Task[None] | None = None
        self._answers = 0
        self.reason = ""
        """Why it cannot be reached; empty while it can."""
        self.since_s = time.time()
        """When that began, seconds since the epoch."""
        self.times_away = 0

    @property
    def reachable(self) -> bool:
        """Whether the last call, or a probe after it, was answered."""
        return not self.reason

    def health(self, served_bytes: int) -> StorageHealth:
        """How the source is; ``served_bytes`` came from it."""
        return StorageHealth(
            state="used" if self.reachable else "away",
            reason=self.reason,
            since_s=self.since_s,
            times_away=self.times_away,
            served_bytes=served_bytes,
        )

    async def call(
        self, ask: Callable[[], Awaitable[T]], timeout_s: float, *, again: bool = False
    ) -> T:
        """The answer of ``ask``; ``Unreachable`` at once while the door is closed.

        A failure that is older than the last answered probe closes nothing: the
        source has answered since.

        Args:
            ask: makes the call.
            timeout_s: deadline of it all.
            again: ``ask`` does no harm when repeated; so it is, once, if its
                connection broke and the source turns out to be there.

        Raises:
            TimedOut: no answer within ``timeout_s``; this closes the door.
        """
        answers = self._answers
        try:
            async with asyncio.timeout(timeout_s):
                await self._beyond_doubt()
                answers = self._answers
                try:
                    return await ask()
                except (errors.TimedOut, errors.StorageAway):
                    raise  # silence needs no probe; and who tells of a storage is there
                except errors.Unreachable as error:
                    self._doubt_it(error, answers)
                    if not again:
                        raise
                await self._beyond_doubt()
                return await ask()
        except TimeoutError:
            late = errors.TimedOut(f"the service did not answer within {timeout_s:g} s")
            self._close(late, answers)
            raise late from None
        except errors.TimedOut as error:
            self._close(error, answers)
            raise

    async def stop(self) -> None:
        """End the probes."""
        probes = [task for task in (self._prober, self._doubt) if task is not None]
        for task in probes:
            task.cancel()
        await asyncio.gather(*probes, return_exceptions=True)

    async def _beyond_doubt(self) -> None:
        if self._doubt is not None:
            await asyncio.wait([self._doubt])
        if self.reason:
            raise errors.Unreachable(self.reason)

    def _doubt_it(self, error: errors.DmsError, answers: int) -> None:
        if self._doubt is None and answers == self._answers and not self.reason:
            self._doubt = asyncio.get_running_loop().create_task(self._doubting(error))

    async def _doubting(self, error: errors.DmsError) -> None:
        try:
            if await self._answered():
                self._answers += 1
            else:
                self._close(error, self._answers)
        finally:
            self._doubt = None

    def _close(self, error: errors.DmsError, answers: int) -> None:
        if self.reason or answers != self._answers:
            return
        self.reason = str(error) or type(error).__name__
        self.since_s = time.time()
        self.times_away += 1
        self._prober = asyncio.get_running_loop().create_task(self._probing())
        self._changed()

    async def _probing(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            if await self._answered():
                break
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        self.reason, self.since_s = "", time.time()
        self._answers += 1
        self._changed()

    async def _answered(self) -> bool:
        try:
            async with asyncio.timeout(_PROBE_S):
                await self._probe()
        except (TimeoutError, errors.Unreachable) as error:
            return isinstance(error, errors.StorageAway)
        except errors.DmsError:
            return True  # whatever it said
        return True
