"""A mount as a widget needs it: calls and events in a thread, whatever the kernel does.

A kernel runs a cell at a time; the loop here goes on meanwhile, so that badges
and progress move while a cell computes.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from dms_core.client.mount import MountClient

from ..relay import Relay

_T = TypeVar("_T")
log = logging.getLogger(__name__)

CLOSE_S = 5.0
"""The most that closing waits for connections to end."""


class Link:
    """One mount, one thread.

    Args:
        socket: The mount's control socket; None: this session's.
        tell: Called in the thread with batches of events as ``events.yaml`` has them.
    """

    def __init__(self, socket: Path | str | None, tell: Callable[[dict[str, Any]], None]) -> None:
        self.mount = MountClient(socket)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="dms-widget", daemon=True
        )
        self._thread.start()
        self._events = self.start(Relay(self.mount, tell, log).run())

    def start(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run ``work`` in the thread and go on; its result or error comes in the future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run ``work`` in the thread and give its result or raise its error."""
        future = self.start(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Stop following, close the connections and end the thread."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.mount.close()
        self._loop.stop()
