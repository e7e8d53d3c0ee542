"""docs/messages/remote.yaml: a service over another `dms serve`, in each situation.

Also what keeps the rest of the service well meanwhile.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.access.identity import Tokens, key_at
from dms_core.client.service import DmsClient
from dms_core.config import House
from dms_core.storage.remote import RemoteStorage
from tests.dms_core.service.conftest import lay_out_volumes
from tests.dms_core.service.test_health import serving, states
from tests.support.messages import expected, says
from tests.support.servers import Server, free_port, running
from tests.support.waiting import until_async

AWAY = f"http://127.0.0.1:{free_port()}"
"""Nobody listens there."""


@dataclass
class Other:
    """Another DMS and its folder."""

    server: Server
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@dataclass
class Front:
    """A service, and clients of alice and of an administrator."""

    url: str
    alice: DmsClient
    root: DmsClient
    house: House


@pytest.fixture(scope="module")
def module_other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Other]:
    """``dms serve`` over a disk, and over an archive whose server is not there."""
    folder = tmp_path_factory.mktemp("other")
    lay_out_volumes(folder)
    (folder / "archive/run").write_bytes(b"neutrons")
    far = {"url": AWAY}
    config = {
        "storages": [
            {"name": "disk", "kind": "posix", "options": {"folder": "archive"}},
            {"name": "home", "kind": "posix", "options": {"folder": "home"}},
            {"name": "far", "kind": "http", "options": far},
        ],
        "volumes": [
            {"name": "archive", "policy": "archive", "storage": "disk"},
            {"name": "home", "policy": "home", "storage": "home"},
            {"name": "tapes", "policy": "archive", "storage": "far"},
        ],
        "membership": "membership.yaml",
    }
    (folder / "volumes.yaml").write_text(json.dumps(config))
    (folder / "token").write_text(Tokens(key_at(folder / "key.pem")).issue("alice").token)
    command = [
        *(sys.executable, "-m", "dms_core.cli", "serve", "--port", "{port}"),
        *("--config", str(folder / "volumes.yaml"), "--key-file", str(folder / "key.pem")),
    ]
    with running("other", lambda _: Server(command, folder / "log")) as server:
        yield Other(server, folder)


@pytest.fixture
def other(module_other: Other) -> Iterator[Other]:
    yield module_other
    module_other.server.thaw()


@asynccontextmanager
async def service_over(
    folder: Path, other: Other, *, volume: str = "archive", there: str = "", **more: object
) -> AsyncIterator[Front]:
    """A service that shows the other's volume."""
    cache = more.pop("cache", None)
    options = {"url": other.url, "token_file": str(other.folder / "token"), **more}
    options["path"] = there or f"/{volume}"
    far = {"name": "far", "kind": "remote", "options": options}
    if cache:
        far["cache"] = {"folder": str(folder / "near"), "limit_gb": 0.1}
    config = {
        "storages": [far, {"name": "disk", "kind": "posix", "options": {"folder": "rb"}}],
        "volumes": [
            {"name": volume, "policy": volume, "storage": "far"},
            {"name": "rb", "policy": "rb", "storage": "disk"},
        ],
    }
    async with (
        serving(folder, config) as (url, tokens, house),
        DmsClient(url, tokens.issue("alice").token) as alice,
        DmsClient(url, tokens.issue("root").token) as root,
    ):
        yield Front(url, alice, root, house)


