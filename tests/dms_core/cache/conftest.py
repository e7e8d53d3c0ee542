"""An archive on disk, watched, and a cache over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest

from dms_core.cache.cached import Cached
from dms_core.cache.fetching import Timing
from dms_core.cache.names import Ages
from dms_core.cache.store import BlockStore, Limits
from dms_core.storage.posix import PosixStorage

from ...support.waiting import until_async
from .watched import Watched

BLOCK = 4096


def content(size: int, seed: int = 0) -> bytes:
    return Random(seed).randbytes(size)


until = partial(until_async, within_s=20)
"""Waiting, as the tests of the cache do."""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


@pytest.fixture
async def source(archive: Path) -> Watched:
    return Watched(PosixStorage(archive, read_only=True))


Maker = Callable[..., Cached]


@pytest.fixture
async def make(source: Watched, tmp_path: Path) -> AsyncIterator[Maker]:
    """Makes caches over ``source``; all are closed at the end."""
    made: list[Cached] = []

    def make(
        *,
        limit: int = 1 << 20,
        block: int = BLOCK,
        ages: Ages | None = None,
        timing: Timing | None = None,
        folder: str = "cache",
        over: Watched | None = None,
    ) -> Cached:
        store = BlockStore(tmp_path / folder, Limits(limit, block, min_free_bytes=0))
        cached = Cached(over or source, store, name="test", ages=ages, timing=timing)
        cached.start()
        made.append(cached)
        return cached

    yield make
    source.gate.set()
    for cached in made:
        await cached.close()


@pytest.fixture
async def cached(make: Maker) -> Cached:
    return make()
