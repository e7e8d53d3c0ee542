"""What every mover must do, as a test class to inherit. Needs pytest and pytest-asyncio.

For a mover of your own, in a test module::

    class TestMine(MoverConformance):
        @pytest.fixture
        async def mover(self, tmp_path):
            lay_out(tmp_path)  # from dms_core.storage.conformance
            with my_server(tmp_path) as server:
                mover = MyMover(server.url)
                yield mover
                await mover.close()

Inherit ``ReadableConformance`` too, over ``Moved(mover)``.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import zlib
from pathlib import Path

import pytest

from .. import errors
from ..model import Entry, Kind
from ..storage.conformance import BIG, SAMPLE, names_in
from .base import Mover

BIG_PATH = next(f"/{path}" for path, content in SAMPLE.items() if content is BIG)

# ruff: noqa: S101, D102 - tests, whose names say what they show


@pytest.mark.asyncio
class MoverConformance:
    """For every mover, with :data:`SAMPLE` at its URL."""

    sample = SAMPLE
    """What is there: less where a protocol cannot say such names."""

    @pytest.fixture
    def mover(self) -> Mover:
        """The mover under test. Override it."""
        raise NotImplementedError

    async def test_it_says_what_it_speaks(self, mover: Mover) -> None:
        assert mover.url.startswith(tuple(f"{scheme}://" for scheme in mover.schemes))
        assert mover.parallel >= 1

    async def test_files_are_told_and_read(self, mover: Mover) -> None:
        for path, content in self.sample.items():
            entry = await mover.stat(f"/{path}")
            assert (entry.path, entry.id) == (f"/{path}", f"/{path}")
            assert (entry.kind, entry.size) == (Kind.FILE, len(content)), path
            assert entry.version
            assert not entry.writable
            assert await mover.read(entry, 0, entry.size) == content, path

    async def test_folders_are_told_and_listed(self, mover: Mover) -> None:
        assert (await mover.stat("/")).kind is Kind.FOLDER
        assert (await mover.stat("/many")).kind is Kind.FOLDER
        found = [entry async for part in mover.listing("/many") for entry in part]
        names = {entry.path.rpartition("/")[2]: entry for entry in found}
        assert sorted(names) == names_in(self.sample, "many")
        assert len(found) == len(names)
        for entry in found:
            assert entry == await mover.stat(entry.path)

    async def test_what_is_not_there_is_not_found(self, mover: Mover) -> None:
        with pytest.raises(errors.NotFound):
            await mover.stat("/absent")
        with pytest.raises((errors.NotFound, errors.NotAFolder)):
            await mover.stat("/greeting.txt/below")
        with pytest.raises(errors.NotFound):
            await anext(aiter(mover.listing("/absent")))
        with pytest.raises(errors.NotAFolder):
            await anext(aiter(mover.listing("/greeting.txt")))

    async def test_ranges_are_the_truth(self, mover: Mover) -> None:
        entry = await mover.stat(BIG_PATH)
        chance = random.Random(7)  # noqa: S311 - which ranges, not a secret
        spans = [(0, 0), (len(BIG), 1), (len(BIG) - 1, 100), (0, len(BIG) + 1)]
        spans += [
            (chance.randrange(len(BIG)), chance.choice((1, 17, 4096, 70_000, 1 << 20)))
            for _ in range(30)
        ]
        for offset, length in spans:
            data = await mover.read(entry, offset, length)
            assert data == BIG[offset : offset + length], (offset, length)

    async def test_many_ranges_at_once(self, mover: Mover) -> None:
        entry = await mover.stat(BIG_PATH)
        chance = random.Random(11)  # noqa: S311
        apart = [(at, chance.randrange(1, 9_000)) for at in range(0, len(BIG), 60_000)]
        chance.shuffle(apart)
        for spans in (
            apart,
            [(0, len(BIG))],
            [(0, 10), (10, 10), (20, 10)],
            [(5, 10), (0, 10), (5, 10), (3, 0), (len(BIG) - 2, 10)],
            [],
        ):
            data = await mover.read_many(entry, spans)
            assert list(data) == [BIG[offset : offset + length] for offset, length in spans]

    async def test_ranges_are_not_negative(self, mover: Mover) -> None:
        entry = await mover.stat("/greeting.txt")
        for offset, length in ((-1, 1), (0, -1)):
            with pytest.raises(errors.BadRequest):
                await mover.read(entry, offset, length)

    async def test_a_folder_cannot_be_read(self, mover: Mover) -> None:
        with pytest.raises(errors.IsAFolder):
            await mover.read(await mover.stat("/many"), 0, 1)

    async def test_another_version_is_stale(self, mover: Mover) -> None:
        entry = await mover.stat("/greeting.txt")
        other = entry.model_copy(update={"version": "1-1", "mtime_ns": 10**9})
        for call in (
            mover.read(other, 0, 1),
            mover.read(other, 0, 0),
            mover.read_many(other, [(0, 1), (2, 1)]),
        ):
            with pytest.raises(errors.Stale):
                await call

    async def test_reads_that_are_cancelled_disturb_no_others(self, mover: Mover) -> None:
        """Each read asks for bytes that tell where they are from."""
        entry = await mover.stat(BIG_PATH)
        chance = random.Random(13)  # noqa: S311
        for _ in range(4):
            spans = [(chance.randrange(len(BIG) - 5000), 5000) for _ in range(20)]
            calls = [asyncio.ensure_future(mover.read(entry, *span)) for span in spans]
            await asyncio.sleep(chance.random() / 100)
            for call in calls[::2]:
                call.cancel()
            results = await asyncio.gather(*calls, return_exceptions=True)
            for (offset, length), data in zip(spans[1::2], results[1::2], strict=True):
                assert data == BIG[offset : offset + length]

    async def test_checksums_are_right_or_unsupported(self, mover: Mover) -> None:
        entry = await mover.stat(BIG_PATH)
        for algorithm in mover.checksums:
            for offset, length in ((0, None), (0, 1000), (123_456, 765_432), (len(BIG) - 5, 100)):
                data = BIG[offset:] if length is None else BIG[offset : offset + length]
                told = await mover.checksum(entry, algorithm, offset, length)
                assert told == _checksum(algorithm, data), (algorithm, offset, length)
        with pytest.raises(errors.Unsupported):
            await mover.checksum(entry, "no-such-algorithm")

    async def test_a_whole_file_is_fetched(self, mover: Mover, tmp_path: Path) -> None:
        for path in (BIG_PATH, "/empty", "/greeting.txt"):
            seen: list[int] = []
            entry = await mover.stat(path)
            await mover.fetch(entry, tmp_path / "here", seen.append)
            assert (tmp_path / "here").read_bytes() == SAMPLE[path[1:]]
            assert seen == sorted(seen)
            assert (seen or [0])[-1] == entry.size

    async def test_a_fetch_that_fails_leaves_nothing(self, mover: Mover, tmp_path: Path) -> None:
        there = tmp_path / "there"
        there.mkdir()
        (there / "old").write_text("old")
        entry: Entry = await mover.stat(BIG_PATH)
        other = entry.model_copy(update={"version": "1-1", "mtime_ns": 10**9})
        with pytest.raises(errors.Stale):
            await mover.fetch(other, there / "old")
        assert [path.name for path in there.iterdir()] == ["old"]
        assert (there / "old").read_text() == "old"


def _checksum(algorithm: str, data: bytes) -> str:
    if algorithm == "adler32":
        return f"{zlib.adler32(data):08x}"
    return hashlib.new(algorithm, data).hexdigest()
