"""Whether one replica can be used: a failure leaves it at once, a probe brings it back.

While it is left nobody waits for it: the probe runs in the background, with
pauses that double. One that fails again soon after it came back is believed
later each time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from .. import errors
from ..model import Kind
from ..storage.base import Storage

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a replica may take, in seconds, and how soon it is tried again."""

    answer_s: float = 3.0
    """For a lookup; a read may take this and its bytes at ``slowest_bytes_per_s``."""
    listing_s: float = 6.0
    slowest_bytes_per_s: float = 512 * 1024
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0
    flapping_s: float = 60.0
    """One that fails within this after it came back goes on with its longer pauses."""

    def for_bytes(self, count: int) -> float:
        """The deadline of a read of ``count`` bytes."""
        return self.answer_s + count / self.slowest_bytes_per_s


class Health:
    """One replica's. Used within one event loop.

    Args:
        name: the storage's, for the log.
        storage: what is probed.
        patience: deadlines and pauses.
    """

    def __init__(self, name: str, storage: Storage, patience: Patience) -> None:
        self.name = name
        self.reason = ""
        """Why it is left; empty while it is used."""
        self.since = time.time()
        """When that began, seconds since the epoch."""
        self.times_left = 0
        self._storage = storage
        self._patience = patience
        self._pause_s = patience.first_pause_s
        self._back_at = -patience.flapping_s
        self._prober: asyncio.Task[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether calls may be sent to it."""
        return not self.reason

    async def ask(self, call: Callable[[], Awaitable[T]], within_s: float) -> T:
        """The answer of ``call``; without one in time, the replica is left.

        Raises:
            DmsError: what the storage told, or ``TimedOut``.
        """
        try:
            async with asyncio.timeout(within_s):
                return await call()
        except TimeoutError:
            late = errors.TimedOut(f"it did not answer within {within_s:.1f} s")
            self.leave(late)
            raise late from None
        except errors.Unreachable as error:
            self.leave(error)
            raise

    def leave(self, error: errors.DmsError) -> None:
        """Use it no more until it answers a probe. Again is fine."""
        if self.reason:
            return
        self.reason = str(error) or type(error).__name__
        self.since = time.time()
        self.times_left += 1
        if time.monotonic() - self._back_at > self._patience.flapping_s:
            self._pause_s = self._patience.first_pause_s
        self._prober = asyncio.get_running_loop().create_task(self._probing())
        log.warning("replica %s is left: %s", self.name, self.reason)

    async def has_root(self) -> bool:
        """Whether its top folder can be seen; if not, the replica is left."""
        try:
            await self.ask(self._look, self._patience.answer_s)
        except (errors.NotFound, errors.NotAFolder):
            self.leave(errors.NotFound("its top folder is gone"))
        except errors.DmsError as error:
            self.leave(error)
        return self.usable

    async def stop(self) -> None:
        """End the probe."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)

    async def _look(self) -> None:
        if (await self._storage.lookup("/")).kind is not Kind.FOLDER:
            raise errors.NotAFolder("its top folder is no folder")

    async def _probing(self) -> None:
        while True:
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, self._patience.longest_pause_s)
            try:
                async with asyncio.timeout(self._patience.answer_s):
                    await self._look()
            except (TimeoutError, errors.DmsError):
                continue
            self._back_at = time.monotonic()
            log.warning(
                "replica %s is used again, after %.0f s", self.name, time.time() - self.since
            )
            self.reason, self.since = "", time.time()
            return
