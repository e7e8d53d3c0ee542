from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from dms_core import errors
from dms_core.cache import blocks
from dms_core.cache.cached import Cached
from dms_core.cache.fetching import Timing
from dms_core.cache.names import Ages
from dms_core.cache.store import BlockStore, Limits
from dms_core.storage.conformance import ReadableConformance, WritableConformance, lay_out
from dms_core.storage.posix import PosixStorage

from .conftest import BLOCK, Maker, content, until
from .watched import Watched

SIZE = 10 * BLOCK + 100


@pytest.fixture
def data(archive: Path) -> bytes:
    (archive / "v").mkdir()
    data = content(SIZE)
    (archive / "v" / "run").write_bytes(data)
    return data


class TestReadConformance(ReadableConformance):
    """A cache over an archive behaves as the archive."""

    @pytest.fixture
    async def storage(self, archive: Path, make: Maker) -> Cached:
        lay_out(archive)
        return make(limit=100 << 20)


class TestWriteConformance(WritableConformance):
    """A cache over a home behaves as the home."""

    @pytest.fixture
    async def storage(self, tmp_path: Path, make: Maker) -> Cached:
        home = tmp_path / "home"
        home.mkdir()
        lay_out(home)
        return make(limit=100 << 20, over=Watched(PosixStorage(home)))


async def test_only_touched_blocks_are_fetched(
    cached: Cached, source: Watched, data: bytes
) -> None:
    entry = await cached.lookup("/v/run")
    assert await cached.read(entry, BLOCK * 3 + 5, 10) == data[BLOCK * 3 + 5 : BLOCK * 3 + 15]
    assert source.reads == [("/v/run", BLOCK * 3, BLOCK)]
    assert await cached.read(entry, SIZE - 50, 1000) == data[-50:]
    assert source.reads[1:] == [("/v/run", BLOCK * 10, 100)]
    assert cached.fetcher.fetched_bytes == BLOCK + 100


async def test_cached_blocks_and_names_need_no_source(
    cached: Cached, source: Watched, data: bytes
) -> None:
    entry = await cached.lookup("/v/run")
    await cached.read(entry, 0, SIZE)
    await until(lambda: cached.store.reserved_bytes == 0, "all that came is on disk")
    reads, lookups = len(source.reads), len(source.lookups)
    for _ in range(3):
        assert await cached.lookup("/v/run") == entry
        assert await cached.refresh("/v/run") == entry
        assert await cached.read(entry, 0, SIZE) == data
        assert cached.read_now(entry, 10, SIZE) == data[10:]
    assert (len(source.reads), len(source.lookups)) == (reads, lookups)