@pytest.mark.parametrize("cache", [False, True], ids=["alone", "behind a site's cache"])
@pytest.mark.parametrize(
    "situation",
    [
        "wrong address",
        "wrong address: no DMS",
        "wrong credentials",
        "wrong credentials: no token file",
        "slow",
        "gone",
    ],
)
async def test_what_is_read(
    tmp_path: Path, other: Other, situation: str, cache: bool, caplog: pytest.LogCaptureFixture
) -> None:
    row = expected("remote", situation)
    options: dict[str, object] = {}
    if situation == "wrong address":
        options["url"] = AWAY
    if situation == "wrong address: no DMS":
        options["url"] = f"{other.url}/elsewhere"
    if situation == "wrong credentials":
        strange = Tokens(key_at(tmp_path / "strange.pem")).issue("alice").token
        (tmp_path / "token").write_text(strange)
        options["token_file"] = str(tmp_path / "token")
    if situation == "wrong credentials: no token file":
        options["token_file"] = str(tmp_path / "absent")
    if situation == "slow":
        options["timeout_s"] = 0.3
    caplog.set_level(logging.WARNING, "dms_core")
    async with service_over(tmp_path, other, cache=cache, **options) as front:
        alice, house = front.alice, front.house
        if situation == "slow":
            other.server.freeze()
        if situation == "gone":
            assert await alice.read("/archive/run") == b"neutrons"
            other.server.kill()
        try:
            with pytest.raises(errors.StorageAway) as told:
                await alice.lookup("/archive/another")
            assert str(told.value).startswith("/archive/another ")
            assert says(row.user, str(told.value)), told.value
            await until_async(lambda: states(house) == ["away"], "a probe has failed, too")
            [reason] = [each.reason for each in (await front.root.health()).storages]
            assert says(row.operator, reason), reason
            assert reason in caplog.messages
            if options.get("token_file"):
                assert "eyJ" not in caplog.text, "no token is told"

            with pytest.raises(errors.StorageAway) as again:
                await alice.lookup("/archive/another")
            assert str(again.value) == str(told.value), "at once, and the same"
            shown = [entry.path async for entry in alice.scan("/rb/SANS2D/RBNumber")]
            assert shown == ["/rb/SANS2D/RBNumber/RB1310123"], "the rest is as well as ever"
            if situation == "gone" and cache:
                assert await alice.read("/archive/run") == b"neutrons", "it is near"
        finally:
            if situation == "gone":
                other.server.start()
        other.server.thaw()
        if situation in ("slow", "gone"):
            await until_async(lambda: states(house) == ["used"], "it is asked again by itself")
            with pytest.raises(errors.NotFound, match=r"^/archive/another does not exist"):
                await alice.lookup("/archive/another")


async def test_a_storage_of_the_other_is_gone(tmp_path: Path, other: Other) -> None:
    row = expected("remote", "gone: a storage of the other DMS")
    async with service_over(tmp_path, other, there="/tapes") as front:
        with pytest.raises(errors.StorageAway) as told:
            await front.alice.lookup("/archive/run")
        assert says(row.user, str(told.value)), told.value
        nothing, _, there = row.operator.partition("; the log there: ")
        assert nothing == "nothing here"
        assert states(front.house) == ["used"]
        await until_async(lambda: "cannot connect" in other.log, "it is looked into over there")
        lines = [
            line[line.index("http ") :] for line in other.log.splitlines() if "connect" in line
        ]
        assert says(there, lines[-1]), lines


async def write(front: Front, path: str, data: bytes) -> None:
    """As a mount does."""
    storage = RemoteStorage(front.url, lambda: front.alice.token)
    try:
        await storage.create(path)
        await storage.write(path, 0, data)
    finally:
        await storage.close()


@pytest.fixture
def small_home(other: Other) -> Iterator[None]:
    """Over there alice's home is on a disk of its own, with little room."""
    home = other.folder / "home" / "alice"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "tmpfs", str(home)]
    subprocess.run(mount, check=True, timeout=30)
    yield
    subprocess.run(["umount", str(home)], check=True, timeout=30)
    home.rmdir()


@pytest.mark.root
@pytest.mark.usefixtures("small_home")
async def test_full(tmp_path: Path, other: Other) -> None:
    row = expected("remote", "full")
    async with service_over(tmp_path, other, volume="home") as front:
        with pytest.raises(errors.NoSpace) as told:
            await write(front, "/home/alice/large", bytes(200_000))
        assert says(row.user, str(told.value)), told.value
        assert says(row.operator, str(told.value))
        assert states(front.house) == ["used"], "that it is full is not that it is away"
