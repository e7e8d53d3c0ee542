"""One version of one file on local disk: a sparse data file and what is known of its blocks.

``NAME.data`` holds bytes at their own offsets and nothing else, so that a
complete one *is* the file. ``NAME.meta`` describes it and is enough to rebuild
the index: a fixed head, eight bytes per block (its CRC32C, and that CRC XOR a
mark; both zero while the block is absent), then whose bytes these are as JSON.

Data is written before its record and checked against it at every read, so
after ``kill -9`` or a power cut a block is right or absent, never wrong. All
methods may be called from any thread.
"""

from __future__ import annotations

import os
import struct
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

import google_crc32c
from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import Damaged

_HEAD = struct.Struct("<8sIIQ?7x")  # magic, layout, bytes of a block, bytes of the file, pinned
_PINNED_AT = 24
_RECORD = struct.Struct("<II")
_MAGIC = b"DMSBLOCK"
_LAYOUT = 1
_MARK = 0x5AC3C35A


class Identity(BaseModel):
    """Whose bytes a block file holds: (source, volume, id, version) name them for ever."""

    model_config = ConfigDict(frozen=True)

    source: str
    volume: str
    id: str
    version: str
    path: str
    """Where it was last seen; for people and for folder totals, not part of the name."""

    @property
    def name(self) -> str:
        """A file name that no other bytes can have."""
        parts = "\0".join((self.source, self.volume, self.id, self.version))
        return blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file is cut into blocks."""

    size: int
    block_bytes: int

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.size // self.block_bytes)

    def length(self, index: int) -> int:
        """Bytes in block ``index``; only the last can be short."""
        return min(self.block_bytes, self.size - index * self.block_bytes)

    def span(self, offset: int, length: int) -> range:
        """The blocks that hold ``[offset, offset + length)``, within the file."""
        end = min(offset + length, self.size)
        if offset >= end:
            return range(0)
        return range(offset // self.block_bytes, -(-end // self.block_bytes))


def data_path(folder: Path, name: str) -> Path:
    """Where the bytes of ``name`` are below ``folder``."""
    return folder / name[:2] / f"{name}.data"


def meta_path(folder: Path, name: str) -> Path:
    """Where the description of ``name`` is below ``folder``."""
    return folder / name[:2] / f"{name}.meta"


def remove(folder: Path, name: str) -> None:
    """Delete the bytes and the description of ``name``, description first."""
    meta_path(folder, name).unlink(missing_ok=True)
    data_path(folder, name).unlink(missing_ok=True)


class BlockFile:
    """An open pair of data and description. The last reference to it closes both."""

    def __init__(self, folder: Path, identity: Identity, shape: Shape, pinned: bool) -> None:
        self.identity = identity
        self.name = identity.name
        self.shape = shape
        self._pinned = pinned
        self._lock = threading.Lock()
        self._records = bytearray(shape.blocks * _RECORD.size)
        self._cached_bytes = 0
        self._data = os.open(data_path(folder, self.name), os.O_RDWR | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._data)
        self._meta = os.open(meta_path(folder, self.name), os.O_RDWR | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._meta)

    @classmethod
    def create(cls, folder: Path, identity: Identity, shape: Shape) -> Self:
        """Make the pair with no block present; the description appears complete or not at all."""
        data, meta = data_path(folder, identity.name), meta_path(folder, identity.name)
        data.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(data, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, shape.size)
        finally:
            os.close(descriptor)
        head = _HEAD.pack(_MAGIC, _LAYOUT, shape.block_bytes, shape.size, False)
        records = bytes(shape.blocks * _RECORD.size)
        half = meta.with_suffix(".new")
        half.write_bytes(head + records + identity.model_dump_json().encode())
        half.rename(meta)
        return cls(folder, identity, shape, pinned=False)

    @classmethod
    def open(cls, folder: Path, name: str) -> Self:
        """Open what is on disk; ``FileNotFoundError`` if absent, ``Damaged`` if unreadable."""
        raw = meta_path(folder, name).read_bytes()
        try:
            magic, layout, block_bytes, size, pinned = _HEAD.unpack_from(raw)
            shape = Shape(size, block_bytes)
            records_end = _HEAD.size + shape.blocks * _RECORD.size
            identity = Identity.model_validate_json(raw[records_end:])
        except (struct.error, ValidationError, ZeroDivisionError) as error:
            raise Damaged(f"the description of cached file {name} cannot be read") from error
        if magic != _MAGIC or layout != _LAYOUT or identity.name != name:
            raise Damaged(f"the description of cached file {name} is not its own")
        if data_path(folder, name).stat().st_size != size:
            raise Damaged(f"cached file {name} has not the size its description says")
        file = cls(folder, identity, shape, pinned)
        file._records[:] = raw[_HEAD.size : records_end]
        file._cached_bytes = sum(
            shape.length(index) for index in range(shape.blocks) if file.has(index)
        )
        return file

    @property
    def cached_bytes(self) -> int:
        """Bytes in the blocks that are present."""
        return self._cached_bytes

    @property
    def complete(self) -> bool:
        """Whether every block is present."""
        return self._cached_bytes == self.shape.size

    @property
    def pinned(self) -> bool:
        """Whether eviction must leave it alone."""
        return self._pinned

    @pinned.setter
    def pinned(self, pinned: bool) -> None:
        os.pwrite(self._meta, bytes([pinned]), _PINNED_AT)
        self._pinned = pinned

    def has(self, index: int) -> bool:
        """Whether block ``index`` is recorded as present."""
        return self._checksum(index) is not None

    def missing(self, blocks: Iterable[int]) -> list[int]:
        """Which of ``blocks`` are absent."""
        return [index for index in blocks if not self.has(index)]

    def write(self, index: int, data: bytes | memoryview) -> int:
        """Keep block ``index``; the bytes it adds (0 if it was there). ``OSError`` if it cannot."""
        if len(data) != self.shape.length(index):
            raise ValueError(f"block {index} has {self.shape.length(index)} bytes, not {len(data)}")
        checksum = google_crc32c.value(data)
        written = 0
        while written < len(data):
            at = index * self.shape.block_bytes + written
            written += os.pwrite(self._data, data[written:], at)
        with self._lock:
            added = 0 if self.has(index) else len(data)
            self._record(index, _RECORD.pack(checksum, checksum ^ _MARK))
            self._cached_bytes += added
        return added

    def read(self, index: int) -> bytes | None:
        """The bytes of block ``index``, checked; None while absent, ``Damaged`` if they are wrong.

        A damaged block stays recorded: the caller drops it, so that it is
        counted once and the space is given back.
        """
        checksum = self._checksum(index)
        if checksum is None:
            return None
        length, at = self.shape.length(index), index * self.shape.block_bytes
        try:
            data = os.pread(self._data, length, at)
        except OSError as error:
            raise Damaged(f"block {index} of {self.identity.path} cannot be read back") from error
        if len(data) == length and google_crc32c.value(data) == checksum:
            return data
        if self._checksum(index) != checksum:  # dropped meanwhile: a miss, not damage
            return None
        raise Damaged(f"block {index} of {self.identity.path} is damaged on the cache's disk")

    def drop(self, index: int) -> int:
        """Forget block ``index``, to be written again; the bytes it had."""
        with self._lock:
            if not self.has(index):
                return 0
            self._record(index, bytes(_RECORD.size))
            length = self.shape.length(index)
            self._cached_bytes -= length
        return length

    def _checksum(self, index: int) -> int | None:
        checksum, marked = _RECORD.unpack_from(self._records, index * _RECORD.size)
        return int(checksum) if checksum ^ marked == _MARK else None

    def _record(self, index: int, record: bytes) -> None:
        at = index * _RECORD.size
        os.pwrite(self._meta, record, _HEAD.size + at)
        self._records[at : at + _RECORD.size] = record
