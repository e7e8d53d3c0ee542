"""docs/messages/posix.yaml: each sentence comes from a real folder in that situation."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.config import build
from dms_core.storage.posix import PosixStorage
from tests.support.messages import expected, says

from .test_posix import as_a_user


def check(situation: str, said: object) -> None:
    row = expected("posix", situation)
    assert says(row.user, str(said)), said
    assert says(row.operator, str(said)), said


def test_wrong_address(tmp_path: Path) -> None:
    (tmp_path / "membership.yaml").write_text("{}\n")
    (tmp_path / "volumes.yaml").write_text(
        "storages:\n- {name: disk, kind: posix, options: {folder: absent}}\n"
        "volumes:\n- {name: archive, policy: archive, storage: disk}\nmembership: membership.yaml\n"
    )
    with pytest.raises(errors.ConfigError) as told:
        build(tmp_path / "volumes.yaml")
    check("wrong address", told.value)


@pytest.mark.root
def test_wrong_credentials(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def work() -> None:
        storage = PosixStorage("/etc")
        entry = await storage.lookup("/shadow")
        with pytest.raises(errors.NotAllowed) as told:
            await storage.read(entry, 0, 1)
        check("wrong credentials", told.value)
        await storage.close()

    expected("posix", "wrong credentials")  # read now: the user may not enter this checkout
    assert as_a_user(work) == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True, timeout=30
    )
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=30)


@pytest.mark.root
async def test_full(small_disk: Path) -> None:
    storage = PosixStorage(small_disk)
    await storage.create("/file")
    with pytest.raises(errors.NoSpace) as told:
        await storage.write("/file", 0, bytes(200_000))
    check("full", told.value)
    await storage.close()


async def test_slow(tmp_path: Path) -> None:
    storage = PosixStorage(tmp_path, threads=1, timeout_s=0.2)
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    hanging = loop.run_in_executor(
        storage._threads, lambda: asyncio.run_coroutine_threadsafe(release.wait(), loop).result(30)
    )
    with pytest.raises(errors.TimedOut) as told:
        await storage.lookup("/")
    check("slow", told.value)
    release.set()
    await hanging
    await storage.close()


async def test_gone(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_text("content")
    storage = PosixStorage(root)
    entry = await storage.lookup("/file")
    root.rename(tmp_path / "elsewhere")
    for call in (storage.lookup("/file"), storage.lookup("/"), storage.scan("/")):
        with pytest.raises(errors.Unreachable) as told:
            await call
        check("gone", told.value)
    with pytest.raises(errors.Unreachable):
        await storage.read(entry, 0, 7)
    (tmp_path / "elsewhere").rename(root)
    assert await storage.read(entry, 0, 7) == b"content"
    await storage.close()
