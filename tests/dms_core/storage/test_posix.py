"""The posix storage: the conformance suites, and what only real folders can show."""

from __future__ import annotations

import asyncio
import os
import tempfile
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.model import Kind
from dms_core.storage.conformance import (
    ReadableConformance,
    ReadOnlyConformance,
    WritableConformance,
    lay_out,
    scan_all,
)
from dms_core.storage.posix import PosixStorage


class TestPosix(ReadableConformance, WritableConformance):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[PosixStorage]:
        lay_out(tmp_path)
        storage = PosixStorage(tmp_path)
        yield storage
        await storage.close()


class TestReadOnlyPosix(ReadableConformance, ReadOnlyConformance):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[PosixStorage]:
        lay_out(tmp_path)
        storage = PosixStorage(tmp_path, read_only=True)
        yield storage
        await storage.close()

    async def test_its_files_never_change(self, storage: PosixStorage) -> None:
        assert storage.immutable
        assert not storage.writable
        assert (await storage.lookup("/greeting.txt")).immutable
        assert not (await storage.lookup("/many")).immutable


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[PosixStorage]:
    root = tmp_path / "root"
    root.mkdir()
    storage = PosixStorage(root)
    yield storage
    await storage.close()


async def test_links_are_shown_and_never_followed(storage: PosixStorage, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("secret")
    root = tmp_path / "root"
    (root / "absolute").symlink_to(secret)
    (root / "relative").symlink_to("../secret")
    (root / "file").symlink_to(secret / "file")
    for name in ("absolute", "relative", "file"):
        entry = await storage.lookup(f"/{name}")
        assert entry.kind is Kind.LINK
        with pytest.raises((errors.Unsupported, errors.IsAFolder)):
            await storage.read(entry, 0, 10)
        with pytest.raises(errors.Unsupported):
            await storage.write(f"/{name}", 0, b"x")
        with pytest.raises(errors.Unsupported):
            await storage.create(f"/{name}")
        with pytest.raises(errors.Unsupported):
            await storage.set_attributes(f"/{name}", mode=0o777)
    for folder in ("absolute", "relative"):
        with pytest.raises(errors.NotAFolder):
            await storage.lookup(f"/{folder}/file")
        with pytest.raises(errors.NotAFolder):
            await storage.scan(f"/{folder}")
        with pytest.raises(errors.NotAFolder):
            await storage.create(f"/{folder}/new")
        with pytest.raises(errors.NotAFolder):
            await storage.rename("/file", f"/{folder}/moved")
    assert (await storage.lookup("/relative")).target == "../secret"
    await storage.remove("/absolute")
    assert [path.name for path in secret.iterdir()] == ["file"]
    assert (secret / "file").read_text() == "secret"


async def test_a_link_swapped_in_while_reading_reads_nothing_outside(
    storage: PosixStorage, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("secret")
    inside = tmp_path / "root" / "folder"
    inside.mkdir()
    (inside / "file").write_text("public")
    entry = await storage.lookup("/folder/file")
    stop = asyncio.Event()

    def swap() -> None:
        link, aside = tmp_path / "root" / "link", tmp_path / "root" / "aside"
        while not stop.is_set():
            link.symlink_to(secret)
            inside.rename(aside)
            link.rename(inside)
            inside.unlink()
            aside.rename(inside)

    swapping = asyncio.get_running_loop().run_in_executor(None, swap)
    outcomes = set()
    try:
        for _ in range(2000):
            try:
                outcomes.add(await storage.read(entry, 0, 10))
            except errors.DmsError as error:
                outcomes.add(type(error).slug.encode())
    finally:
        stop.set()
        await swapping
    assert b"public" in outcomes
    assert b"secret" not in outcomes


async def test_pipes_and_sockets_do_not_appear_and_block_nothing(
    storage: PosixStorage, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "root" / "pipe")
    (tmp_path / "root" / "file").touch()
    assert [entry.path for entry in await scan_all(storage, "/")] == ["/file"]
    with pytest.raises(errors.NotFound):
        await storage.lookup("/pipe")
    with pytest.raises(errors.Unsupported):
        await storage.write("/pipe", 0, b"x")


async def test_names_that_are_not_utf8_are_skipped_and_counted(
    storage: PosixStorage, tmp_path: Path
) -> None:
    for name in (b"a", b"latin-\xe9", b"\xff\xfe", b"z"):
        (tmp_path / "root" / os.fsdecode(name)).touch()
    assert [entry.path for entry in await scan_all(storage, "/", limit=1)] == ["/a", "/z"]
    assert storage.skipped_names >= 2


async def test_a_target_that_is_not_utf8_does_not_break_the_listing(
    storage: PosixStorage, tmp_path: Path
) -> None:
    (tmp_path / "root" / "link").symlink_to(os.fsdecode(b"caf\xe9"))
    [entry] = await scan_all(storage, "/")
    assert entry.kind is Kind.LINK


async def test_a_hundred_thousand_names_are_listed_page_by_page(
    storage: PosixStorage, tmp_path: Path
) -> None:
    folder = tmp_path / "root" / "large"
    folder.mkdir()
    for number in range(100_000):
        os.mknod(folder / f"{number}")
    entries = await scan_all(storage, "/large")
    assert [entry.path for entry in entries] == sorted(f"/large/{n}" for n in range(100_000))


async def test_names_that_come_and_go_during_a_scan(storage: PosixStorage, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for number in range(10):
        (root / f"{number}").touch()
    page = await storage.scan("/", limit=4)
    (root / "3").unlink()
    (root / "5").unlink()
    (root / "4.5").touch()
    rest = await storage.scan("/", cursor=page.cursor)
    assert [entry.path for entry in rest.entries] == ["/4", "/4.5", "/6", "/7", "/8", "/9"]


async def test_id_outlives_a_rename(storage: PosixStorage) -> None:
    entry = await storage.create("/a")
    assert (await storage.rename("/a", "/b")).id == entry.id


async def test_special_mode_bits_are_dropped(storage: PosixStorage, tmp_path: Path) -> None:
    await storage.create("/program", mode=0o6755)
    await storage.make_folder("/folder", mode=0o7777)
    await storage.set_attributes("/program", mode=0o7777)
    assert (tmp_path / "root" / "program").stat().st_mode & 0o7777 == 0o777
    assert (tmp_path / "root" / "folder").stat().st_mode & 0o7777 == 0o777


async def test_a_change_from_outside_is_stale(storage: PosixStorage, tmp_path: Path) -> None:
    await storage.create("/file")
    entry = await storage.write("/file", 0, b"12345")
    other = tmp_path / "other"
    other.write_bytes(b"54321")
    os.utime(other, ns=(entry.mtime_ns, entry.mtime_ns))
    other.rename(tmp_path / "root" / "file")
    with pytest.raises(errors.Stale):
        await storage.read(entry, 0, 5)


@pytest.mark.parametrize("folder", ["absent", "file"])
def test_a_root_that_is_no_folder_is_refused_in_one_sentence(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.ConfigError, match=f"{folder} does not exist or cannot be read"):
        PosixStorage(tmp_path / folder)


def test_a_relative_root_is_refused() -> None:
    with pytest.raises(errors.ConfigError, match="relative"):
        PosixStorage("somewhere")


async def test_a_storage_that_hangs_ends_by_its_deadline(tmp_path: Path) -> None:
    storage = PosixStorage(tmp_path, threads=1, timeout_s=0.2)
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    hanging = loop.run_in_executor(
        storage._threads, lambda: asyncio.run_coroutine_threadsafe(release.wait(), loop).result(30)
    )
    with pytest.raises(errors.TimedOut):
        await storage.lookup("/")
    release.set()
    await hanging
    assert (await storage.lookup("/")).kind is Kind.FOLDER
    await storage.close()


async def test_a_file_of_an_archive_is_immutable_when_it_settled(tmp_path: Path) -> None:
    for name, age_s in (("closed", 7200), ("open", 0)):
        (tmp_path / name).touch()
        when = (tmp_path / name).stat().st_mtime - age_s
        os.utime(tmp_path / name, (when, when))
    storage = PosixStorage(tmp_path, read_only=True, settle_s=3600)
    assert not storage.immutable
    assert (await storage.lookup("/closed")).immutable
    assert not (await storage.lookup("/open")).immutable
    await storage.close()


def as_a_user(work: Callable[[], Awaitable[None]]) -> int:
    """Run ``work`` in a child that is not root, and give its exit status."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            asyncio.run(work())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_read_only_file_is_filled_after_it_was_made_as_git_does() -> None:
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, 65534, 65534)

        async def work() -> None:
            storage = PosixStorage(name)
            await storage.create("/object", mode=0o444, exclusive=True)
            entry = await storage.write("/object", 0, b"blob")
            assert entry.mode == 0o444
            assert await storage.read(await storage.lookup("/object"), 0, 9) == b"blob"
            await storage.close()

        assert as_a_user(work) == 0


@pytest.mark.root
def test_what_the_service_may_not_touch_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir(mode=0o700)
        (folder / "file").touch(mode=0o600)

        async def work() -> None:
            storage = PosixStorage(name)
            for call in (
                storage.lookup("/closed/x"),
                storage.scan("/closed"),
                storage.read(await storage.lookup("/file"), 0, 1),
                storage.write("/file", 0, b"x"),
                storage.create("/new"),
            ):
                with pytest.raises(errors.NotAllowed, match="may not be touched"):
                    await call
            await storage.close()

        assert as_a_user(work) == 0
