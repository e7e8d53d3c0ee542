"""Several storages as one: which serves, what happens when one fails, and that none can tell."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.storage.base import Storage
from dms_core.storage.conformance import BIG, ReadableConformance, scan_all
from dms_core.transfer.health import Patience
from dms_core.transfer.replicas import Replicated

from ...support.messages import expected, says
from ...support.waiting import until_async
from .storages import QUICK, Faulty, twins

RUN = "/NDXSANS2D/Instrument/data/cycle_13_2/SANS2D00033837.nxs"
MIB = 1 << 20
SOON_S = 20


class Pair:
    """A replicated storage over two that can fail."""

    def __init__(self, folder: Path, patience: Patience = QUICK) -> None:
        self.folders = twins(folder)
        self.near, self.far = (Faulty(each) for each in self.folders)
        self.all = Replicated([("near", self.near), ("far", self.far)], patience=patience)

    def state(self, name: str) -> str:
        return next(each.state for each in self.all.health() if each.storage == name)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    await pair.all.close()


class TestBothThere(ReadableConformance):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        pair = Pair(tmp_path, Patience())
        yield pair.all
        await pair.all.close()


class TestTheNearOneGone(ReadableConformance):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        pair = Pair(tmp_path, Patience())
        shutil.rmtree(pair.folders[0])
        yield pair.all
        await pair.all.close()


async def test_the_nearest_serves_while_it_can(pair: Pair) -> None:
    entry = await pair.all.lookup(RUN)
    assert await pair.all.read(entry, 0, len(BIG)) == BIG
    assert pair.far.calls == 0
    served = {each.storage: each.served_bytes for each in pair.all.health()}
    assert served == {"near": len(BIG), "far": 0}


async def test_entries_and_listings_are_the_same_whichever_serves(pair: Pair) -> None:
    async def tree() -> list[object]:
        found: list[object] = [await pair.all.lookup("/"), await pair.all.lookup(RUN)]
        for folder in ("/", "/many"):
            found += await scan_all(pair.all, folder, 2)
        return found

    before = await tree()
    pair.near.fault = errors.Unreachable("the cable is out")
    assert await tree() == before
    assert pair.state("near") == "away"


@pytest.mark.parametrize(
    ("situation", "fault"),
    [
        ("gone", errors.Unreachable("the cable is out")),
        ("", errors.TimedOut("nobody there")),
        ("", errors.Damaged("checksum")),
        ("", errors.DmsError("input/output error")),
        ("wrong credentials", errors.NotAuthenticated("wrong password")),
        ("slow", "frozen"),
        ("damaged: fewer bytes than it has", "short"),
        ("gone: its folder", "gone"),
    ],
    ids=str,
)
async def test_a_reader_goes_on_with_the_same_bytes_and_later_back(
    pair: Pair, situation: str, fault: str | errors.DmsError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    entry = await pair.all.lookup(RUN)
    parts = [await pair.all.read(entry, 0, MIB)]
    away = pair.folders[0].with_name("away")
    if fault == "gone":
        pair.folders[0].rename(away)
    else:
        pair.near.fault = fault
    parts.append(await pair.all.read(entry, MIB, MIB))
    assert b"".join(parts) == BIG
    assert (await pair.all.lookup(RUN)) == entry
    promised = expected("replicas", situation).operator if situation else "replica near is …"
    assert any(says(promised, message) for message in caplog.messages), caplog.text
    if fault == "gone":
        away.rename(pair.folders[0])
    pair.near.fault = ""
    await until_async(lambda: pair.state("near") == "used", "the near one is used again", SOON_S)
    asked = pair.near.reads
    other = await pair.all.lookup("/many/b")
    assert await pair.all.read(other, 0, 100) == b"4444"
    assert pair.near.reads == asked + 1


async def test_a_frozen_one_costs_its_deadline_once(tmp_path: Path) -> None:
    patience = Patience(answer_s=0.5, first_pause_s=60)
    pair = Pair(tmp_path, patience)
    entry = await pair.all.lookup(RUN)
    pair.near.fault = "frozen"
    began = time.monotonic()
    await pair.all.read(entry, 0, 1000)
    first = time.monotonic() - began
    asked = pair.near.calls
    for offset in range(1000, 50_000, 1000):
        await pair.all.read(entry, offset, 1000)
    await scan_all(pair.all, "/many")
    assert first >= 0.5
    assert pair.near.calls == asked
    await pair.all.close()


async def test_a_listing_that_one_began_the_other_ends(pair: Pair) -> None:
    whole = await scan_all(pair.all, "/many")
    first = await pair.all.scan("/many", limit=3)
    pair.near.fault = errors.Unreachable("gone")
    rest = await pair.all.scan("/many", cursor=first.cursor, limit=3)
    last = await pair.all.scan("/many", cursor=rest.cursor, limit=3)
    got = [*first.entries, *rest.entries, *last.entries]
    while last.cursor:
        last = await pair.all.scan("/many", cursor=last.cursor, limit=3)
        got += last.entries
    assert got == whole
    for cursor in ("x", "[1]", '["near"]', "{}", "7"):
        with pytest.raises(errors.BadRequest):
            await pair.all.scan("/many", cursor=cursor)


async def test_with_none_left_it_fails_at_once_and_says_so_without_names(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    row = expected("replicas", "all gone")
    entry = await pair.all.lookup(RUN)
    pair.near.fault = pair.far.fault = errors.Unreachable("cable")
    for call in (
        lambda: pair.all.read(entry, 0, 1),
        lambda: pair.all.lookup(RUN),
        lambda: pair.all.lookup("/absent"),
        lambda: pair.all.scan("/many"),
        lambda: pair.all.space("/"),
    ):
        with pytest.raises(errors.Unreachable) as told:
            await call()
        assert says(row.user, str(told.value))
        assert "near" not in str(told.value)
    assert row.operator in caplog.messages
    pair.near.fault = pair.far.fault = ""
    await until_async(lambda: pair.state("far") == "used", "back", SOON_S)
    assert await pair.all.read(entry, 0, 10) == BIG[:10]


async def test_one_that_disagrees_is_not_used_for_that_entry(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    (pair.folders[1] / "greeting.txt").write_bytes(b"HELLO, world, and more\n")
    greeting, run = await pair.all.lookup("/greeting.txt"), await pair.all.lookup(RUN)
    pair.near.fault = errors.Unreachable("cable")
    with pytest.raises(errors.Unreachable):
        await pair.all.read(greeting, 0, 100)
    assert await pair.all.read(run, 0, 100) == BIG[:100]
    assert expected("replicas", "another version").operator in caplog.messages
    assert [each.set_aside for each in pair.all.health()] == [0, 1]
    pair.near.fault = ""
    await until_async(lambda: pair.state("near") == "used", "back", SOON_S)
    assert await pair.all.read(greeting, 0, 100) == b"hello, world\n"


async def test_one_with_another_time_disagrees_too(pair: Pair) -> None:
    os.utime(pair.folders[1] / "greeting.txt", (1, 1))
    entry = await pair.all.lookup("/greeting.txt")
    pair.near.fault = errors.Unreachable("cable")
    with pytest.raises(errors.Unreachable):
        await pair.all.read(entry, 0, 100)


async def test_one_that_lacks_an_entry_is_not_used_for_it(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    (pair.folders[0] / "greeting.txt").unlink()
    entry = await pair.all.lookup("/greeting.txt")
    assert await pair.all.read(entry, 0, 100) == b"hello, world\n"
    assert pair.state("near") == "used"
    assert "replica near is not used for /greeting.txt: it does not have it" in caplog.text
    with pytest.raises(errors.NotFound):
        await pair.all.lookup("/absent")


async def test_what_is_known_of_one_that_is_away_does_not_vanish(pair: Pair) -> None:
    """A copy that lags behind must not make a file disappear while the other is away."""
    (pair.folders[1] / "greeting.txt").unlink()
    await pair.all.lookup("/greeting.txt")
    pair.near.fault = errors.Unreachable("cable")
    with pytest.raises(errors.Unreachable):
        await pair.all.lookup("/greeting.txt")


async def test_a_file_that_changed_everywhere_is_stale_and_can_be_looked_up_again(
    pair: Pair,
) -> None:
    old = await pair.all.lookup("/greeting.txt")
    for folder in pair.folders:
        (folder / "greeting.txt").write_bytes(b"new")
        os.utime(folder / "greeting.txt", (5, 5))
    with pytest.raises(errors.Stale):
        await pair.all.read(old, 0, 100)
    new = await pair.all.lookup("/greeting.txt")
    assert new.version != old.version
    assert await pair.all.read(new, 0, 100) == b"new"


async def test_a_replica_that_was_copied_anew_goes_on(pair: Pair) -> None:
    """Its own ids and versions change; what was shown does not."""
    entry = await pair.all.lookup(RUN)
    await pair.all.read(entry, 0, 10)
    copy = pair.folders[0].with_name("copy")
    shutil.copytree(pair.folders[0], copy)
    shutil.rmtree(pair.folders[0])
    copy.rename(pair.folders[0])
    assert await pair.all.read(entry, 10, 10) == BIG[10:20]
    assert pair.far.reads == 0


async def test_many_readers_through_a_failure(pair: Pair) -> None:
    entry = await pair.all.lookup(RUN)

    async def read_all() -> bytes:
        return b"".join(
            [await pair.all.read(entry, at, 65_536) for at in range(0, len(BIG), 65_536)]
        )

    readers = [asyncio.create_task(read_all()) for _ in range(8)]
    await until_async(lambda: pair.near.reads > 20, "the readers are under way", SOON_S)
    pair.near.fault = errors.Unreachable("cable")
    assert all(data == BIG for data in await asyncio.gather(*readers))
