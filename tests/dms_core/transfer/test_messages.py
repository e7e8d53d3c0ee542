"""docs/messages/{gridftp,http}.yaml: each sentence comes from a real server in that situation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.model import Entry
from dms_core.movers.gridftp.mover import GridftpMover
from dms_core.movers.http.mover import HttpMover
from dms_core.transfer.moved import Moved
from tests.dms_core.movers.conftest import need_gridftp, need_nginx, pattern
from tests.support.ca import Authority
from tests.support.gridftp import GridftpServer, gridftp_server
from tests.support.messages import expected, says
from tests.support.nginx import Nginx, nginx
from tests.support.servers import free_port
from tests.support.waiting import until_async

LARGE = 160 << 20


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    pattern(folder / "small", 100_000)
    with (folder / "large").open("wb") as file:
        file.truncate(LARGE)
    return folder


@pytest.fixture
def grid(files: Path) -> Iterator[GridftpServer]:
    need_gridftp()
    with gridftp_server(files) as server:
        yield server


@pytest.fixture
def gsi(files: Path) -> Iterator[GridftpServer]:
    need_gridftp()
    with gridftp_server(files, gsi=True) as server:
        yield server


@pytest.fixture
def secure_web(files: Path) -> Iterator[Nginx]:
    need_nginx()
    with nginx(files, tls=True, token="s3cr3t") as server:
        yield server


async def check(
    part: str,
    situation: str,
    storage: Moved,
    caplog: pytest.LogCaptureFixture,
    entry: Entry | None = None,
) -> None:
    """Read ``entry`` (or look up /small), and compare what the user and the operator read."""
    row = expected(part, situation)
    caplog.clear()
    call = storage.read(entry, 0, entry.size) if entry else storage.lookup("/small")
    with caplog.at_level(logging.WARNING, "dms_core"):
        with pytest.raises(errors.DmsError) as told:
            await call
        if row.user != row.operator:  # told once it is looked into, in the background
            await until_async(lambda: caplog.records, "the operator is told")
    assert says(row.user, str(told.value)), told.value
    assert str(told.value).startswith(("/small ", "/large "))
    if row.user != row.operator:
        [record] = caplog.records
        assert says(row.operator, record.getMessage()), record.getMessage()
        assert "s3cr3t" not in record.getMessage()


async def test_gridftp_wrong_address(caplog: pytest.LogCaptureFixture) -> None:
    storage = Moved(GridftpMover(f"ftp://127.0.0.1:{free_port()}/"))
    await check("gridftp", "wrong address", storage, caplog)
    await storage.close()


@pytest.mark.root
async def test_gridftp_wrong_credentials(
    gsi: GridftpServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert gsi.authority is not None
    bob = gsi.authority.issue("Bob")
    ours = {**gsi.credentials, "certificate": bob.certificate, "key": bob.key}
    storage = Moved(GridftpMover(gsi.url, **ours))
    await check("gridftp", "wrong credentials", storage, caplog)
    await storage.close()


@pytest.mark.root
async def test_gridftp_a_server_that_is_not_trusted(
    gsi: GridftpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Authority(tmp_path / "other", "Another CA")
    storage = Moved(GridftpMover(gsi.url, **{**gsi.credentials, "ca": other.file}))
    await check("gridftp", "a server that is not trusted", storage, caplog)
    await storage.close()


@pytest.mark.root
async def test_gridftp_full(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    need_gridftp()
    with gridftp_server(files, sessions=1) as server:
        first, second = Moved(GridftpMover(server.url)), Moved(GridftpMover(server.url))
        entry = await first.lookup("/small")
        await check("gridftp", "full", second, caplog)
        assert second.reach.reachable, "it is full, not away"
        assert await first.read(entry, 16, 16) == b"%015d\n" % 16
        await first.close()
        await until_async(lambda: server.connections() == 0, "the first one left")
        assert await second.read(entry, 16, 16) == b"%015d\n" % 16
        await second.close()


@pytest.mark.root
async def test_gridftp_slow(grid: GridftpServer, caplog: pytest.LogCaptureFixture) -> None:
    storage = Moved(GridftpMover(grid.url, timeout_s=0.4))
    await storage.lookup("/small")
    grid.freeze()
    await check("gridftp", "slow", storage, caplog)
    grid.thaw()
    await until_async(lambda: storage.reach.reachable, "it recovers by itself")
    assert (await storage.lookup("/small")).size == 100_000
    await storage.close()


@pytest.mark.root
async def test_gridftp_gone(grid: GridftpServer, caplog: pytest.LogCaptureFixture) -> None:
    storage = Moved(GridftpMover(grid.url))
    entry = await storage.lookup("/large")
    sent = grid.sent_bytes()
    checking = asyncio.ensure_future(check("gridftp", "gone", storage, caplog, entry))
    await until_async(lambda: grid.sent_bytes() > sent + (1 << 20), "bytes flow")
    grid.kill()
    await checking
    grid.start()
    await until_async(lambda: storage.reach.reachable, "it recovers by itself")
    assert await storage.read(entry, 5, 5) == bytes(5)
    await storage.close()


async def test_http_wrong_address(caplog: pytest.LogCaptureFixture) -> None:
    storage = Moved(HttpMover(f"http://127.0.0.1:{free_port()}/"))
    await check("http", "wrong address", storage, caplog)
    await storage.close()


async def test_http_wrong_credentials(
    secure_web: Nginx, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "token").write_text("another")
    ours = {**secure_web.credentials, "token_file": tmp_path / "token"}
    storage = Moved(HttpMover(secure_web.url, **ours))
    await check("http", "wrong credentials", storage, caplog)
    await storage.close()


async def test_http_a_server_that_is_not_trusted(
    secure_web: Nginx, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Authority(tmp_path / "other", "Another CA")
    storage = Moved(HttpMover(secure_web.url, ca=other.file))
    await check("http", "a server that is not trusted", storage, caplog)
    await storage.close()


async def test_http_full(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    need_nginx()
    with nginx(files, extra="limit_conn clients 1; limit_rate 20k;") as server:
        storage = Moved(HttpMover(server.url))
        entry = await storage.lookup("/small")
        sent = server.sent_bytes()
        reading = asyncio.ensure_future(storage.read(entry, 0, entry.size))
        await until_async(lambda: server.sent_bytes() > sent + 4096, "more than a log line")
        await check("http", "full", storage, caplog)
        assert storage.reach.reachable, "it is full, not away"
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await storage.close()


async def test_http_slow(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    need_nginx()
    with nginx(files) as server:
        storage = Moved(HttpMover(server.url, timeout_s=0.4))
        await storage.lookup("/small")
        server.freeze()
        await check("http", "slow", storage, caplog)
        server.thaw()
        await until_async(lambda: storage.reach.reachable, "it recovers by itself")
        assert (await storage.lookup("/small")).size == 100_000
        await storage.close()


async def test_http_gone(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    need_nginx()
    with nginx(files, extra="limit_rate 20k;") as server:
        storage = Moved(HttpMover(server.url))
        entry = await storage.lookup("/small")
        sent = server.sent_bytes()
        checking = asyncio.ensure_future(check("http", "gone", storage, caplog, entry))
        await until_async(lambda: server.sent_bytes() > sent + 4096, "more than a log line")
        server.kill()
        await checking
        server.start()
        await until_async(lambda: storage.reach.reachable, "it recovers by itself")
        assert await storage.read(entry, 16, 16) == b"%015d\n" % 16
        await storage.close()


async def test_http_a_server_that_ignores_ranges(
    files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    need_nginx()
    with nginx(files, extra="max_ranges 0;") as server:
        storage = Moved(HttpMover(server.url))
        entry = await storage.lookup("/small")
        await check("http", "a server that ignores ranges", storage, caplog, entry)
        await storage.close()
