"""An event loop in a thread of its own, and the way into it from others, with a deadline."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from .. import errors

T = TypeVar("T")


class Bridge:
    """Runs coroutines for threads that must not wait for ever."""

    def __init__(self, name: str = "dms-loop") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._open = False

    def start(self) -> None:
        """Start the thread. Nothing runs before, so the object can be made before a fork."""
        self._thread.start()
        self._open = True

    def call(self, work: Coroutine[Any, Any, T], deadline_s: float | None) -> T:
        """The result of ``work``; None: without a deadline, as long as it takes.

        Raises:
            TimedOut: it was not ready in time, and has been cancelled.
            Unreachable: the bridge is closed.
        """
        if not self._open:
            work.close()
            raise errors.Unreachable("The mount is stopping.")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(deadline_s)
        except TimeoutError:
            if not future.cancel():
                return future.result()
            raise errors.TimedOut(f"No answer within {deadline_s:g} s; try again.") from None
        except concurrent.futures.CancelledError:
            raise errors.Unreachable("The mount is stopping.") from None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin ``work`` and do not wait for it; it deals with its own errors."""
        if self._open:
            asyncio.run_coroutine_threadsafe(work, self._loop)
        else:
            work.close()

    def close(self, last: Coroutine[Any, Any, None], deadline_s: float = 10.0) -> None:
        """Cancel what runs, run ``last``, stop the loop and join its thread."""
        self._open = False
        try:
            asyncio.run_coroutine_threadsafe(_ending(last), self._loop).result(deadline_s)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(deadline_s)
            if not self._thread.is_alive():
                self._loop.close()


async def _ending(last: Coroutine[Any, Any, None]) -> None:
    await last
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()
