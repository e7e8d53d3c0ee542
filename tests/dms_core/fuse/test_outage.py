"""The service away, the mount killed: what stays, what fails and how soon, what comes back."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from dms_core import errors
from dms_core.fuse import mountpoint as mountpoints
from dms_core.model import CacheState

from ...support.waiting import until
from .running import Mounted, Service, error_of, forget_pages

pytestmark = pytest.mark.mount

MIB = 1024 * 1024
UNREACHABLE = (errno.EHOSTUNREACH, errno.ETIMEDOUT)


@pytest.fixture
def data(own_service: Service) -> bytes:
    """Two files: one to be cached, one not."""
    data = Random(11).randbytes(4 * MIB)
    (own_service.archive / "cached").write_bytes(data)
    (own_service.archive / "remote").write_bytes(data)
    (own_service.home / "notes").write_bytes(b"notes")
    return data


def cache(mounted: Mounted, name: str) -> bytes:
    """Have all of a file on local disk."""
    data = (mounted.archive / name).read_bytes()
    with mounted.client() as mount:
        until(lambda: mount.status(f"/archive/{name}").state is CacheState.CACHED, "cached")
    return data


def took(call: Callable[[], object]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_without_the_service_the_cached_stays_readable_and_the_rest_fails(
    own_service: Service, tmp_path: Path, data: bytes, how: str
) -> None:
    mounted = Mounted(own_service, tmp_path / "m")
    with mounted, mounted.client() as mount:
        assert cache(mounted, "cached") == data
        assert sorted(path.name for path in mounted.archive.iterdir()) == ["cached", "remote"]
        if how == "stopped":
            own_service.stop()
        else:
            own_service.freeze()
        assert error_of(lambda: (mounted.archive / "remote").read_bytes()) in UNREACHABLE
        assert error_of(lambda: (mounted.home / "new").touch()) in UNREACHABLE
        assert error_of(lambda: (mounted.archive / "remote").read_bytes()) == errno.EHOSTUNREACH
        forget_pages(mounted.archive / "cached")
        assert (mounted.archive / "cached").read_bytes() == data
        assert (mounted.archive / "cached").stat().st_size == 4 * MIB
        assert sorted(path.name for path in mounted.archive.iterdir()) == ["cached", "remote"]
        assert error_of(lambda: (mounted.archive / "none").stat()) == errno.ENOENT
        info = mount.info()
        assert not info.reachable
        assert info.reason
        failing = lambda: error_of(lambda: (mounted.archive / "remote").read_bytes())  # noqa: E731
        assert took(failing) < 5  # at once, not after another deadline
        os.statvfs(mounted.path)
        if how == "stopped":
            own_service.start()
        else:
            own_service.thaw()
        until(lambda: mount.info().reachable, "the service is found again")
        assert (mounted.archive / "remote").read_bytes() == data
        (mounted.home / "new").write_text("works again")
        assert (own_service.home / "new").read_text() == "works again"


def test_an_open_file_goes_on_after_the_service_was_restarted(
    own_service: Service, tmp_path: Path, data: bytes
) -> None:
    mounted = Mounted(own_service, tmp_path / "m")
    with (
        mounted,
        mounted.client() as mount,
        (mounted.archive / "remote").open("rb", buffering=0) as file,
    ):
        assert file.read(100) == data[:100]
        own_service.stop()
        assert error_of(lambda: os.pread(file.fileno(), 100, 3 * MIB)) in UNREACHABLE
        own_service.start()
        until(lambda: mount.info().reachable, "the service is found again")
        assert os.pread(file.fileno(), 100, 3 * MIB) == data[3 * MIB : 3 * MIB + 100]


def test_after_kill_9_the_next_mount_cleans_up_and_has_the_cache(
    own_service: Service, tmp_path: Path, data: bytes
) -> None:
    with Mounted(own_service, tmp_path / "m") as mounted:
        assert cache(mounted, "cached") == data
        mounted.kill()
        assert mountpoints.is_mounted(mounted.path)
        assert error_of(lambda: os.statvfs(mounted.path)) == errno.ENOTCONN
        mounted.start()
        assert (mounted.archive / "cached").read_bytes() == data
        with mounted.client() as mount:
            assert mount.info().fetched_bytes == 0
            assert mount.status("/archive/cached").state is CacheState.CACHED


def test_kill_9_in_the_middle_of_reading_leaves_no_wrong_byte(
    own_service: Service, tmp_path: Path, data: bytes
) -> None:
    with Mounted(own_service, tmp_path / "m", block_kib=64) as mounted:
        for _ in range(3):
            file = (mounted.archive / "remote").open("rb", buffering=0)
            for offset in range(0, len(data), 512 * 1024):
                assert os.pread(file.fileno(), 10, offset) == data[offset : offset + 10]
            mounted.kill()
            assert error_of(file.close) in (0, errno.ENOTCONN)
            mounted.start()
        forget_pages(mounted.archive / "remote")
        assert (mounted.archive / "remote").read_bytes() == data


def test_a_stopped_mount_leaves_nothing_behind(
    own_service: Service, tmp_path: Path, data: bytes
) -> None:
    with Mounted(own_service, tmp_path / "m") as mounted:
        busy = (mounted.archive / "cached").open("rb")
        busy.read(10)
        mounted.stop()
        assert not mountpoints.is_mounted(mounted.path)
        assert list(mounted.path.iterdir()) == []
        assert not mounted.socket.exists()
        assert error_of(lambda: os.pread(busy.fileno(), 10, 2 * MIB)) != 0
        assert error_of(busy.close) in (0, errno.ENOTCONN)
        with mounted.client() as mount, pytest.raises(errors.Unreachable, match="dms mount"):
            mount.info()
