from __future__ import annotations

from pathlib import Path

import pytest

from dms_core import errors
from dms_core.cache.cached import Cached
from dms_core.cache.events import Event
from dms_core.cache.residency import Residency
from dms_core.model import CacheState, Transfer
from dms_core.storage.posix import PosixStorage

from .conftest import BLOCK, Maker, content, until
from .watched import Watched

SIZE = 8 * BLOCK


@pytest.fixture
async def residency(cached: Cached, archive: Path) -> Residency:
    for name in ("a", "b", "sub/c"):
        path = archive / "v" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(SIZE))
    return Residency(cached)


async def ended(residency: Residency, transfer: Transfer) -> Transfer:
    def state() -> Transfer:
        return next(one for one in residency.transfers.all() if one.id == transfer.id)

    await until(lambda: state().state not in ("queued", "running"), "the transfer has ended")
    return state()


async def test_a_file_goes_from_remote_to_partial_to_cached(
    residency: Residency, cached: Cached
) -> None:
    seen: list[Event] = []
    with cached.events.subscribed(seen.append):
        status = await residency.status("/v/a")
        assert (status.state, status.percent, status.size) == (CacheState.REMOTE, 0, SIZE)
        entry = await cached.lookup("/v/a")
        await cached.read(entry, 0, 3 * BLOCK)
        await until(lambda: residency.of(entry).cached_bytes == 3 * BLOCK, "what was read is kept")
        status = await residency.status("/v/a")
        assert (status.state, status.percent) == (CacheState.PARTIAL, 37)
        await cached.read(entry, 0, SIZE)
        await until(lambda: residency.of(entry).state is CacheState.CACHED, "all of it is cached")
        assert residency.of(entry).percent == 100
        await until(lambda: "/v/a" in seen, "the file's change is told")


async def test_a_prefetch_tells_its_progress_and_ends(residency: Residency, cached: Cached) -> None:
    seen: list[Event] = []
    with cached.events.subscribed(seen.append):
        begun = await residency.prefetch("/v")
        assert begun.state == "queued"
        done = await ended(residency, begun)
    assert (done.state, done.done_bytes, done.total_bytes) == ("done", 3 * SIZE, 3 * SIZE)
    assert (await residency.status("/v")).state is CacheState.CACHED
    assert (await residency.status("/v/sub/c")).percent == 100
    told = [one.state for one in seen if isinstance(one, Transfer)]
    assert told[-1] == "done"
    assert "running" in told


async def test_a_prefetch_under_way_is_not_begun_twice(
    residency: Residency, source: Watched
) -> None:
    await residency.status("/v/a")
    source.gate.clear()
    first = await residency.prefetch("/v/a")
    assert (await residency.prefetch("/v/a")).id == first.id
    source.gate.set()
    await ended(residency, first)


async def test_a_cancelled_prefetch_keeps_what_came(
    residency: Residency, source: Watched, cached: Cached
) -> None:
    entry = await cached.lookup("/v/a")
    await cached.read(entry, 0, BLOCK)
    source.gate.clear()
    begun = await residency.prefetch("/v/a")
    await until(lambda: len(source.reads) > 1, "the prefetch asks the source")
    assert residency.transfers.cancel(begun.id).state == "cancelled"
    source.gate.set()
    assert (await ended(residency, begun)).state == "cancelled"
    assert cached.read_now(entry, 0, BLOCK) is not None
    with pytest.raises(errors.NotFound):
        residency.transfers.cancel("no-such-transfer")


async def test_a_prefetch_that_does_not_fit_says_so(
    make: Maker, archive: Path, residency: Residency
) -> None:
    small = Residency(make(limit=4 * BLOCK, folder="small"))
    failed = await ended(small, await small.prefetch("/v/a"))
    assert failed.state == "failed"
    assert "no room" in failed.reason
    assert "limit_gb" in failed.reason


async def test_a_prefetch_without_the_service_says_so(
    residency: Residency, source: Watched
) -> None:
    await residency.status("/v/a")
    source.failure = errors.Unreachable("the service is away")
    failed = await ended(residency, await residency.prefetch("/v/a"))
    assert (failed.state, failed.reason) == ("failed", "the service is away")


async def test_pinned_files_are_complete_and_stay(make: Maker, residency: Residency) -> None:
    small = make(limit=20 * BLOCK, folder="small")
    here = Residency(small)
    assert (await here.pin("/v/a")).state is CacheState.PINNED
    await until(lambda: here.transfers.all()[-1].state == "done", "all of the pinned file came")
    assert (await here.status("/v/a")).percent == 100
    for path in ("/v/b", "/v/sub/c"):
        await small.read(await small.lookup(path), 0, SIZE)
    assert (await here.status("/v/a")).percent == 100
    with pytest.raises(errors.BadRequest, match="unpin"):
        await here.evict("/v/a")
    assert (await here.unpin("/v/a")).state is CacheState.CACHED


async def test_evicting_a_folder_frees_it_but_not_its_pinned_files(
    residency: Residency, cached: Cached
) -> None:
    await ended(residency, await residency.prefetch("/v"))
    await residency.pin("/v/b")
    status = await residency.evict("/v")
    assert status.cached_bytes == SIZE
    assert (await residency.status("/v/a")).state is CacheState.REMOTE
    assert (await residency.status("/v/b")).state is CacheState.PINNED
    assert cached.store.used_bytes == SIZE


async def test_a_folder_is_not_called_cached_before_all_of_it_is_known(
    residency: Residency, cached: Cached
) -> None:
    for path in ("/v/a", "/v/b"):
        await ended(residency, await residency.prefetch(path))
    status = await residency.status("/v")
    assert (status.state, status.cached_bytes) == (CacheState.PARTIAL, 2 * SIZE)
    assert status.percent < 100


async def test_a_listing_carries_states(residency: Residency) -> None:
    await ended(residency, await residency.prefetch("/v/a"))
    listing = await residency.list("/v")
    states = {row.entry.path: row.status.state for row in listing.rows}
    assert states == {
        "/v/a": CacheState.CACHED,
        "/v/b": CacheState.REMOTE,
        "/v/sub": CacheState.REMOTE,
    }


async def test_a_writable_file_is_not_prefetched(make: Maker, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes").write_bytes(b"one")
    residency = Residency(make(over=Watched(PosixStorage(home))))
    with pytest.raises(errors.Unsupported, match="writable"):
        await residency.prefetch("/notes")
    assert (await residency.status("/notes")).state is CacheState.REMOTE
