"""Real files through a real mount: what is fetched, what is kept, and that it is right."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from random import Random

import h5py
import numpy as np
import pytest

from dms_core.client.mount import Mount
from dms_core.model import CacheState, Status

from ...support.waiting import until
from .running import Mounted, Service, forget_pages

pytestmark = pytest.mark.mount

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def events(service: Service) -> Path:
    """A 200 MB NeXus-like file: many chunked datasets of random numbers."""
    path = service.archive / "NDXSANS2D" / "SANS2D00033837.nxs"
    path.parent.mkdir(exist_ok=True)
    random = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        for bank in range(10):
            group = file.create_group(f"raw_data_1/detector_{bank}_events")
            group.create_dataset(
                "event_time_offset",
                data=random.random(2_500_000),
                chunks=(65_536,),
            )
    assert path.stat().st_size > 200_000_000
    return path


@pytest.fixture
def mount(mounted: Mounted) -> Mount:
    with mounted.client() as client:
        client.evict("/archive")
        yield client


def test_one_dataset_of_a_large_file_fetches_only_the_touched_blocks(
    mounted: Mounted, mount: Mount, service: Service, events: Path
) -> None:
    path = mounted.path / events.relative_to(service.folder)
    tree_path = "/" + str(events.relative_to(service.folder))
    status = mount.status(tree_path)
    assert (status.state, status.percent) == (CacheState.REMOTE, 0)
    before = mounted.fetched()
    with h5py.File(path) as ours, h5py.File(events) as theirs:
        name = "raw_data_1/detector_4_events/event_time_offset"
        assert ours[name].shape == (2_500_000,)
        opened = mounted.fetched() - before
        assert np.array_equal(ours[name][:], theirs[name][:])
        dataset = theirs[name].nbytes
    fetched = mounted.fetched() - before
    assert opened < 12 * MIB
    assert dataset <= fetched < dataset + 24 * MIB
    until(lambda: mount.status(tree_path).cached_bytes == fetched, "what was fetched is kept")
    status = mount.status(tree_path)
    assert status.state is CacheState.PARTIAL
    assert 0 < status.percent < 30
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    with events.open("rb") as file:
        assert digest == hashlib.file_digest(file, "sha256").digest()
    until(lambda: mount.status(tree_path).state is CacheState.CACHED, "all of it is cached")
    assert mounted.fetched() - before == events.stat().st_size


def test_a_second_reader_of_the_same_bytes_fetches_nothing(
    mounted: Mounted, mount: Mount, service: Service, events: Path
) -> None:
    path = mounted.path / events.relative_to(service.folder)

    def read() -> bytes:
        """From the mount, not from the kernel's pages, and without its read-ahead."""
        forget_pages(path)
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            return file.read(5 * MIB)

    tree_path = "/" + str(events.relative_to(service.folder))
    first = read()
    until(lambda: mount.status(tree_path).cached_bytes == 5 * MIB, "what was read is kept")
    fetched = mounted.fetched()
    assert read() == first
    assert mounted.fetched() == fetched


def test_random_reads_are_identical_under_eviction(service: Service, tmp_path: Path) -> None:
    """A cache of 3 MB for 12 MB of files, in blocks of 64 KiB."""
    random = Random(7)
    files: dict[str, bytes] = {}
    (service.archive / "many").mkdir(exist_ok=True)
    for number in range(6):
        files[f"many/{number}"] = random.randbytes(2_000_000 + number * 12_345)
        (service.archive / f"many/{number}").write_bytes(files[f"many/{number}"])
    with Mounted(service, tmp_path / "m", limit_gb=0.003, block_kib=64) as mounted:
        for _ in range(400):
            name, whole = random.choice(list(files.items()))
            offset, length = random.randrange(len(whole)), random.randrange(300_000)
            with (mounted.archive / name).open("rb", buffering=0) as file:
                assert os.pread(file.fileno(), length, offset) == whole[offset : offset + length]
        with mounted.client() as mount:
            info = mount.info()
        assert info.cache_bytes <= info.cache_limit_bytes
        assert info.fetched_bytes > 0
        on_disk = sum(one.stat().st_blocks * 512 for one in mounted.cache.rglob("*.data"))
        assert on_disk <= 4_000_000


def test_a_corrupt_block_on_disk_gives_right_bytes(service: Service, tmp_path: Path) -> None:
    data = Random(3).randbytes(3 * MIB)
    (service.archive / "precious").write_bytes(data)
    mounted = Mounted(service, tmp_path / "m")
    with mounted, mounted.client() as mount:
        assert (mounted.archive / "precious").read_bytes() == data
        until(lambda: mount.status("/archive/precious").percent == 100, "cached")
        mounted.stop()
        (block_file,) = mounted.cache.rglob("*.data")
        assert block_file.read_bytes() == data
        with block_file.open("r+b") as raw:
            raw.seek(MIB + 12_345)
            raw.write(bytes(100))
        mounted.start()
        assert (mounted.archive / "precious").read_bytes() == data
        assert mounted.fetched() == MIB
        mounted.stop()
        assert block_file.read_bytes() == data
        assert mounted.process is not None
        assert mounted.process.stderr is not None
        assert "damaged" in mounted.process.stderr.read()


def test_a_large_folder_is_listed_without_asking_for_each_name(
    mounted: Mounted, service: Service
) -> None:
    folder = service.archive / "large"
    if not folder.exists():
        folder.mkdir()
        for number in range(3000):
            (folder / f"{number:06}.nxs").touch()
    with os.scandir(mounted.archive / "large") as entries:
        sizes = {entry.name: entry.stat().st_size for entry in entries}
    assert len(sizes) == 3000


def test_events_tell_a_file_on_its_way_into_the_cache(
    mounted: Mounted, mount: Mount, service: Service
) -> None:
    name = uuid.uuid4().hex
    (service.archive / name).write_bytes(Random(5).randbytes(4 * MIB))
    until((mounted.archive / name).exists, "the new file appears")
    events = mount.events()
    assert next(events).user  # the mount as it is
    begun = mount.prefetch(f"/archive/{name}")
    states, transfers = [], []
    for event in events:
        if isinstance(event, Status) and event.path == f"/archive/{name}":
            states.append(event.state)
        elif not isinstance(event, Status) and getattr(event, "id", None) == begun.id:
            transfers.append(event.state)
        if CacheState.CACHED in states and "done" in transfers:
            break
        assert "failed" not in transfers
    assert transfers[-1] == "done"
    (ended,) = [one for one in mount.transfers() if one.id == begun.id]
    assert (ended.state, ended.done_bytes, ended.total_bytes) == ("done", 4 * MIB, 4 * MIB)
