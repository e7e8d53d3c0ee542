"""What is under way at the clouds in this process, beside the steps of the manager."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

_log = logging.getLogger(__name__)


class Tasks:
    """One task at most for each machine (or what else has a name)."""

    def __init__(self, done: Callable[[], None]) -> None:
        """``done`` is called whenever one ended."""
        self._done = done
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def names(self) -> frozenset[str]:
        """Of what is under way."""
        return frozenset(self._tasks)

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def begin(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Start a task; nothing of that name may be under way."""
        task = asyncio.create_task(work, name=f"machine {name}")
        self._tasks[name] = task

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.pop(name, None)
            if not task.cancelled() and (error := task.exception()):
                _log.error("machine %s: %s", name, error, exc_info=error)
            self._done()

        task.add_done_callback(ended)

    async def settle(self) -> None:
        """Return when nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def stop(self, timeout_s: float) -> None:
        """Let what is under way end, for so long; the rest is looked up at the next start."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
