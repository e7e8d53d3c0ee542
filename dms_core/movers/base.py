"""The one interface of a mover: bytes of files at another place, by a transfer protocol.

A mover answers "bytes [a, b) of this file" and "this file, all of it". It knows
this file, ``dms_core.{errors,model,paths}`` and nothing else of the house.
:class:`dms_core.transfer.moved.Moved` makes a storage of it, which adds order,
pages and sentences for users. Writing one is subclassing :class:`Mover`, naming
it under the entry point ``dms_core.movers`` and inheriting
``dms_core.movers.conformance``.

The contract:

* Paths are absolute below the mover's URL, as in :mod:`dms_core.model`.
* Entries have their path as id. ``version`` is :func:`version_of` size and
  time, so that two movers of the same files agree, unless the protocol's own
  tag is asked for. A read of another version is ``Stale``, never a mixture.
* Only :mod:`dms_core.errors` come out, :class:`Busy` and :class:`Refused` among
  them. ``Unreachable`` means the server, not one path. Messages about a
  path start with it; those about the server name its URL: an operator reads them.
* Every call ends by itself. Connections are kept, and no more than stated.
* Calls may run concurrently. A cancelled one leaves no connection on which
  another could get its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from .. import errors
from ..model import Entry, Kind

Range = tuple[int, int]
"""Offset and length, in bytes."""

FETCH_BYTES = 8 << 20
"""What :meth:`Mover.fetch` asks for at once."""

SLOWEST_BYTES_PER_S = 256 * 1024
"""A call may take its deadline plus its bytes at this rate."""


class Refused(errors.Unreachable):
    """The server answers, but not us: credentials, certificates, address. Operators must act."""


class Busy(errors.Unreachable):
    """The server has no room for another connection or request now."""


class Mover(ABC):
    """Files below a URL, to be read."""

    Options: ClassVar[type[BaseModel]]
    """Checks the configuration's options; the class is called with them by keyword."""

    schemes: ClassVar[tuple[str, ...]]
    """The URL schemes it speaks."""

    checksums: ClassVar[tuple[str, ...]] = ()
    """Algorithms whose checksums the far side computes, so that no bytes travel."""

    url: str
    """The far folder that is ``/`` here."""

    parallel: int = 4
    """How many ranges of one file :meth:`fetch` asks for at the same time."""

    @abstractmethod
    async def stat(self, path: str) -> Entry:
        """The entry at ``path``; ``NotFound`` if there is none."""

    @abstractmethod
    def listing(self, path: str) -> AsyncIterator[Sequence[Entry]]:
        """The entries of a folder, in any order, in parts as they come."""

    @abstractmethod
    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """Bytes ``[offset, offset + length)`` of that version; shorter only at its end."""

    async def read_many(self, entry: Entry, ranges: Sequence[Range]) -> Sequence[bytes]:
        """Several ranges, in their order; in one request where the protocol can."""
        return await asyncio.gather(*(self.read(entry, *one) for one in ranges))

    async def checksum(
        self, entry: Entry, algorithm: str, offset: int = 0, length: int | None = None
    ) -> str:
        """A range's checksum in lower-case hexadecimal, computed at the far side.

        Raises:
            Unsupported: the far side does not compute this one.
        """
        raise errors.Unsupported(
            f"{self.url} computes no {algorithm} checksums; read the bytes and compute it here."
        )

    async def fetch(
        self, entry: Entry, to: Path, progress: Callable[[int], None] = lambda done: None
    ) -> None:
        """The whole file at the local path ``to``, which appears when it is complete.

        Args:
            entry: A file, in the version that is wanted.
            to: Replaced if it exists; its folder must exist.
            progress: Called with the bytes that arrived so far, ascending.

        Raises:
            NoSpace: it does not fit there.
        """
        part = to.with_name(f".{to.name}.{os.urandom(4).hex()}.part")
        try:
            with part.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, max(entry.size, 1))
                os.ftruncate(file.fileno(), entry.size)
                await self._fill(entry, file.fileno(), progress)
                await asyncio.to_thread(os.fsync, file.fileno())
            part.replace(to)
        except OSError as error:
            kind = errors.NoSpace if error.errno in _FULL else errors.DmsError
            raise kind(f"{to} cannot be written ({error.strerror}); make room there.") from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    async def close(self) -> None:  # noqa: B027 - optional by contract
        """Release the connections."""

    async def _fill(self, entry: Entry, to: int, progress: Callable[[int], None]) -> None:
        offsets = iter(range(0, entry.size, FETCH_BYTES))
        done = 0

        async def bring() -> None:
            nonlocal done
            for offset in offsets:
                data = await self.read(entry, offset, FETCH_BYTES)
                await asyncio.to_thread(os.pwrite, to, data, offset)
                done += len(data)
                progress(done)

        tasks = [asyncio.ensure_future(bring()) for _ in range(self.parallel)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def version_of(size: int, mtime_s: int) -> str:
    """A file's version where the protocol tells whole seconds and no tag."""
    return f"{size}-{mtime_s}"


def within(entry: Entry, offset: int, length: int) -> int:
    """How many of the bytes ``[offset, offset + length)`` the entry has.

    Raises:
        BadRequest: the range is negative.
        IsAFolder: the entry has no bytes.
    """
    if offset < 0 or length < 0:
        raise errors.BadRequest("Offset and length of a read cannot be negative.")
    if entry.kind is not Kind.FILE:
        raise errors.IsAFolder(f"{entry.path} is a folder; name a file.")
    return max(0, min(length, entry.size - offset))


def merged(ranges: Sequence[Range]) -> list[Range]:
    """The bytes of ``ranges`` as ascending ranges that neither overlap nor touch."""
    found: list[Range] = []
    for offset, length in sorted(ranges):
        if found and offset <= sum(found[-1]):
            begin, so_far = found[-1]
            found[-1] = (begin, max(so_far, offset + length - begin))
        else:
            found.append((offset, length))
    return found


def changed(path: str) -> errors.Stale:
    """What to say when the bytes at ``path`` are of another version than was asked for."""
    return errors.Stale(f"{path} changed since it was looked up; look it up again.")


def seconds_for(timeout_s: float, size: int) -> float:
    """The deadline of a call that brings ``size`` bytes."""
    return timeout_s + size / SLOWEST_BYTES_PER_S
