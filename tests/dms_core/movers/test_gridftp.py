"""GridFTP sessions: kept, bounded, given up; and a server that refuses, dies or hangs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from dms_core import errors
from dms_core.movers.base import Busy, Refused
from dms_core.movers.conformance import BIG_PATH
from dms_core.movers.gridftp.mover import GridftpMover
from dms_core.storage.conformance import BIG
from tests.support.ca import Authority
from tests.support.gridftp import GridftpServer, gridftp_server
from tests.support.nginx import Nginx
from tests.support.servers import free_port
from tests.support.waiting import until_async

from .conftest import need_gridftp, pattern

pytestmark = pytest.mark.root

LARGE = 160 << 20


@asynccontextmanager
async def moving(server: GridftpServer, **options: object) -> AsyncIterator[GridftpMover]:
    mover = GridftpMover(server.url, **{**server.credentials, **options})
    yield mover
    await mover.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[GridftpServer]:
    """A server of the test's own, over a large file that holds zeros only."""
    need_gridftp()
    folder = tmp_path / "files"
    folder.mkdir()
    pattern(folder / "small", 100_000)
    with (folder / "large").open("wb") as file:
        file.truncate(LARGE)
    with gridftp_server(folder) as server:
        yield server


async def test_one_session_serves_one_read_after_the_other(own: GridftpServer) -> None:
    async with moving(own) as mover:
        entry = await mover.stat("/small")
        for offset in range(0, 100_000, 5_000):
            await mover.read(entry, offset, 100)
            assert own.connections() == 1
    await until_async(lambda: own.connections() == 0, "the session ended")


async def test_sessions_are_no_more_than_stated(own: GridftpServer) -> None:
    async with moving(own, sessions=3) as mover:
        entry = await mover.stat("/small")
        spans = [(offset, 1000) for offset in range(0, 100_000, 1_000)]
        truth = (own.folder / "small").read_bytes()
        read = await asyncio.gather(*(mover.read(entry, *span) for span in spans))
        assert read == [truth[offset : offset + length] for offset, length in spans]
        assert own.connections() == 3


async def test_sessions_nobody_needs_are_closed(own: GridftpServer) -> None:
    async with moving(own, idle_s=0.05) as mover:
        await asyncio.gather(*(mover.stat("/small") for _ in range(4)))
        await until_async(lambda: own.connections() == 0, "idle sessions ended")
        assert (await mover.stat("/small")).size == 100_000


async def test_a_server_restarted_meanwhile_is_not_noticed(own: GridftpServer) -> None:
    async with moving(own) as mover:
        entry = await mover.stat("/small")
        for end in (own.kill, own.stop):
            end()
            own.start()
            assert await mover.read(entry, 16, 16) == b"%015d\n" % 16


@pytest.mark.parametrize("gsi", [False, True])
async def test_a_session_the_server_gave_up_is_not_noticed(tmp_path: Path, gsi: bool) -> None:
    """It says 421 and hangs up; that is no answer to what is asked next."""
    need_gridftp()
    pattern(tmp_path / "small", 1000)
    with gridftp_server(tmp_path, gsi=gsi, extra=("-control-idle-timeout", "1")) as server:
        async with moving(server) as mover:
            entry = await mover.stat("/small")
            await mover.read(entry, 0, 16)
            await until_async(lambda: server.connections() == 0, "the server ended the session")
            assert await mover.read(entry, 16, 16) == b"%015d\n" % 16


async def test_cancelled_reads_leave_no_session_behind(own: GridftpServer) -> None:
    async with moving(own, sessions=2) as mover:
        entry = await mover.stat("/large")
        for _ in range(5):
            sent = own.sent_bytes()
            reading = asyncio.ensure_future(mover.read(entry, 0, LARGE))
            await until_async(lambda sent=sent: own.sent_bytes() > sent + (1 << 20), "bytes flow")
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        assert await mover.read(await mover.stat("/small"), 32, 16) == b"%015d\n" % 32
        await until_async(lambda: own.connections() <= 2, "the given up sessions ended")


async def test_a_server_that_dies_in_mid_range(own: GridftpServer) -> None:
    async with moving(own) as mover:
        entry = await mover.stat("/large")
        sent = own.sent_bytes()
        reading = asyncio.ensure_future(mover.read(entry, 0, LARGE))
        await until_async(lambda: own.sent_bytes() > sent + (1 << 20), "bytes flow")
        assert not reading.done()
        own.kill()
        with pytest.raises(errors.Unreachable, match=r"gridftp ftp://.*: "):
            await reading
        own.start()
        assert await mover.read(entry, 5, 10) == bytes(10)


