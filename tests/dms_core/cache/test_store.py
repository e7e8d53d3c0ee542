from __future__ import annotations

import os
from pathlib import Path

import pytest

from dms_core.cache import blocks
from dms_core.cache.blocks import BlockFile, Identity
from dms_core.cache.store import BlockStore, Limits
from dms_core.errors import ConfigError

from .conftest import content


def identity(name: str) -> Identity:
    return Identity(source="s", volume="v", id=name, version="1", path=f"/v/{name}")


def store(folder: Path, *, limit: int = 100_000, free: int = 0, block: int = 1000) -> BlockStore:
    ticks = iter(range(1_000_000))
    return BlockStore(folder, Limits(limit, block, free), clock=lambda: next(ticks))


def put(into: BlockStore, name: str, size: int = 1000) -> BlockFile:
    file = into.file(identity(name), size, create=True)
    assert file is not None
    assert into.reserve(size)
    for index in range(file.shape.blocks):
        length = file.shape.length(index)
        into.write(file, index, content(length, seed=index))
    into.release(size)
    return file


def test_the_folder_is_private_and_held_by_one(tmp_path: Path) -> None:
    first = store(tmp_path / "cache")
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConfigError, match="in use by process"):
        store(tmp_path / "cache")
    first.close()
    store(tmp_path / "cache").close()


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cache\.folder"):
        store(tmp_path / "file" / "cache")


def test_what_is_cached_survives_a_clean_restart_by_the_index(tmp_path: Path) -> None:
    one = store(tmp_path)
    put(one, "a", 2500)
    one.close()
    again = store(tmp_path)
    assert again.used_bytes == 2500
    file = again.file(identity("a"), 2500)
    assert file is not None
    assert again.read(file, 2) == content(500, seed=2)
    again.close()


@pytest.mark.parametrize("index", ["removed", "garbage", "unclean", "lying"])
def test_the_index_can_be_thrown_away(tmp_path: Path, index: str) -> None:
    """Unclean: as after kill -9. The block files are the truth."""
    one = store(tmp_path)
    put(one, "a", 2500)
    one.pin(put(one, "b", 1000), True)
    one.close()
    database = tmp_path / "index.sqlite"
    if index == "removed":
        database.unlink()
    elif index == "garbage":
        database.write_bytes(b"not a database at all" * 100)
    else:
        left = store(tmp_path)
        if index == "lying":
            record = left.record(identity("a"))
            assert record is not None
            record.cached_bytes = 7
        left._index.update(left._records.values(), [])
        left._index._database.close()
        os.close(left._held)
    again = store(tmp_path)
    assert again.used_bytes == 3500
    pinned = again.record(identity("b"))
    assert pinned is not None
    assert pinned.pinned
    again.close()


def test_a_half_made_or_damaged_file_is_removed_by_a_scan(tmp_path: Path) -> None:
    one = store(tmp_path)
    name = put(one, "a").name
    one.close()
    (tmp_path / "index.sqlite").unlink()
    meta = blocks.meta_path(tmp_path / "blocks", name)
    meta.with_suffix(".new").write_bytes(b"half")
    meta.write_bytes(b"torn")
    again = store(tmp_path)
    assert again.used_bytes == 0
    assert list((tmp_path / "blocks").glob("*/*")) == []
    again.close()


def test_the_least_recently_used_file_makes_room(tmp_path: Path) -> None:
    one = store(tmp_path, limit=10_000)
    old, new = put(one, "old", 4000), put(one, "new", 4000)
    assert one.read(old, 0) is not None  # used again: now "new" is the older one
    assert one.reserve(4000)
    assert one.record(new.identity) is None
    assert one.record(old.identity) is not None
    assert one.counters["evicted_files"] == 1
    assert one.used_bytes == 4000
    one.close()


def test_pinned_and_open_files_stay_and_the_full_cache_refuses(tmp_path: Path) -> None:
    one = store(tmp_path, limit=10_000)
    one.pin(put(one, "pinned", 4000), True)
    one.hold(put(one, "open", 4000).name)
    assert not one.reserve(4000)
    assert one.used_bytes == 8000
    one.let_go(identity("open").name)
    assert one.reserve(4000)
    assert one.record(identity("open")) is None
    assert one.record(identity("pinned")) is not None
    one.close()


def test_reservations_count_before_bytes_come(tmp_path: Path) -> None:
    one = store(tmp_path, limit=10_000)
    assert one.reserve(6000)
    assert not one.reserve(6000)
    one.release(6000)
    assert one.reserve(6000)
    one.close()


def test_a_disk_short_of_space_refuses(tmp_path: Path) -> None:
    one = store(tmp_path, free=1 << 60)
    assert not one.reserve(1)
    one.close()


def test_a_damaged_block_is_a_miss_and_is_counted(tmp_path: Path) -> None:
    one = store(tmp_path)
    file = put(one, "a", 3000)
    one.drop(file.name)
    file = put(one, "a", 3000)
    with blocks.data_path(tmp_path / "blocks", file.name).open("r+b") as raw:
        raw.seek(1500)
        raw.write(b"\xff\x00\xff")
    assert one.read(file, 0) is not None
    assert one.read(file, 1) is None
    assert one.counters["damaged_blocks"] == 1
    assert one.used_bytes == 2000
    assert one.read(file, 1) is None
    assert one.counters["damaged_blocks"] == 1
    one.close()


def test_a_disk_that_refuses_is_counted_not_raised(tmp_path: Path) -> None:
    one = store(tmp_path)
    file = one.file(identity("a"), 1000, create=True)
    assert file is not None

    os.close(file._data)
    read_only = os.open(blocks.data_path(tmp_path / "blocks", file.name), os.O_RDONLY)
    if read_only != file._data:
        os.dup2(read_only, file._data)
        os.close(read_only)
    one.write(file, 0, content(1000))
    assert one.counters["disk_errors"] == 1
    assert one.used_bytes == 0
    assert one.read(file, 0) is None
    one.close()


def test_another_block_size_starts_anew(tmp_path: Path) -> None:
    one = store(tmp_path)
    put(one, "a", 3000)
    one.close()
    other = store(tmp_path, block=500)
    assert other.file(identity("a"), 3000) is None
    assert other.used_bytes == 0
    assert put(other, "a", 3000).shape.blocks == 6
    other.close()


def test_dropping_a_file_that_is_being_written_does_not_count_its_bytes(tmp_path: Path) -> None:
    one = store(tmp_path)
    file = put(one, "a", 3000)
    one.drop(file.name)
    one.write(file, 0, content(1000))
    assert one.used_bytes == 0
    put(one, "a", 3000)
    one.write(file, 1, content(1000))
    assert one.used_bytes == 3000
    one.close()
