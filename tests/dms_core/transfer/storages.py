"""Two folders with the same in them, and storages that can be made to fail."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from dms_core import errors
from dms_core.model import Entry, Page
from dms_core.storage.base import PAGE_ENTRIES
from dms_core.storage.conformance import lay_out
from dms_core.storage.posix import PosixStorage
from dms_core.transfer.health import Patience

QUICK = Patience(answer_s=0.3, listing_s=0.5, first_pause_s=0.05, longest_pause_s=0.1, flapping_s=0)
"""For tests that wait for a replica to be left and to come back."""


class Faulty(PosixStorage):
    """A posix storage whose calls fail while ``fault`` is set, and are counted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, read_only=True)
        self.fault: str | errors.DmsError = ""
        self.calls = 0
        self.reads = 0

    async def _struck(self) -> None:
        self.calls += 1
        if self.fault == "frozen":
            await asyncio.Event().wait()
        elif isinstance(self.fault, errors.DmsError):
            raise self.fault

    async def lookup(self, path: str) -> Entry:
        await self._struck()
        return await super().lookup(path)

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        await self._struck()
        return await super().scan(path, cursor=cursor, limit=limit)

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        self.reads += 1
        await self._struck()
        data = await super().read(entry, offset, length)
        return data[: len(data) // 2] if self.fault == "short" else data


def twins(folder: Path) -> tuple[Path, Path]:
    """Two folders with the conformance suite's sample, the times a fraction of a second apart."""
    near, far = folder / "near", folder / "far"
    near.mkdir()
    lay_out(near)
    shutil.copytree(near, far)
    for path in [far, *far.rglob("*")]:
        seconds = int(path.stat().st_mtime)
        os.utime(path, (seconds, seconds))
    return near, far
