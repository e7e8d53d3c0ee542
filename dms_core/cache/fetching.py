"""Brings missing blocks from the source into the store: one fetch for many readers.

A block on its way is a *flight*: whoever needs it meanwhile waits for the same
one. Adjacent missing blocks travel as one range. Readers get the bytes as soon
as they arrive; whether they can be kept is settled afterwards and is no
reader's concern.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .. import errors
from ..model import Entry
from ..storage.base import Storage
from .blocks import BlockFile
from .reach import Reach
from .store import BlockStore


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the source may take, in seconds, and how much is asked for at once."""

    ask_s: float = 8.0
    read_s: float = 25.0
    range_bytes: int = 8 * 1024 * 1024


def runs(blocks: Sequence[int], most: int) -> list[range]:
    """Ascending block numbers as ranges of neighbours, none longer than ``most``."""
    found: list[range] = []
    for block in blocks:
        if found and found[-1].stop == block and len(found[-1]) < most:
            found[-1] = range(found[-1].start, block + 1)
        else:
            found.append(range(block, block + 1))
    return found


class Fetcher:
    """The flights of one source. Used within one event loop.

    Args:
        changed: called with an entry whose cached bytes became more.
    """

    def __init__(
        self,
        source: Storage,
        store: BlockStore,
        reach: Reach,
        timing: Timing,
        changed: Callable[[Entry], None],
    ) -> None:
        self._source = source
        self._store = store
        self._reach = reach
        self._timing = timing
        self._changed = changed
        self._flights: dict[tuple[str, int], asyncio.Future[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.fetched_bytes = 0
        """Bytes that came from the source, kept or not."""

    async def read(self, file: BlockFile, entry: Entry, span: Iterable[int]) -> list[bytes]:
        """The blocks ``span`` of ``file``, from disk or from the source."""
        parts: dict[int, bytes | asyncio.Future[bytes]] = {}
        missing: list[int] = []
        for index in span:
            flight = self._flights.get((file.name, index))
            data = flight if flight is not None else self._store.read(file, index)
            if data is None:
                missing.append(index)
            else:
                parts[index] = data
        parts.update(self._start(file, entry, missing)[0])
        await self._landed(part for part in parts.values() if isinstance(part, asyncio.Future))
        return [
            part.result() if isinstance(part, asyncio.Future) else part
            for _, part in sorted(parts.items())
        ]

    async def fill(self, file: BlockFile, entry: Entry, blocks: Sequence[int]) -> None:
        """Have ``blocks`` cached.

        Raises:
            NoSpace: they came, and there was no room to keep them.
        """
        wanted = [index for index in blocks if not file.has(index)]
        new = [index for index in wanted if (file.name, index) not in self._flights]
        flights = [
            self._flights[file.name, index]
            for index in wanted
            if (file.name, index) in self._flights
        ]
        started, tasks = self._start(file, entry, new)
        flights += started.values()
        await self._landed(flights)
        for flight in flights:
            flight.result()
        if tasks:
            await asyncio.wait(tasks)
        if file.missing(new):
            raise errors.NoSpace(
                f"the cache has no room for {entry.path}: evict or unpin something, "
                "or raise cache.limit_gb"
            )

    async def stop(self) -> None:
        """End all flights; who waits for one gets ``Unreachable``."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(
        self, file: BlockFile, entry: Entry, missing: Sequence[int]
    ) -> tuple[dict[int, asyncio.Future[bytes]], list[asyncio.Task[None]]]:
        loop = asyncio.get_running_loop()
        most = max(self._timing.range_bytes // file.shape.block_bytes, 1)
        started: dict[int, asyncio.Future[bytes]] = {}
        tasks: list[asyncio.Task[None]] = []
        for run in runs(missing, most):
            flights = {index: loop.create_future() for index in run}
            for index, flight in flights.items():
                self._flights[file.name, index] = flight
            started.update(flights)
            task = loop.create_task(self._fetch(file, entry, flights))
            tasks.append(task)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return started, tasks

    async def _fetch(
        self, file: BlockFile, entry: Entry, flights: dict[int, asyncio.Future[bytes]]
    ) -> None:
        lengths = [file.shape.length(index) for index in flights]
        offset, length = min(flights) * file.shape.block_bytes, sum(lengths)
        kept = self._store.reserve(length)
        self._store.hold(file.name)
        try:
            data = await self._reach.call(
                lambda: self._source.read(entry, offset, length),
                self._timing.read_s,
                again=True,
            )
            if len(data) != length:
                raise errors.Stale(f"{entry.path} became shorter while it was read")
            self.fetched_bytes += length
            at = 0
            for flight, size in zip(flights.values(), lengths, strict=True):
                flight.set_result(data if size == length else data[at : at + size])
                at += size
            if kept:
                await asyncio.to_thread(self._keep, file, flights)
                self._changed(entry)
        except errors.DmsError as error:
            _fail(flights.values(), error)
        except asyncio.CancelledError:
            _fail(flights.values(), errors.Unreachable("the mount is stopping"))
            raise
        except Exception as error:
            _fail(flights.values(), errors.DmsError(f"reading {entry.path} failed: {error!r}"))
            raise
        finally:
            if kept:
                self._store.release(length)
            self._store.let_go(file.name)
            for index in flights:
                self._flights.pop((file.name, index), None)

    def _keep(self, file: BlockFile, flights: dict[int, asyncio.Future[bytes]]) -> None:
        for index, flight in flights.items():
            self._store.write(file, index, flight.result())

    @staticmethod
    async def _landed(flights: Iterable[asyncio.Future[bytes]]) -> None:
        """Wait without passing a cancellation on: others may wait for the same flight."""
        waiting = [flight for flight in flights if not flight.done()]
        if waiting:
            await asyncio.wait(waiting)


def _fail(flights: Iterable[asyncio.Future[bytes]], error: errors.DmsError) -> None:
    for flight in flights:
        if not flight.done():
            flight.set_exception(error)
            flight.exception()  # seen: nobody may be waiting for it
