"""Volumes as one tree: the conformance suites through it, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.model import Entry, Kind, Policy, Volume
from dms_core.namespace import Namespace
from dms_core.storage.base import Storage
from dms_core.storage.conformance import (
    ReadableConformance,
    ReadOnlyConformance,
    WritableConformance,
    lay_out,
    scan_all,
)
from dms_core.storage.posix import PosixStorage


def volume(name: str, policy: Policy = Policy.HOME) -> Volume:
    return Volume(name=name, policy=policy, storage=name)


@pytest.fixture
async def namespace(tmp_path: Path) -> AsyncIterator[Namespace]:
    for name in ("archive", "home", "rb"):
        (tmp_path / name).mkdir()
        lay_out(tmp_path / name)
    namespace = Namespace(
        [
            (volume("rb", Policy.RB), PosixStorage(tmp_path / "rb")),
            (volume("home"), PosixStorage(tmp_path / "home")),
            (volume("archive", Policy.ARCHIVE), PosixStorage(tmp_path / "archive")),
        ]
    )
    yield namespace
    await namespace.close()


class TestHome(ReadableConformance, WritableConformance):
    root = "/home"

    @pytest.fixture
    def storage(self, namespace: Namespace) -> Storage:
        return namespace


class TestArchive(ReadableConformance, ReadOnlyConformance):
    """Over a storage that could be written to: the policy alone keeps it as it is."""

    root = "/archive"

    @pytest.fixture
    def storage(self, namespace: Namespace) -> Storage:
        return namespace


async def test_the_root_lists_the_volumes_in_order(namespace: Namespace) -> None:
    for limit in (1, 2, 3, 4):
        entries = await scan_all(namespace, "/", limit)
        assert [entry.path for entry in entries] == ["/archive", "/home", "/rb"]
        assert entries == [await namespace.lookup(entry.path) for entry in entries]
    assert [entry.writable for entry in entries] == [False, True, True]


async def test_the_top_is_the_same_after_a_restart_and_while_a_storage_is_away(
    namespace: Namespace, tmp_path: Path
) -> None:
    before = [await namespace.lookup(path) for path in ("/", "/home")]
    (tmp_path / "home").rename(tmp_path / "away")
    again = [await namespace.lookup(path) for path in ("/", "/home")]
    assert before == again
    with pytest.raises(errors.Unreachable):
        await namespace.scan("/home")
    assert (await namespace.scan("/rb")).entries


async def test_the_top_takes_no_changes(namespace: Namespace) -> None:
    for call in (
        namespace.create("/new"),
        namespace.make_folder("/home"),
        namespace.remove("/home"),
        namespace.rename("/home/many", "/home"),
        namespace.rename("/rb", "/home/rb"),
        namespace.set_attributes("/home", mode=0o777),
    ):
        with pytest.raises((errors.NotAllowed, errors.NotFound)):
            await call


async def test_a_rename_does_not_leave_its_volume(namespace: Namespace) -> None:
    with pytest.raises(errors.CrossVolume, match="/home/many cannot be moved to /rb/new"):
        await namespace.rename("/home/many", "/rb/new")
    assert (await namespace.lookup("/home/many")).kind is Kind.FOLDER


async def test_the_same_file_in_two_volumes_has_two_ids(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    storage = PosixStorage(tmp_path)
    namespace = Namespace([(volume("a"), storage), (volume("b"), storage)])
    one, two = await namespace.lookup("/a/file"), await namespace.lookup("/b/file")
    assert one.id != two.id
    assert await namespace.read(one, 0, 1) == b""
    with pytest.raises(errors.Stale):
        await namespace.read(two.model_copy(update={"path": "/a/file"}), 0, 1)
    await namespace.close()


async def test_errors_name_the_path_in_the_tree(namespace: Namespace) -> None:
    with pytest.raises(errors.NotFound, match=r"^/home/absent does not exist"):
        await namespace.lookup("/home/absent")
    with pytest.raises(errors.Exists, match=r"^/home/many exists already"):
        await namespace.rename("/home/empty", "/home/many", replace=False)


@pytest.mark.parametrize("why", [errors.TimedOut, errors.Unreachable])
async def test_one_storage_that_is_away_says_nothing_of_the_others(
    why: type[errors.DmsError], tmp_path: Path
) -> None:
    class Hanging(PosixStorage):
        async def lookup(self, path: str) -> Entry:
            raise why(f"{path} did not answer in time; try again.")

    namespace = Namespace([(volume("home"), Hanging(tmp_path))])
    with pytest.raises(errors.StorageAway, match=r"^/home/a did not answer in time; try again\.$"):
        await namespace.lookup("/home/a")
    await namespace.close()


async def test_a_volume_that_is_not_there_is_not_found(namespace: Namespace) -> None:
    for path in ("/absent", "/absent/file", "/archive2"):
        with pytest.raises(errors.NotFound):
            await namespace.lookup(path)