async def test_a_server_that_hangs_ends_the_call_by_its_deadline(own: GridftpServer) -> None:
    async with moving(own, timeout_s=0.5, sessions=1) as mover:
        entry = await mover.stat("/small")
        own.freeze()
        began = time.monotonic()
        with pytest.raises(errors.TimedOut, match=r"no answer within 0\.5"):
            await mover.read(entry, 0, 16)
        with pytest.raises(errors.TimedOut):  # a new session: no greeting
            await mover.stat("/small")
        assert time.monotonic() - began < 10
        own.thaw()
        assert await mover.read(entry, 16, 16) == b"%015d\n" % 16


async def test_a_server_that_hangs_in_mid_range(own: GridftpServer) -> None:
    """Silence ends it, not the deadline of all its bytes, which would be minutes."""
    async with moving(own, timeout_s=0.5) as mover:
        entry = await mover.stat("/large")
        sent = own.sent_bytes()
        reading = asyncio.ensure_future(mover.read(entry, 0, LARGE))
        await until_async(lambda: own.sent_bytes() > sent + (1 << 20), "bytes flow")
        own.freeze()
        began = time.monotonic()
        with pytest.raises(errors.TimedOut, match=r"no answer within 0\.5"):
            await reading
        assert time.monotonic() - began < 10
        own.thaw()
        assert await mover.read(entry, 5, 10) == bytes(10)


async def test_a_file_that_changes_is_stale_before_and_after(own: GridftpServer) -> None:
    async with moving(own) as mover:
        old = await mover.stat("/small")
        (own.folder / "small").write_bytes(b"x" * old.size)
        os.utime(own.folder / "small", (1, 1))
        for call in (mover.read(old, 0, 5), mover.checksum(old, "md5"), mover.read(old, 0, 0)):
            with pytest.raises(errors.Stale, match=r"^/small changed"):
                await call
        (own.folder / "small").write_bytes(b"short")
        for call in (mover.read(old, 0, old.size), mover.read_many(old, [(9, 9), (99_000, 9)])):
            with pytest.raises(errors.Stale, match=r"^/small changed"):
                await call
        (own.folder / "small").unlink()
        for call in (mover.read(old, 0, 5), mover.checksum(old, "md5"), mover.read(old, 0, 0)):
            with pytest.raises(errors.Stale, match=r"^/small is gone"):
                await call


async def test_names_the_server_cannot_be_told(own: GridftpServer) -> None:
    """It drops what is not ASCII from clear text: é would be the folder it is in."""
    (own.folder / "é").touch()
    (own.folder / "two\nlines").touch()
    (own.folder / "caf").mkdir()
    (own.folder / "caf" / "a").touch()
    with open(os.fsencode(own.folder) + b"/latin-\xe9", "w"):  # noqa: ASYNC230, PTH123
        pass
    async with moving(own) as mover:
        for path in ("/é", "/größe", "/café/a"):
            with pytest.raises(errors.Unsupported, match=r"ASCII names only in clear text"):
                await mover.stat(path)
        with pytest.raises(errors.BadRequest, match=r"line break"):
            await mover.stat("/two\nlines")
        found = [entry.path async for part in mover.listing("/") for entry in part]
        assert sorted(found) == ["/caf", "/large", "/small", "/é"]
        assert mover.skipped_names == 2


async def test_odd_names_are_read(own: GridftpServer) -> None:
    names = ("trail ", " lead", "a  b", 'q"uo', "50%25", "semi;colon=x; y", "-dash", "back\\slash")
    for name in names:
        (own.folder / name).write_text(name)
    async with moving(own) as mover:
        found = {entry.path[1:] async for part in mover.listing("/") for entry in part}
        assert set(names) <= found
        for name in names:
            entry = await mover.stat(f"/{name}")
            assert await mover.read(entry, 0, 99) == name.encode()
            assert await mover.read_many(entry, [(0, 1), (3, 1)]) == [
                name[:1].encode(),
                name[3:4].encode(),
            ]


async def test_a_folder_of_many_thousand_names(gsi: GridftpServer) -> None:
    folder = gsi.folder / "large folder"
    folder.mkdir()
    for number in range(5_500):
        os.mknod(folder / f"run-{number}.nxs")
    async with moving(gsi) as mover:
        found = [entry async for part in mover.listing("/large folder") for entry in part]
        assert len({entry.path for entry in found}) == 5_500
        assert len(found) == 5_500
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


async def test_nobody_else_may_send_data(own: GridftpServer) -> None:
    """A stranger that dials the data port from elsewhere is turned away."""
    async with moving(own) as mover:
        entry = await mover.stat("/small")
        await mover.read(entry, 0, 1)
        [(_, session)] = mover._pool._idle
        assert session._channels._server is not None
        port = session._channels._server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=("127.0.0.2", 0)
        )
        writer.write(b"\x08" + bytes(16))
        assert await reader.read() == b""
        writer.close()
        assert await mover.read(entry, 16, 16) == b"%015d\n" % 16


