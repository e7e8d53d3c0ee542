"""The cache folder: its block files, what room there is, and what leaves when there is none.

One process owns a folder at a time. Space is reserved before bytes are fetched
and becomes *used* when they are written; if neither the limit nor the disk has
room and nothing may be evicted, the reservation is refused and the caller goes
without the cache. All methods may be called from any thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import Damaged
from . import blocks, eviction
from .blocks import BlockFile, Identity, Shape
from .folder import hold, scan
from .index import Index, Record

log = logging.getLogger(__name__)

_OPEN_FILES = 256
_HOT_BLOCKS = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """How much disk the cache may take."""

    limit_bytes: int
    block_bytes: int = 1024 * 1024
    min_free_bytes: int = 256 * 1024 * 1024


class BlockStore:
    """A cache folder, held for as long as this process keeps it open."""

    def __init__(
        self, folder: Path, limits: Limits, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.limits = limits
        self.counters: Counter[str] = Counter()
        """``damaged_blocks``, ``damaged_files``, ``evicted_files``, ``disk_errors``."""
        self._clock = clock
        self._lock = threading.RLock()
        self._folder = folder / "blocks"
        self._held = hold(folder)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._index = Index(folder / "index.sqlite")
        self._records = {record.name: record for record in self._load()}
        self._used = sum(record.cached_bytes for record in self._records.values())
        self._reserved = 0
        self._busy: Counter[str] = Counter()
        self._open: OrderedDict[str, BlockFile] = OrderedDict()
        self._hot: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._changed: set[str] = set()
        self._removed: set[str] = set()

    @property
    def used_bytes(self) -> int:
        """Bytes in cached blocks."""
        return self._used

    @property
    def reserved_bytes(self) -> int:
        """Bytes set aside for blocks on their way; 0 at rest."""
        return self._reserved

    def file(self, identity: Identity, size: int, *, create: bool = False) -> BlockFile | None:
        """The block file of these bytes; None if there is none and none is to be made.

        A block file cut differently (another block size, an unreadable
        description) is given up and made anew.
        """
        name = identity.name
        with self._lock:
            file = self._open.get(name)
            if file is not None:
                self._open.move_to_end(name)
                return file
            if name in self._records:
                file = self._reopen(name, Shape(size, self.limits.block_bytes))
            if file is None and create:
                shape = Shape(size, self.limits.block_bytes)
                try:
                    file = BlockFile.create(self._folder, identity, shape)
                except OSError as error:
                    self._disk_error(error)
                    return None
                self._records[name] = Record(name, identity.path, size, 0, self._clock(), False)
                self._changed.add(name)
            if file is not None:
                self._open[name] = file
                while len(self._open) > _OPEN_FILES:
                    self._open.popitem(last=False)
            return file

    def record(self, identity: Identity) -> Record | None:
        """What is known of these bytes without opening them."""
        return self._records.get(identity.name)

    def below(self, folder: str) -> list[Record]:
        """The records of all files last seen in ``folder`` or deeper."""
        prefix = folder.rstrip("/") + "/"
        with self._lock:
            return [one for one in self._records.values() if one.path.startswith(prefix)]

    def read(self, file: BlockFile, index: int) -> bytes | None:
        """Block ``index``, checked; None if absent or damaged (then it is dropped and counted)."""
        key = (file.name, index)
        with self._lock:
            data = self._hot.get(key)
            record = self._records.get(file.name)
            if record is not None:
                record.last_used_s = self._clock()
                self._changed.add(file.name)
        if data is not None:
            return data
        try:
            data = file.read(index)
        except Damaged as error:
            log.warning("%s; it is fetched again", error)
            self._account(file, -file.drop(index))
            self.counters["damaged_blocks"] += 1
            return None
        if data is not None:
            with self._lock:
                self._hot[key] = data
                while len(self._hot) > _HOT_BLOCKS:
                    self._hot.popitem(last=False)
        return data

    def write(self, file: BlockFile, index: int, data: bytes | memoryview) -> None:
        """Keep a block for which room was reserved; a disk that refuses is counted, not raised."""
        added = 0
        try:
            added = file.write(index, data)
        except OSError as error:
            self._disk_error(error)
        self._account(file, added)

    def reserve(self, wanted_bytes: int) -> bool:
        """Set ``wanted_bytes`` aside, evicting if need be; False if there is no room for them."""
        with self._lock:
            excess = self._excess(wanted_bytes)
            if excess:
                self._evict(excess)
            room = self.limits.limit_bytes - self._used - self._reserved
            if wanted_bytes > room or self._disk_short(wanted_bytes):
                return False
            self._reserved += wanted_bytes
            return True

    def release(self, reserved_bytes: int) -> None:
        """Give back a reservation, once its bytes are written or were not."""
        with self._lock:
            self._reserved -= reserved_bytes

    def hold(self, name: str) -> None:
        """Keep a file from being evicted until as many :meth:`let_go`."""
        with self._lock:
            self._busy[name] += 1

    def let_go(self, name: str) -> None:
        """The opposite of :meth:`hold`."""
        with self._lock:
            self._busy[name] -= 1
            if self._busy[name] <= 0:
                del self._busy[name]

    def pin(self, file: BlockFile, pinned: bool) -> None:
        """Keep a file from being evicted for good, or no longer."""
        with self._lock:
            file.pinned = pinned
            record = self._records.get(file.name)
            if record is not None:
                record.pinned = pinned
                self._changed.add(file.name)

    def drop(self, name: str) -> None:
        """Forget a file and free its space; readers that have it open finish undisturbed."""
        with self._lock:
            record = self._records.pop(name, None)
            self._open.pop(name, None)
            for key in [key for key in self._hot if key[0] == name]:
                del self._hot[key]
            if record is not None:
                self._used -= record.cached_bytes
                self._changed.discard(name)
                self._removed.add(name)
            with contextlib.suppress(OSError):
                blocks.remove(self._folder, name)

    def flush(self) -> None:
        """Write to the index what changed."""
        with self._lock:
            changed = [self._records[name] for name in self._changed if name in self._records]
            removed = [name for name in self._removed if name not in self._records]
            self._changed.clear()
            self._removed.clear()
            if changed or removed:
                self._index.update(changed, removed)

    def close(self) -> None:
        """Write the index and let go of the folder."""
        with self._lock:
            self.flush()
            self._index.close()
            self._open.clear()
            self._hot.clear()
            os.close(self._held)

    def _account(self, file: BlockFile, added: int) -> None:
        with self._lock:
            record = self._records.get(file.name)
            if record is None or (file.name in self._open and self._open[file.name] is not file):
                return  # dropped while these bytes were on their way
            record.cached_bytes += added
            self._used += added
            self._changed.add(file.name)

    def _excess(self, wanted_bytes: int) -> int:
        marks = eviction.Watermarks(self.limits.limit_bytes)
        excess = marks.excess(self._used + self._reserved, wanted_bytes)
        return max(excess, self._disk_short(wanted_bytes))

    def _disk_short(self, wanted_bytes: int) -> int:
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        return max(wanted_bytes + self._reserved + self.limits.min_free_bytes - free, 0)

    def _evict(self, excess: int) -> None:
        candidates = [
            eviction.Candidate(
                one.name, one.cached_bytes, one.last_used_s, one.pinned, one.name in self._busy
            )
            for one in self._records.values()
        ]
        for name in eviction.choose(candidates, excess):
            self.drop(name)
            self.counters["evicted_files"] += 1

    def _reopen(self, name: str, shape: Shape) -> BlockFile | None:
        try:
            file = BlockFile.open(self._folder, name)
            if file.shape != shape:
                raise Damaged(f"cached file {name} is cut into other blocks")
        except (OSError, Damaged) as error:
            log.warning("%s; it is fetched again", error)
            self.counters["damaged_files"] += 1
            self.drop(name)
            return None
        record = self._records[name]
        self._used += file.cached_bytes - record.cached_bytes
        record.cached_bytes = file.cached_bytes
        return file

    def _load(self) -> list[Record]:
        records = self._index.load()
        if records is None:
            records = scan(self._folder)
            self._index.replace(records)
        return records

    def _disk_error(self, error: OSError) -> None:
        if not self.counters["disk_errors"]:
            log.warning("the cache's disk refuses (%s); reads go on without the cache", error)
        self.counters["disk_errors"] += 1
