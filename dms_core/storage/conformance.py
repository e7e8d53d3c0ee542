"""What every storage must do, as test classes to inherit. Needs pytest and pytest-asyncio.

For a storage of your own, in a test module::

    class TestMine(ReadableConformance):
        @pytest.fixture
        async def storage(self, tmp_path):
            lay_out(tmp_path)  # or put SAMPLE where your storage finds it
            storage = MyStorage(tmp_path)
            yield storage
            await storage.close()

Inherit :class:`WritableConformance` too if it can be written to. ``root`` is
the folder of the storage that holds the sample, ``/`` unless set in the class.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from .. import errors
from ..model import Entry, Kind
from .base import Storage, WritableStorage

BIG = bytes(range(256)) * 6_789
"""Content that spans two blocks of a megabyte and ends in the middle of the second."""

SAMPLE: dict[str, bytes] = {
    "empty": b"",
    "greeting.txt": b"hello, world\n",
    "run 7 + 50% #1?.nxs": b"a name that URLs must quote",
    "größe-\N{SNOWMAN}.dat": b"a name outside ASCII",
    "NDXSANS2D/Instrument/data/cycle_13_2/SANS2D00033837.nxs": BIG,
    "many/a": b"1",
    "many/a.b": b"22",
    "many/a0": b"333",
    "many/b": b"4444",
    "many/Z": b"55555",
    "many/é": b"666666",
    "many/folder/inside": b"7",
}
"""Path below the root to content; the folders follow from it."""


def lay_out(folder: Path) -> None:
    """Write :data:`SAMPLE` below ``folder``."""
    for path, content in SAMPLE.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


async def scan_all(storage: Storage, path: str, limit: int = 1000) -> list[Entry]:
    """Every entry of a folder, over all its pages."""
    entries: list[Entry] = []
    cursor: str | None = None
    while True:
        page = await storage.scan(path, cursor=cursor, limit=limit)
        assert len(page.entries) <= limit
        entries += page.entries
        if page.cursor is None:
            return entries
        cursor = page.cursor


def names_in(sample: Mapping[str, bytes], folder: str) -> list[str]:
    """The names in a folder of the sample, in byte order."""
    below = f"{folder}/"
    found = {path[len(below) :].split("/")[0] for path in sample if path.startswith(below)}
    return sorted(found)


class _Conformance:
    """The fixtures and helpers of both suites."""

    root = "/"
    sample = SAMPLE
    """What is below ``root``: less where a storage cannot have such names."""

    @pytest.fixture
    def storage(self) -> Storage:
        """The storage under test, with :data:`SAMPLE` below ``root``. Override it."""
        raise NotImplementedError

    def at(self, path: str) -> str:
        """``path`` below ``root``."""
        return f"{self.root.rstrip('/')}/{path}"


# ruff: noqa: S101, D102 - from here on tests, whose names say what they show


@pytest.mark.asyncio
class ReadableConformance(_Conformance):
    """For every storage."""

    async def test_the_root_is_a_folder(self, storage: Storage) -> None:
        entry = await storage.lookup(self.root)
        assert (entry.path, entry.kind) == (self.root, Kind.FOLDER)

    async def test_files_are_looked_up_and_read(self, storage: Storage) -> None:
        for path, content in self.sample.items():
            entry = await storage.lookup(self.at(path))
            assert (entry.path, entry.kind) == (self.at(path), Kind.FILE)
            assert entry.size == len(content), path
            assert entry.id
            assert entry.version
            assert 0 <= entry.mode <= 0o777
            assert await storage.read(entry, 0, entry.size) == content, path

    async def test_looking_up_twice_gives_the_same(self, storage: Storage) -> None:
        path = self.at("greeting.txt")
        assert await storage.lookup(path) == await storage.lookup(path)

    async def test_what_is_not_there_is_not_found(self, storage: Storage) -> None:
        for path in ("absent", "many/absent", "absent/absent"):
            with pytest.raises(errors.NotFound):
                await storage.lookup(self.at(path))
            with pytest.raises(errors.NotFound):
                await storage.scan(self.at(path))

    async def test_below_a_file_is_nothing(self, storage: Storage) -> None:
        with pytest.raises((errors.NotAFolder, errors.NotFound)):
            await storage.lookup(self.at("greeting.txt/below"))

    async def test_paths_that_are_not_plain_are_refused(self, storage: Storage) -> None:
        for path in (
            *("", "relative", "/..", "/many/..", "/many/../greeting.txt", "/.", "//", "/many//a"),
            *("/many/", "/a\0b", "/\udc80", f"/{'x' * 300}", "/x" * 3000),
        ):
            with pytest.raises(errors.BadRequest):
                await storage.lookup(path)
            with pytest.raises(errors.BadRequest):
                await storage.scan(path)

    async def test_scan_is_in_byte_order_with_the_attributes_of_lookup(
        self, storage: Storage
    ) -> None:
        entries = await scan_all(storage, self.at("many"))
        names = [entry.path.rpartition("/")[2] for entry in entries]
        assert names == names_in(self.sample, "many")
        assert entries == [await storage.lookup(entry.path) for entry in entries]

    async def test_pages_add_up(self, storage: Storage) -> None:
        whole = await storage.scan(self.at("many"))
        assert whole.cursor is None
        for limit in (1, 2, 3, 7, 8):
            assert await scan_all(storage, self.at("many"), limit) == list(whole.entries), limit

    async def test_a_page_has_at_least_one_entry(self, storage: Storage) -> None:
        with pytest.raises(errors.BadRequest):
            await storage.scan(self.root, limit=0)

    async def test_a_file_cannot_be_scanned(self, storage: Storage) -> None:
        with pytest.raises(errors.NotAFolder):
            await storage.scan(self.at("greeting.txt"))

    async def test_a_folder_cannot_be_read(self, storage: Storage) -> None:
        folder = await storage.lookup(self.at("many"))
        with pytest.raises((errors.IsAFolder, errors.Stale)):
            await storage.read(folder, 0, 1)

    async def test_ranges_are_read(self, storage: Storage) -> None:
        path = "NDXSANS2D/Instrument/data/cycle_13_2/SANS2D00033837.nxs"
        entry = await storage.lookup(self.at(path))
        end = len(BIG)
        for offset, length in (
            *((0, 1), (1, 5), (0, 0), (1 << 20, 1), ((1 << 20) - 3, 7), (end - 1, 1)),
            *((end - 10, 100), (end, 1), (end + 5, 10), (3, 2 << 20)),
        ):
            read = await storage.read(entry, offset, length)
            assert read == BIG[offset : offset + length], (offset, length)

    async def test_ranges_are_not_negative(self, storage: Storage) -> None:
        entry = await storage.lookup(self.at("greeting.txt"))
        for offset, length in ((-1, 1), (0, -1)):
            with pytest.raises(errors.BadRequest):
                await storage.read(entry, offset, length)

    async def test_another_version_is_stale(self, storage: Storage) -> None:
        entry = await storage.lookup(self.at("greeting.txt"))
        with pytest.raises(errors.Stale):
            await storage.read(entry.model_copy(update={"version": "other"}), 0, 1)

    async def test_many_read_at_once(self, storage: Storage) -> None:
        path = "NDXSANS2D/Instrument/data/cycle_13_2/SANS2D00033837.nxs"
        entry = await storage.lookup(self.at(path))
        ranges = [(offset, 4_321) for offset in range(0, len(BIG), 98_765)]
        read = await asyncio.gather(*(storage.read(entry, *span) for span in ranges))
        assert read == [BIG[offset : offset + length] for offset, length in ranges]

    async def test_cancelling_one_call_leaves_the_others(self, storage: Storage) -> None:
        entry = await storage.lookup(self.at("greeting.txt"))
        calls = [asyncio.ensure_future(storage.read(entry, 0, 5)) for _ in range(10)]
        calls[0].cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1:] == [b"hello"] * 9

    async def test_space_is_told_or_unknown(self, storage: Storage) -> None:
        room = await storage.space(self.at("many"))
        assert room.total is None or 0 <= (room.free or 0) <= room.total


@pytest.mark.asyncio
class ReadOnlyConformance(_Conformance):
    """For a storage (or a part of one) that has the methods to write but takes no changes."""

    async def test_changes_are_refused_and_change_nothing(self, storage: WritableStorage) -> None:
        path, new = self.at("greeting.txt"), self.at("new")
        before = await storage.lookup(path)
        assert not before.writable
        for call in (
            storage.create(new),
            storage.create(path),
            storage.make_folder(new),
            storage.write(path, 0, b"x"),
            storage.truncate(path, 0),
            storage.rename(path, new),
            storage.remove(path),
            storage.set_attributes(path, mode=0o600),
        ):
            with pytest.raises((errors.ReadOnly, errors.NotAllowed)):
                await call
        assert await storage.lookup(path) == before
        with pytest.raises(errors.NotFound):
            await storage.lookup(new)


@pytest.mark.asyncio
class WritableConformance(_Conformance):
    """For every storage that takes changes."""

    def shown(self, mode: int, kind: Kind = Kind.FILE) -> int:
        """What an entry made with ``mode`` looks like; another one where rules decide that."""
        return mode

    async def test_what_was_written_is_read(self, storage: WritableStorage) -> None:
        path = self.at("new")
        entry = await storage.create(path, mode=0o640)
        assert (entry.path, entry.kind, entry.size) == (path, Kind.FILE, 0)
        assert (entry.mode, entry.writable, entry.immutable) == (self.shown(0o640), True, False)
        await storage.write(path, 0, b"one two")
        entry = await storage.write(path, 4, b"TWO!")
        assert entry == await storage.lookup(path)
        assert await storage.commit(path) == entry
        assert await storage.read(entry, 0, 100) == b"one TWO!"

    async def test_a_gap_is_zeros(self, storage: WritableStorage) -> None:
        await storage.create(self.at("new"))
        entry = await storage.write(self.at("new"), 5, b"end")
        assert entry.size == 8
        assert await storage.read(entry, 0, 8) == b"\0" * 5 + b"end"

    async def test_a_large_write(self, storage: WritableStorage) -> None:
        await storage.create(self.at("new"))
        entry = await storage.write(self.at("new"), 1, BIG)
        assert await storage.read(entry, 1, len(BIG)) == BIG

    async def test_nothing_written_is_fine(self, storage: WritableStorage) -> None:
        entry = await storage.write(self.at("greeting.txt"), 2, b"")
        assert entry.size == len(SAMPLE["greeting.txt"])

    async def test_create_empties_what_is_there_unless_exclusive(
        self, storage: WritableStorage
    ) -> None:
        path = self.at("greeting.txt")
        with pytest.raises(errors.Exists):
            await storage.create(path, exclusive=True)
        assert (await storage.lookup(path)).size > 0
        assert (await storage.create(path)).size == 0

    async def test_exclusive_creation_has_one_winner(self, storage: WritableStorage) -> None:
        results = await asyncio.gather(
            *(storage.create(self.at("new"), exclusive=True) for _ in range(8)),
            return_exceptions=True,
        )
        assert sum(isinstance(result, Entry) for result in results) == 1
        assert sum(isinstance(result, errors.Exists) for result in results) == 7

    async def test_every_change_is_another_version(self, storage: WritableStorage) -> None:
        path = self.at("greeting.txt")
        seen = {(await storage.lookup(path)).version}
        for count in range(1, 20):
            old = await storage.lookup(path)
            seen.add((await storage.write(path, 0, b"%02d" % count)).version)
            assert len(seen) == count + 1
            with pytest.raises(errors.Stale):
                await storage.read(old, 0, 1)

    async def test_what_went_is_stale(self, storage: WritableStorage) -> None:
        old = await storage.lookup(self.at("greeting.txt"))
        await storage.remove(old.path)
        with pytest.raises((errors.Stale, errors.NotFound)):
            await storage.read(old, 0, 1)
        await storage.create(old.path)
        await storage.write(old.path, 0, SAMPLE["greeting.txt"])
        with pytest.raises(errors.Stale):
            await storage.read(old, 0, 1)

    async def test_truncate_cuts_and_grows(self, storage: WritableStorage) -> None:
        path = self.at("greeting.txt")
        assert (await storage.truncate(path, 5)).size == 5
        entry = await storage.truncate(path, 7)
        assert await storage.read(entry, 0, 100) == b"hello\0\0"
        with pytest.raises(errors.BadRequest):
            await storage.truncate(path, -1)

    async def test_changing_what_is_not_there(self, storage: WritableStorage) -> None:
        path = self.at("absent")
        for call in (
            storage.write(path, 0, b"x"),
            storage.truncate(path, 0),
            storage.commit(path),
            storage.rename(path, self.at("other")),
            storage.remove(path),
            storage.set_attributes(path, mode=0o600),
            storage.create(self.at("absent/file")),
            storage.make_folder(self.at("absent/folder")),
        ):
            with pytest.raises(errors.NotFound):
                await call

    async def test_folders_are_made_filled_and_removed(self, storage: WritableStorage) -> None:
        folder = self.at("fresh")
        entry = await storage.make_folder(folder, mode=0o750)
        assert (entry.kind, entry.mode) == (Kind.FOLDER, self.shown(0o750, Kind.FOLDER))
        with pytest.raises(errors.Exists):
            await storage.make_folder(folder)
        await storage.create(f"{folder}/file")
        assert [entry.path for entry in await scan_all(storage, folder)] == [f"{folder}/file"]
        with pytest.raises(errors.NotEmpty):
            await storage.remove(folder)
        await storage.remove(f"{folder}/file")
        await storage.remove(folder)
        with pytest.raises(errors.NotFound):
            await storage.lookup(folder)

    async def test_a_folder_is_no_file(self, storage: WritableStorage) -> None:
        for call in (
            storage.create(self.at("many")),
            storage.write(self.at("many"), 0, b"x"),
            storage.truncate(self.at("many"), 0),
        ):
            with pytest.raises(errors.IsAFolder):
                await call

    async def test_rename_moves_and_replaces(self, storage: WritableStorage) -> None:
        old, new = self.at("greeting.txt"), self.at("many/a")
        content = SAMPLE["greeting.txt"]
        with pytest.raises(errors.Exists):
            await storage.rename(old, new, replace=False)
        entry = await storage.rename(old, new)
        assert (entry.path, entry.size) == (new, len(content))
        assert entry == await storage.lookup(new)
        assert await storage.read(entry, 0, 100) == content
        with pytest.raises(errors.NotFound):
            await storage.lookup(old)
        entry = await storage.rename(new, old, replace=False)
        assert await storage.read(entry, 0, 100) == content

    async def test_only_the_version_that_is_meant_is_replaced(
        self, storage: WritableStorage
    ) -> None:
        new, target = self.at("many/a"), self.at("greeting.txt")
        seen = await storage.lookup(target)
        await storage.write(target, 0, b"another's ")
        with pytest.raises(errors.Stale):
            await storage.replace(new, target, seen.version)
        now = await storage.lookup(target)
        assert (await storage.read(now, 0, 10)) == b"another's "
        content = await storage.read(await storage.lookup(new), 0, 100)
        entry = await storage.replace(new, target, now.version)
        assert entry.path == target
        assert await storage.read(entry, 0, 100) == content
        with pytest.raises(errors.NotFound):
            await storage.lookup(new)
        with pytest.raises(errors.NotFound):
            await storage.replace(target, new, now.version)

    async def test_a_folder_moves_with_what_is_in_it(self, storage: WritableStorage) -> None:
        await storage.rename(self.at("many"), self.at("moved"))
        names = [entry.path for entry in await scan_all(storage, self.at("moved"))]
        assert self.at("moved/a") in names
        assert len(names) == 7

    async def test_a_folder_is_not_moved_into_itself(self, storage: WritableStorage) -> None:
        with pytest.raises(errors.BadRequest):
            await storage.rename(self.at("many"), self.at("many/folder/self"))
        assert (await storage.lookup(self.at("many/folder"))).kind is Kind.FOLDER

    async def test_attributes_are_set(self, storage: WritableStorage) -> None:
        path, when = self.at("greeting.txt"), 1_234_567_890_123_456_789
        entry = await storage.set_attributes(path, mode=0o600, mtime_ns=when)
        assert (entry.mode, entry.mtime_ns) == (self.shown(0o600), when)
        entry = await storage.set_attributes(path, mode=0o644)
        assert (entry.mode, entry.mtime_ns) == (self.shown(0o644), when)
        assert entry == await storage.lookup(path)

    async def test_the_root_stays(self, storage: WritableStorage) -> None:
        for call in (
            storage.remove("/"),
            storage.rename("/", self.at("elsewhere")),
            storage.create("/"),
            storage.make_folder("/"),
        ):
            with pytest.raises(errors.DmsError):
                await call
        assert (await storage.lookup("/")).kind is Kind.FOLDER

    async def test_bad_paths_change_nothing(self, storage: WritableStorage) -> None:
        for path in ("relative", self.at("../new"), self.at("a//b"), self.at("new\0")):
            for call in (
                storage.create(path),
                storage.make_folder(path),
                storage.write(path, 0, b"x"),
                storage.rename(self.at("greeting.txt"), path),
                storage.remove(path),
            ):
                with pytest.raises(errors.BadRequest):
                    await call
        assert (await storage.lookup(self.at("greeting.txt"))).size > 0
