"""Whatever goes wrong on the way to the service, and wherever: one version, whole, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.journal.sending import PREFIX

from .faulty import USER, Faulty, Machine

PATH = f"/home/{USER}/file"
CALLS = ("create", "write", "set_attributes", "commit", "replace", "rename", "lookup")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    (tmp_path / "origin").mkdir()
    return tmp_path / "origin" / USER


@pytest.fixture
def source(origin: Path) -> Faulty:
    return Faulty(origin.parent)


@pytest.fixture
async def machine(source: Faulty, tmp_path: Path) -> AsyncIterator[Machine]:
    machine = Machine(source, tmp_path / "machine")
    yield machine
    await machine.end()


async def sent(machine: Machine) -> None:
    async with asyncio.timeout(20):
        while machine.journal.unsent():
            for file in machine.journal.unsent():
                machine.tree.queue.kick(file)
            await asyncio.sleep(0.01)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def failing(source: Faulty, name: str, when: str, failure: errors.DmsError) -> list[str]:
    """Fail the next such call, once; the list tells whether it happened."""
    failed: list[str] = []

    def fault(called: str, at: str) -> None:
        if (called, at) == (name, when) and not failed:
            failed.append(name)
            raise failure

    source.fault = fault
    return failed


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_fails_or_whose_answer_is_lost(
    source: Faulty, origin: Path, machine: Machine, name: str, when: str, existing: bool
) -> None:
    if existing:
        (origin / "file").write_bytes(b"old")
    await machine.tree.listing(f"/home/{USER}")
    failing(source, name, when, errors.Unreachable("no answer"))
    await machine.save(PATH, b"new" * 1000)
    await sent(machine)
    assert (origin / "file").read_bytes() == b"new" * 1000
    assert names(origin) == ["file"]
    assert await machine.bytes_of(PATH) == b"new" * 1000


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", [*CALLS[:-1], "nothing"])
async def test_kill_9_at_any_call_of_sending(
    source: Faulty, origin: Path, tmp_path: Path, name: str, when: str
) -> None:
    """From the call on nothing reaches the service; the next mount has the journal as it is."""
    (origin / "file").write_bytes(b"old")
    machine = Machine(source, tmp_path / "machine")
    await machine.tree.listing(f"/home/{USER}")

    def fault(called: str, at: str) -> None:
        if (called, at) == (name, when):
            source.away = True
            raise errors.Unreachable("killed")

    source.fault = fault
    await machine.save(PATH, b"new" * 1000)
    await machine.end()
    source.away, source.fault = False, lambda name, when: None
    again = Machine(source, tmp_path / "machine")
    assert await again.bytes_of(PATH) == b"new" * 1000
    await sent(again)
    assert again.journal.records.conflicts() == []
    await again.end()
    assert names(origin) == ["file"]
    assert (origin / "file").read_bytes() == b"new" * 1000


@pytest.mark.parametrize("theirs", [b"theirs", b""])
async def test_another_machines_version_is_never_replaced(
    origin: Path, machine: Machine, theirs: bytes
) -> None:
    (origin / "file").write_bytes(b"old")
    entry = await machine.tree.refresh(PATH)
    await machine.tree.write(entry, PATH, 3, b" and mine")
    (origin / "file").write_bytes(theirs)
    await machine.tree.flush(PATH)
    assert (origin / "file").read_bytes() == theirs
    [conflict] = machine.journal.records.conflicts()
    assert (origin.parents[1] / "origin" / conflict.copy_path[6:]).read_bytes() == b"old and mine"
    assert await machine.bytes_of(PATH) == theirs


async def test_a_file_removed_elsewhere_is_there_again(origin: Path, machine: Machine) -> None:
    (origin / "file").write_bytes(b"old")
    entry = await machine.tree.refresh(PATH)
    await machine.tree.write(entry, PATH, 3, b" and mine")
    (origin / "file").unlink()
    await machine.tree.flush(PATH)
    assert (origin / "file").read_bytes() == b"old and mine"


async def test_a_file_that_is_written_without_a_pause_is_sent(
    source: Faulty, origin: Path, machine: Machine
) -> None:
    """Every call of the service meets another write; what arrives is whole all the same."""
    entry = await machine.tree.create(PATH)
    entry = await machine.tree.write(entry, PATH, 0, b"0" * 1000)
    count = 0

    def fault(called: str, at: str) -> None:
        nonlocal count
        if count < 60:
            count += 1
            machine.tree.write_now(entry, PATH, 0, str(count % 10).encode() * 1000)

    source.fault = fault
    seen = set()
    flushing = asyncio.ensure_future(machine.tree.flush(PATH))
    while not flushing.done():
        seen.add(bytes(set((origin / "file").read_bytes())))
        await asyncio.sleep(0)
    await flushing
    await sent(machine)
    assert all(len(content) <= 1 for content in seen)
    assert (origin / "file").read_bytes() == b"0" * 1000


async def test_files_on_their_way_are_not_shown(origin: Path, machine: Machine) -> None:
    (origin / f"{PREFIX}x").write_bytes(b"another machine's")
    (origin / "file").touch()
    folder = f"/home/{USER}"
    assert [entry.path for entry in await machine.tree.listing(folder)] == [PATH]
    assert [entry.path for entry in (await machine.tree.scan(folder)).entries] == [PATH]


async def test_a_refusal_is_told_by_close_and_tried_again(
    source: Faulty, origin: Path, machine: Machine
) -> None:
    failed = failing(source, "write", "before", errors.NoSpace("full"))
    with pytest.raises(errors.NoSpace):
        await machine.save(PATH, b"kept")
    assert failed
    [waiting] = machine.tree.shown_queue().files
    assert (waiting.state, waiting.reason) == ("stuck", "full")
    assert await machine.bytes_of(PATH) == b"kept"
    await machine.tree.flush(PATH)
    assert (origin / "file").read_bytes() == b"kept"
