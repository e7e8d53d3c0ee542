"""Prefetching: whole files on their way into the cache, with progress and an end.

A few files and ranges at a time, so that a person's own reads, which are not
bounded here, come first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

from .. import errors
from ..model import Entry, Transfer
from ..paths import is_within
from .cached import Cached

_AT_ONCE = 4  # ranges of all transfers together
_KEPT = 100  # ended transfers that are still shown
_REPORT_S = 0.2


class Transfers:
    """The prefetches of one cache. Used within its event loop."""

    def __init__(self, cached: Cached) -> None:
        self._cached = cached
        self._all: dict[str, Transfer] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._report_at_s = 0.0
        self._turn = asyncio.Semaphore(_AT_ONCE)

    def all(self) -> list[Transfer]:
        """The running transfers and the last ended ones, oldest first."""
        return list(self._all.values())

    def start(self, entry: Entry, files: Callable[[], AsyncIterator[Entry]]) -> Transfer:
        """Bring ``files()``; one that is under way for the same path is not begun twice."""
        for running in self._tasks:
            if self._all[running].path == entry.path:
                return self._all[running]
        transfer = Transfer(
            id=uuid4().hex,
            path=entry.path,
            state="queued",
            done_bytes=0,
            total_bytes=0,
            started_s=time.time(),
        )
        self._all[transfer.id] = transfer
        task = asyncio.get_running_loop().create_task(self._run(transfer.id, files))
        self._tasks[transfer.id] = task
        task.add_done_callback(lambda _: self._ended(transfer.id))
        return transfer

    def cancel(self, transfer_id: str) -> Transfer:
        """Stop a transfer; what came stays cached. ``NotFound`` if there is none."""
        if transfer_id not in self._all:
            raise errors.NotFound(f"There is no transfer {transfer_id}.")
        if transfer_id in self._tasks:
            self._tasks[transfer_id].cancel()
            self._set(transfer_id, state="cancelled")
        return self._all[transfer_id]

    def cancel_below(self, path: str) -> None:
        """Stop the transfers of ``path`` and of what is in it."""
        for running in list(self._tasks):
            if is_within(self._all[running].path, path):
                self.cancel(running)

    async def stop(self) -> None:
        """Cancel them all."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, transfer_id: str, files: Callable[[], AsyncIterator[Entry]]) -> None:
        try:
            wanted = [entry async for entry in files()]
            here = 0
            for entry in wanted:
                record = self._cached.store.record(self._cached.identity(entry))
                here += record.cached_bytes if record is not None else 0
            total = sum(entry.size for entry in wanted)
            self._set(transfer_id, state="running", done_bytes=here, total_bytes=total)
            for entry in wanted:
                await self._bring(transfer_id, entry)
            self._set(transfer_id, state="done", done_bytes=total)
        except* errors.DmsError as failed:
            self._set(transfer_id, state="failed", reason=str(failed.exceptions[0]))

    async def _bring(self, transfer_id: str, entry: Entry) -> None:
        file = self._cached.block_file(entry, create=True)
        if file is None:
            raise errors.NoSpace("the cache's disk takes no more files")
        self._cached.store.hold(file.name)
        try:
            missing = file.missing(range(file.shape.blocks))
            step = max(self._cached.timing.range_bytes // file.shape.block_bytes, 1)
            pieces = iter([missing[at : at + step] for at in range(0, len(missing), step)])

            async def worker() -> None:
                for blocks in pieces:
                    async with self._turn:
                        await self._cached.fetcher.fill(file, entry, blocks)
                    done = sum(file.shape.length(index) for index in blocks)
                    self._set(transfer_id, done_bytes=self._all[transfer_id].done_bytes + done)

            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(worker())
        finally:
            self._cached.store.let_go(file.name)

    def _set(self, transfer_id: str, **changes: object) -> None:
        before = self._all[transfer_id]
        if before.state in ("done", "failed", "cancelled"):
            return
        now = self._all[transfer_id] = before.model_copy(update=changes)
        if now.state == before.state and time.monotonic() < self._report_at_s:
            return
        self._report_at_s = time.monotonic() + _REPORT_S
        self._cached.events.transfer(now)

    def _ended(self, transfer_id: str) -> None:
        del self._tasks[transfer_id]
        self._cached.events.touched(self._all[transfer_id].path)
        ended = [one for one in self._all if one not in self._tasks]
        for one in ended[:-_KEPT]:
            del self._all[one]
