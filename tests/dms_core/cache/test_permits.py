"""Cached bytes that may be withdrawn: given out while the source says so, and not beyond."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.cache.cached import Cached
from dms_core.cache.names import Ages
from dms_core.model import Entry
from dms_core.storage.posix import PosixStorage

from .conftest import Maker, content, until
from .watched import Watched

SIZE = 5000
PERMIT_S = 0.3


class Permitting(Watched):
    """A read-only source whose entries are on a permit, until it is withdrawn."""

    refusal: Exception | None = None

    async def lookup(self, path: str) -> Entry:
        if self.refusal is not None and path != "/":
            raise self.refusal
        found = await super().lookup(path)
        return found.model_copy(update={"permit_s": PERMIT_S})


@pytest.fixture
def source(archive: Path) -> Permitting:
    (archive / "v").mkdir()
    (archive / "v" / "run").write_bytes(content(SIZE))
    return Permitting(PosixStorage(archive, read_only=True))


@pytest.fixture
async def held(make: Maker, source: Permitting) -> tuple[Cached, Entry]:
    """A cache that has all bytes of a file, and that file's entry as a handle holds it."""
    cached = make(over=source, ages=Ages(writable_s=0.05))
    entry = await cached.lookup("/v/run")
    await cached.read(entry, 0, SIZE)
    await until(lambda: cached.store.used_bytes == SIZE, "all of the file is kept")
    return cached, entry


async def test_what_is_permitted_is_read_from_the_cache(
    held: tuple[Cached, Entry], source: Permitting
) -> None:
    cached, entry = held
    reads = len(source.reads)
    assert await cached.read(entry, 0, SIZE) == content(SIZE)
    assert len(source.reads) == reads
    await cached.lookup("/v/run")
    assert cached.read_now(entry, 0, SIZE) == content(SIZE)


@pytest.mark.parametrize("refusal", [errors.NotFound("no"), errors.NotAllowed("no")])
async def test_what_is_withdrawn_is_not_read_though_it_is_cached_and_open(
    held: tuple[Cached, Entry], source: Permitting, refusal: Exception
) -> None:
    cached, entry = held
    source.refusal = refusal

    def is_refused() -> bool:
        try:
            return cached.read_now(entry, 0, SIZE) is None
        except errors.NotFound:
            return True

    await until(is_refused, "the bytes are refused")
    with pytest.raises(type(refusal)):
        await cached.read(entry, 0, SIZE)
    assert cached.store.used_bytes == 0  # and the bytes are gone
    with pytest.raises(type(refusal)):
        await cached.read(entry, 0, SIZE)


async def test_while_the_source_is_away_the_permit_holds_and_then_ends(
    held: tuple[Cached, Entry], source: Permitting
) -> None:
    cached, entry = held
    source.refusal = errors.Unreachable("away")
    assert await cached.read(entry, 0, SIZE) == content(SIZE)

    async def ended() -> bool:
        try:
            await cached.read(entry, 0, SIZE)
        except errors.Unreachable:
            return True
        return False

    await reached(ended, True)
    assert cached.read_now(entry, 0, SIZE) is None
    source.refusal = None
    await reached(ended, False)
    assert await cached.read(entry, 0, SIZE) == content(SIZE)


async def reached(condition: Callable[[], Awaitable[bool]], wanted: bool) -> None:
    async with asyncio.timeout(10):
        while await condition() is not wanted:  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.01)
