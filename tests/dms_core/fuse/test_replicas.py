"""A reader of the mount goes on, unchanged, when the storage that serves it is taken away."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from dms_core.client.service import Dms

from ...support.gridftp import MISSING, PROGRAM, gridftp_server
from ...support.waiting import until
from .running import SECONDS, USER, Mounted, Service

pytestmark = [pytest.mark.mount, pytest.mark.timeout(120)]

MIB = 1 << 20
STALL_S = 20
"""A frozen replica holds a read of 1 MiB for 5 s, once; the rest is for a loaded machine."""
DATA = Random(3).randbytes(16 * MIB)
RUN = "NDXSANS2D/cycle_13_2/SANS2D00033837.nxs"


class Pair:
    """A service whose archive has two replicas; the far one is a folder unless told."""

    def __init__(
        self, folder: Path, near: dict[str, object], far: dict[str, object] | None = None
    ) -> None:
        self.service = Service(folder / "service")
        shutil.copytree(folder / "near", self.service.archive, dirs_exist_ok=True)
        far = far or {"kind": "posix", "options": {"folder": "archive", "read_only": True}}
        config = {
            "storages": [
                {"name": "near", "location": "ral", **near},
                {"name": "far", "location": "dls", **far},
            ],
            "volumes": [{"name": "archive", "policy": "archive", "storages": ["near", "far"]}],
            "membership": "membership.yaml",
        }
        (self.service.folder / "volumes.yaml").write_text(json.dumps(config))

    def state(self, name: str) -> str:
        with Dms(self.service.url) as dms:
            return next(one.state for one in dms.health().storages if one.storage == name)

    def served(self, name: str) -> int:
        with Dms(self.service.url) as dms:
            return next(one.served_bytes for one in dms.health().storages if one.storage == name)


class Reader(threading.Thread):
    """Reads a file from its beginning to its end; stops in the middle until told."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.parts: list[bytes] = []
        self.error: OSError | None = None
        self.longest_s = 0.0
        self.half = threading.Event()
        self.go_on = threading.Event()

    def run(self) -> None:
        try:
            with self.path.open("rb", buffering=0) as file:
                began = time.monotonic()
                while part := file.read(256 * 1024):
                    self.longest_s = max(self.longest_s, time.monotonic() - began)
                    self.parts.append(part)
                    if len(self.parts) == 8:
                        self.half.set()
                        self.go_on.wait(SECONDS)
                    began = time.monotonic()
        except OSError as error:
            self.error = error
        finally:
            self.half.set()


@pytest.fixture
def near(tmp_path: Path) -> Path:
    folder = tmp_path / "near"
    (folder / RUN).parent.mkdir(parents=True)
    (folder / RUN).write_bytes(DATA)
    (folder / "small").write_bytes(b"small")
    return folder


def goes_on(pair: Pair, folder: Path, take: Callable[[], None], give: Callable[[], None]) -> None:
    """Read through the loss of ``near`` and after its return; all must look the same."""
    with pair.service, Mounted(pair.service, folder / "m") as mounted:
        before = {path.name: path.stat() for path in sorted(mounted.archive.rglob("*"))}
        reader = Reader(mounted.archive / RUN)
        reader.start()
        try:
            assert reader.half.wait(SECONDS)
            assert pair.served("near") > 0
            assert pair.served("far") == 0
            take()
        finally:
            reader.go_on.set()
            reader.join(60)
        assert reader.error is None
        assert reader.longest_s < STALL_S
        assert b"".join(reader.parts) == DATA
        assert pair.state("near") == "away"
        assert pair.served("far") > 0
        give()
        until(lambda: pair.state("near") == "used", "the near one is used again")
        for name, was in before.items():
            [now] = [path.stat() for path in mounted.archive.rglob(name)]
            assert (now.st_ino, now.st_size, now.st_mtime_ns, now.st_mode) == (
                *(was.st_ino, was.st_size),
                *(was.st_mtime_ns, was.st_mode),
            )
        far = pair.served("far")
        assert (mounted.archive / "small").read_bytes() == b"small"
        assert pair.served("far") == far


def rename(folder: Path, to: Path) -> None:
    folder.rename(to)


def test_its_folder_is_taken_away(tmp_path: Path, near: Path) -> None:
    away = tmp_path / "away"
    options = {"folder": str(near), "read_only": True}
    goes_on(
        Pair(tmp_path, {"kind": "posix", "options": options}),
        tmp_path,
        lambda: rename(near, away),
        lambda: rename(away, near),
    )


@pytest.fixture
def other(tmp_path: Path, near: Path) -> Iterator[tuple[Service, dict[str, object]]]:
    """Another DMS that serves the folder, and how it is named as a storage."""
    with ExitStack() as open_:
        service = Service(tmp_path / "other")
        shutil.copytree(near, service.archive, dirs_exist_ok=True)
        open_.enter_context(service)
        token = tmp_path / "token"
        token.write_text(service.token())
        options = {
            **{"url": service.url, "token_file": str(token), "path": "/archive"},
        }
        yield service, {"kind": "remote", "options": options}


def test_the_dms_that_serves_it_is_frozen(
    tmp_path: Path, other: tuple[Service, dict[str, object]]
) -> None:
    service, storage = other
    goes_on(Pair(tmp_path, storage), tmp_path, service.freeze, service.thaw)


@pytest.mark.root
@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_its_folder_is_taken_away_and_gridftp_goes_on(tmp_path: Path, near: Path) -> None:
    away, copy = tmp_path / "away", tmp_path / "copy"
    shutil.copytree(near, copy)
    with gridftp_server(copy) as server:
        pair = Pair(
            tmp_path,
            {"kind": "posix", "options": {"folder": str(near), "read_only": True}},
            {"kind": "gridftp", "options": {"url": server.url, "immutable": True}},
        )
        goes_on(pair, tmp_path, lambda: rename(near, away), lambda: rename(away, near))


@pytest.mark.root
@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_its_gridftp_server_is_killed_or_frozen(tmp_path: Path, near: Path, how: str) -> None:
    with gridftp_server(near) as server:
        goes_on(
            Pair(tmp_path, {"kind": "gridftp", "options": {"url": server.url, "immutable": True}}),
            tmp_path,
            server.kill if how == "killed" else server.freeze,
            server.start if how == "killed" else server.thaw,
        )


def test_operators_see_the_replicas_and_where_bytes_are(tmp_path: Path, near: Path) -> None:
    options = {"folder": str(near), "read_only": True}
    pair = Pair(tmp_path, {"kind": "posix", "options": options})
    token = tmp_path / "token"

    def dms(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dms_core.cli", *arguments, "--url", pair.service.url]
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)

    with pair.service:
        token.write_text(pair.service.token())
        assert dms("health").returncode == 0
        where = dms("where", f"/archive/{RUN}", "--json", "--token-file", str(token))
        assert json.loads(where.stdout) == [
            {"location": "dls", "share": 1.0},
            {"location": "ral", "share": 1.0},
        ]
        (near / RUN).unlink()
        where = dms("where", f"/archive/{RUN}", "--token-file", str(token))
        assert where.stdout.splitlines()[1].split() == ["dls", "100%"]
        near.rename(tmp_path / "away")
        assert dms("where", "/archive", "--token-file", str(token)).returncode == 0
        health = dms("health")
        assert health.returncode == 1
        assert "Storage near of archive is away, others stand in; see the log." in health.stdout
        assert "top folder" not in health.stdout
        assert USER not in health.stdout