async def test_adjacent_missing_blocks_travel_as_one_range_up_to_a_bound(
    make: Maker, source: Watched, data: bytes
) -> None:
    cached = make(timing=Timing(range_bytes=4 * BLOCK))
    entry = await cached.lookup("/v/run")
    await cached.read(entry, 5 * BLOCK, 1)
    source.reads.clear()
    assert await cached.read(entry, 0, SIZE) == data
    assert [(offset // BLOCK, length) for _, offset, length in source.reads] == [
        (0, 4 * BLOCK),
        (4, BLOCK),
        (6, 4 * BLOCK),
        (10, 100),
    ]


async def test_many_readers_of_a_block_cause_one_fetch(
    cached: Cached, source: Watched, data: bytes
) -> None:
    entry = await cached.lookup("/v/run")
    source.gate.clear()
    readers = [asyncio.create_task(cached.read(entry, BLOCK, 100)) for _ in range(20)]
    await until(lambda: bool(source.reads), "the source is asked")
    readers[0].cancel()  # the one that began it leaves; the others are not concerned
    source.gate.set()
    answers = await asyncio.gather(*readers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [data[BLOCK : BLOCK + 100]] * 19
    assert len(source.reads) == 1


async def test_a_damaged_block_on_disk_gives_right_bytes_and_a_counter(
    cached: Cached, source: Watched, data: bytes, tmp_path: Path
) -> None:
    entry = await cached.lookup("/v/run")
    await cached.read(entry, 0, SIZE)
    await until(lambda: cached.store.reserved_bytes == 0, "all that came is on disk")
    name = cached.identity(entry).name
    with blocks.data_path(tmp_path / "cache" / "blocks", name).open("r+b") as raw:
        raw.seek(2 * BLOCK + 7)
        raw.write(b"\0\0\0\0\0\0\0\0")
    source.reads.clear()
    assert await cached.read(entry, 0, SIZE) == data
    assert source.reads == [("/v/run", 2 * BLOCK, BLOCK)]
    assert cached.store.counters["damaged_blocks"] == 1
    await until(lambda: cached.store.used_bytes == SIZE, "all of the file is kept")
    assert cached.read_now(entry, 0, SIZE) == data


@pytest.mark.parametrize("limit", [3 * BLOCK, 8 * BLOCK, 20 * BLOCK])
async def test_random_reads_are_identical_under_eviction(
    make: Maker, archive: Path, limit: int
) -> None:
    """A cache much smaller than the data, many files, many readers."""
    (archive / "v").mkdir()
    files = {f"/v/{n}": content(BLOCK * (1 + n) + n * 37, seed=n) for n in range(6)}
    for path, bytes_ in files.items():
        (archive / path[1:]).write_bytes(bytes_)
    cached = make(limit=limit, timing=Timing(range_bytes=2 * BLOCK))

    async def reader(seed: int) -> None:
        random = Random(seed)
        for _ in range(60):
            path, whole = random.choice(list(files.items()))
            offset, length = random.randrange(len(whole) + 10), random.randrange(3 * BLOCK)
            entry = await cached.lookup(path)
            got = cached.read_now(entry, offset, length)
            if got is None:
                got = await cached.read(entry, offset, length)
            assert got == whole[offset : offset + length]

    await asyncio.gather(*(reader(seed) for seed in range(6)))
    assert cached.store.used_bytes <= limit
    assert cached.store.counters["evicted_files"] > 0
    await until(lambda: cached.store.reserved_bytes == 0, "all that came is on disk")


async def test_a_full_cache_passes_through(
    make: Maker, source: Watched, data: bytes, archive: Path
) -> None:
    cached = make(limit=2 * BLOCK)
    entry = await cached.lookup("/v/run")
    cached.opened(entry)
    for _ in range(2):
        assert await cached.read(entry, 0, SIZE) == data
    assert cached.store.used_bytes <= 2 * BLOCK
    cached.closed(entry)


async def test_a_new_version_never_mixes_with_the_old(
    make: Maker, archive: Path, tmp_path: Path
) -> None:
    (archive / "v").mkdir()
    path = archive / "v" / "live"
    path.write_bytes(b"a" * SIZE)
    cached = make(over=Watched(PosixStorage(archive, read_only=True)))
    old = await cached.lookup("/v/live")
    assert await cached.read(old, 0, BLOCK) == b"a" * BLOCK
    path.write_bytes(b"b" * SIZE)
    with pytest.raises(errors.Stale):
        await cached.read(old, BLOCK, BLOCK)
    new = await cached.refresh("/v/live")
    assert new.version != old.version
    assert await cached.read(new, 0, SIZE) == b"b" * SIZE


async def test_what_can_be_changed_is_not_cached(make: Maker, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes").write_bytes(b"one")
    source = Watched(PosixStorage(home))
    cached = make(over=source)
    entry = await cached.lookup("/notes")
    for _ in range(2):
        assert await cached.read(entry, 0, 10) == b"one"
    assert len(source.reads) == 2
    assert cached.read_now(entry, 0, 10) is None
    (home / "notes").write_bytes(b"other")
    assert (await cached.refresh("/notes")).size == 5


async def test_while_the_source_is_away_the_known_stays_and_the_rest_fails_at_once(
    make: Maker, source: Watched, data: bytes
) -> None:
    cached = make(ages=Ages(writable_s=0, read_only_s=0))
    await cached.listing("/v")
    entry = await cached.lookup("/v/run")
    await cached.read(entry, 0, BLOCK)
    source.failure = errors.Unreachable("the service is away")
    with pytest.raises(errors.Unreachable):
        await cached.read(entry, 5 * BLOCK, 1)
    assert not cached.reach.reachable
    assert await cached.read(entry, 0, BLOCK) == data[:BLOCK]
    assert await cached.lookup("/v/run") == entry
    assert (await cached.lookup("/v")).path == "/v"
    assert [one.path for one in (await cached.scan("/v")).entries] == ["/v/run"]
    with pytest.raises(errors.NotFound):
        await cached.lookup("/v/none")
    with pytest.raises(errors.Unreachable, match="away"):
        await cached.lookup("/elsewhere")
    source.failure = None
    await until(lambda: cached.reach.reachable, "a probe reopens")
    assert await cached.read(entry, 0, SIZE) == data


async def test_grace_ends(make: Maker, source: Watched, data: bytes) -> None:
    cached = make(ages=Ages(writable_s=0, read_only_s=0, grace_s=0))
    await cached.lookup("/v")
    source.failure = errors.Unreachable("the service is away")
    with pytest.raises(errors.Unreachable):
        await cached.lookup("/v")


async def test_a_withdrawn_file_is_gone_from_the_cache_after_the_recheck(
    make: Maker, source: Watched, data: bytes, archive: Path
) -> None:
    cached = make(ages=Ages(recheck_s=0))
    entry = await cached.lookup("/v/run")
    await cached.read(entry, 0, SIZE)
    await until(lambda: cached.store.used_bytes == SIZE, "all of the file is kept")
    (archive / "v" / "run").unlink()
    cached.known("/v/run")  # anybody's next look begins the recheck
    await until(lambda: cached.store.used_bytes == 0, "the file's blocks are gone")
    with pytest.raises(errors.NotFound):
        await cached.lookup("/v/run")
    with pytest.raises(errors.Stale):
        await cached.read(entry, 0, 1)


async def test_a_whole_folder_is_one_scan_with_its_attributes(
    cached: Cached, source: Watched, archive: Path
) -> None:
    (archive / "v").mkdir()
    for number in range(2500):
        (archive / "v" / f"{number:05}").touch()
    entries = await cached.listing("/v")
    assert len(entries) == 2500
    assert len(source.scans) == 3
    lookups = len(source.lookups)
    for entry in entries:
        assert cached.known(entry.path) == entry
    with pytest.raises(errors.NotFound):
        cached.known("/v/none")
    assert await cached.listing("/v") == entries
    assert (len(source.scans), len(source.lookups)) == (3, lookups)


async def test_pages_of_a_listing_follow_each_other(cached: Cached, archive: Path) -> None:
    (archive / "v").mkdir()
    for number in range(25):
        (archive / "v" / f"{number:02}").touch()
    names, cursor = [], None
    while True:
        page = await cached.scan("/v", cursor=cursor, limit=10)
        names += [entry.path for entry in page.entries]
        cursor = page.cursor
        if cursor is None:
            break
    assert names == [f"/v/{number:02}" for number in range(25)]


async def test_the_cache_survives_a_restart(
    make: Maker, source: Watched, data: bytes, archive: Path, tmp_path: Path
) -> None:
    store = BlockStore(tmp_path / "cache", Limits(1 << 20, BLOCK, min_free_bytes=0))
    first = Cached(PosixStorage(archive, read_only=True), store, name="test")
    first.start()
    await first.read(await first.lookup("/v/run"), 0, SIZE)
    await until(lambda: store.reserved_bytes == 0, "all that came is on disk")
    await first.close()
    again = make()
    assert await again.read(await again.lookup("/v/run"), 0, SIZE) == data
    assert source.reads == []