async def test_gsi_by_a_proxy_file_that_holds_all(gsi: GridftpServer, tmp_path: Path) -> None:
    assert gsi.user is not None
    proxy = tmp_path / "proxy.pem"
    proxy.write_bytes(gsi.user.certificate.read_bytes() + gsi.user.key.read_bytes())
    mover = GridftpMover(gsi.url, ca=gsi.credentials["ca"], certificate=str(proxy))
    entry = await mover.stat(BIG_PATH)
    assert await mover.read(entry, 7, 7) == BIG[7:14]
    await mover.close()


async def refusal(server: GridftpServer, **changes: object) -> str:
    """What an operator reads when a mover so configured is used."""
    async with moving(server, **changes) as mover:
        with pytest.raises(errors.Unreachable) as told:
            await mover.stat("/greeting.txt")
        assert isinstance(told.value, Refused)
        return str(told.value)


async def test_a_server_we_do_not_trust(gsi: GridftpServer, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", "Another CA")
    told = await refusal(gsi, ca=other.file)
    assert "the server's certificate is not accepted" in told
    told = await refusal(gsi, server_name="archive.example.org")
    assert "not accepted (Hostname mismatch" in told


async def test_a_certificate_the_server_does_not_trust(gsi: GridftpServer, tmp_path: Path) -> None:
    mallory = Authority(tmp_path / "other", "Another CA").issue("Mallory")
    told = await refusal(gsi, certificate=mallory.certificate, key=mallory.key)
    assert "does not accept the certificate of the DMS" in told


async def test_a_user_the_server_does_not_know(gsi: GridftpServer) -> None:
    assert gsi.authority is not None
    bob = gsi.authority.issue("Bob")
    told = await refusal(gsi, certificate=bob.certificate, key=bob.key)
    assert "does not let this certificate in" in told


async def test_a_certificate_that_expired(gsi: GridftpServer) -> None:
    assert gsi.authority is not None
    late = gsi.authority.issue("Late", days=-2)
    told = await refusal(gsi, certificate=late.certificate, key=late.key)
    assert "does not accept the certificate of the DMS" in told


async def test_anonymous_where_certificates_are_asked_for(gsi: GridftpServer) -> None:
    mover = GridftpMover(gsi.url.replace("gsiftp:", "ftp:"))
    with pytest.raises(Refused, match=r"does not let the user 'anonymous' in"):
        await mover.stat("/")
    await mover.close()


async def test_certificates_where_nobody_checks_them(
    own: GridftpServer, gsi: GridftpServer
) -> None:
    mover = GridftpMover(own.url.replace("ftp:", "gsiftp:"), **gsi.credentials)
    with pytest.raises(Refused, match=r"does not accept the certificate"):
        await mover.stat("/")
    await mover.close()


async def test_nobody_listens_there() -> None:
    mover = GridftpMover(f"ftp://127.0.0.1:{free_port()}/")
    with pytest.raises(errors.Unreachable, match=r"cannot connect .*check the url"):
        await mover.stat("/")
    await mover.close()


async def test_what_answers_is_no_gridftp_server(web: Nginx) -> None:
    mover = GridftpMover(f"ftp://127.0.0.1:{web.port}/", timeout_s=1)
    with pytest.raises(errors.Unreachable, match=r"gridftp ftp://.*: "):
        await mover.stat("/")
    await mover.close()


async def test_a_server_that_is_full(tmp_path: Path) -> None:
    need_gridftp()
    pattern(tmp_path / "small", 100_000)
    with gridftp_server(tmp_path, sessions=2) as server:
        async with moving(server) as greedy, moving(server) as late:
            entry = await greedy.stat("/small")
            read = await asyncio.gather(*(greedy.read(entry, at * 16, 16) for at in range(50)))
            assert read == [b"%015d\n" % (at * 16) for at in range(50)]
            assert server.connections() == 2
            with pytest.raises(Busy, match=r"takes no more sessions now"):
                await late.stat("/small")
            await greedy.close()
            await until_async(lambda: server.connections() == 0, "sessions ended")
            assert (await late.stat("/small")).size == 100_000


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://example.org/"},
        {"url": "gsiftp://example.org/"},
        {"url": "ftp://example.org/", "certificate": "a.pem"},
        {"url": "ftp://user:secret@example.org/"},
        {"url": "ftp://example.org/", "user": "a\r\nDELE b"},
        {"url": "ftp://example.org/", "sessions": 0},
    ],
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GridftpMover.Options.model_validate(options)


def test_certificates_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match=r"certificates of gsiftp://example"):
        GridftpMover("gsiftp://example.org/", ca=tmp_path, certificate=tmp_path / "absent")
