"""Whether the source can be reached: one failure closes the door for all, a probe opens it.

While it is closed every call fails at once instead of waiting for its own
deadline. The probe runs in the background, so no caller waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .. import errors

T = TypeVar("T")

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0
_PROBE_S = 3.0


class Reach:
    """Guards the calls to one source. Used within one event loop.

    Args:
        probe: a cheap call to the source, tried until it answers.
        changed: called with the new state whenever the door opens or closes.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[object]],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._probe = probe
        self._changed = changed
        self._prober: asyncio.Task[None] | None = None
        self.reason = ""
        """Why it cannot be reached; empty while it can."""

    @property
    def reachable(self) -> bool:
        """Whether the last call, or a probe after it, was answered."""
        return not self.reason

    async def call(self, ask: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        """The answer of ``ask``; ``Unreachable`` at once while the door is closed.

        Raises:
            TimedOut: no answer within ``timeout_s``; this closes the door.
        """
        if self.reason:
            raise errors.Unreachable(self.reason)
        try:
            async with asyncio.timeout(timeout_s):
                return await ask()
        except TimeoutError:
            late = errors.TimedOut(f"the service did not answer within {timeout_s:g} s")
            self._close(late)
            raise late from None
        except errors.StorageAway:
            raise  # the source answered: what else it has can be read
        except errors.Unreachable as error:
            self._close(error)
            raise

    async def stop(self) -> None:
        """End the probe."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)

    def _close(self, error: errors.DmsError) -> None:
        was_open = not self.reason
        self.reason = str(error) or type(error).__name__
        if was_open:
            self._prober = asyncio.get_running_loop().create_task(self._probing())
            self._changed()

    async def _probing(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                async with asyncio.timeout(_PROBE_S):
                    await self._probe()
            except (TimeoutError, errors.Unreachable):
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            except errors.DmsError:
                pass  # it answered, whatever it said
            self.reason = ""
            self._changed()
            return
