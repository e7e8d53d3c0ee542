"""HTTP: connections kept, versions never mixed; a server that refuses, dies, hangs or is odd."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from pydantic import ValidationError

from dms_core import errors
from dms_core.model import Kind
from dms_core.movers.base import Busy, Refused
from dms_core.movers.conformance import BIG_PATH
from dms_core.movers.http.mover import HttpMover
from dms_core.storage.conformance import BIG
from tests.support.ca import Authority
from tests.support.nginx import Nginx, nginx
from tests.support.servers import free_port
from tests.support.waiting import until_async

from .conftest import need_nginx, pattern


@asynccontextmanager
async def moving(server: Nginx, **options: object) -> AsyncIterator[HttpMover]:
    mover = HttpMover(server.url, **{**server.credentials, **options})
    yield mover
    await mover.close()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    need_nginx()
    folder = tmp_path / "files"
    folder.mkdir()
    pattern(folder / "small", 100_000)
    return folder


@pytest.fixture
def own(files: Path) -> Iterator[Nginx]:
    """A server of the test's own."""
    with nginx(files) as server:
        yield server


async def test_one_connection_serves_one_read_after_the_other(own: Nginx) -> None:
    async with moving(own) as mover:
        entry = await mover.stat("/small")
        for offset in range(0, 100_000, 5_000):
            await mover.read(entry, offset, 100)
            assert own.connections() == 1
    await until_async(lambda: own.connections() == 0, "the connection ended")


async def test_connections_are_no_more_than_stated(own: Nginx) -> None:
    async with moving(own, connections=3) as mover:
        entry = await mover.stat("/small")
        truth = (own.folder / "small").read_bytes()
        spans = [(offset, 1000) for offset in range(0, 100_000, 1_000)]
        read = await asyncio.gather(*(mover.read(entry, *span) for span in spans))
        assert read == [truth[offset : offset + length] for offset, length in spans]
        assert own.connections() <= 3


async def test_connections_nobody_needs_are_closed(own: Nginx) -> None:
    async with moving(own, idle_s=0.05) as mover:
        await asyncio.gather(*(mover.stat("/small") for _ in range(4)))
        await until_async(lambda: own.connections() == 0, "idle connections ended")


async def test_a_server_restarted_meanwhile_is_not_noticed(own: Nginx) -> None:
    async with moving(own) as mover:
        entry = await mover.stat("/small")
        for end in (own.kill, own.stop):
            end()
            own.start()
            assert await mover.read(entry, 16, 16) == b"%015d\n" % 16


async def test_many_ranges_are_one_request(files: Path) -> None:
    with nginx(files) as server:
        async with moving(server) as mover:
            entry = await mover.stat("/small")
            spans = [(offset, 100) for offset in range(0, 64_000, 1_000)]
            read = await mover.read_many(entry, spans)
            truth = (files / "small").read_bytes()
            assert list(read) == [truth[offset : offset + length] for offset, length in spans]
            await until_async(lambda: len(server.requests()) > 1, "the requests are logged")
        methods = [line.split('"')[1].split()[0] for line in server.requests()]
    assert methods == ["HEAD", "GET"]


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    spans=some.lists(
        some.tuples(some.integers(0, len(BIG) + 10), some.integers(0, 9_000)), max_size=80
    )
)
def test_any_ranges_are_the_truth(web: Nginx, spans: list[tuple[int, int]]) -> None:
    async def read() -> None:
        async with moving(web) as mover:
            entry = await mover.stat(BIG_PATH)
            told = await mover.read_many(entry, spans)
            assert list(told) == [BIG[offset : offset + length] for offset, length in spans]

    asyncio.run(read())


async def test_a_server_that_takes_one_range_only(files: Path) -> None:
    with nginx(files, extra="max_ranges 1;") as server:
        async with moving(server) as mover:
            entry = await mover.stat("/small")
            read = await mover.read_many(entry, [(0, 16), (1600, 16), (3200, 16)])
            assert list(read) == [b"%015d\n" % at for at in (0, 1600, 3200)]


async def test_a_server_that_ignores_ranges_is_refused(files: Path) -> None:
    with nginx(files, extra="max_ranges 0;") as server:
        async with moving(server) as mover:
            entry = await mover.stat("/small")
            told = r"^/small cannot be read from http://.*ignores Range; enable byte ranges"
            with pytest.raises(errors.Unsupported, match=told):
                await mover.read(entry, 16, 16)
            with pytest.raises(errors.Unsupported, match=told):
                await mover.read_many(entry, [(0, 16), (32, 16)])


async def test_a_file_that_does_not_fit_here(own: Nginx, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    async with moving(own) as mover:
        entry = await mover.stat("/small")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        try:
            with pytest.raises(errors.NoSpace, match=r"copy cannot be written \(File too large\)"):
                await mover.fetch(entry, there / "copy")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(there.iterdir())


@pytest.mark.parametrize("version", ["modified", "etag"])
async def test_a_file_that_changes_is_stale(own: Nginx, version: str) -> None:
    async with moving(own, version=version) as mover:
        old = await mover.stat("/small")
        (own.folder / "small").write_bytes(b"x" * old.size)
        os.utime(own.folder / "small", (10**9, 10**9))
        for call in (
            mover.read(old, 0, 5),
            mover.read_many(old, [(0, 5), (10, 5)]),
            mover.read(old, 0, 0),
        ):
            with pytest.raises(errors.Stale, match=r"^/small changed"):
                await call
        (own.folder / "small").unlink()
        for call in (mover.read(old, 0, 5), mover.read_many(old, [(0, 5), (9, 5)])):
            with pytest.raises((errors.Stale, errors.NotFound)):
                await call


async def test_a_server_that_dies_in_mid_range(files: Path) -> None:
    with nginx(files, extra="limit_rate 20k;") as server:
        async with moving(server) as mover:
            entry = await mover.stat("/small")
            sent = server.sent_bytes()
            reading = asyncio.ensure_future(mover.read(entry, 0, entry.size))
            await until_async(lambda: server.sent_bytes() > sent + 4096, "more than a log line")
            server.kill()
            with pytest.raises(errors.Unreachable, match=r"http http://.*: "):
                await reading
            server.start()
            assert await mover.read(entry, 16, 16) == b"%015d\n" % 16


async def test_a_server_that_hangs_ends_the_call_by_its_deadline(own: Nginx) -> None:
    async with moving(own, timeout_s=0.5) as mover:
        entry = await mover.stat("/small")
        own.freeze()
        began = time.monotonic()
        with pytest.raises(errors.TimedOut, match=r"no answer within 0\.5"):
            await mover.read(entry, 0, 16)
        assert time.monotonic() - began < 10
        own.thaw()
        assert await mover.read(entry, 16, 16) == b"%015d\n" % 16


async def test_a_server_that_hangs_in_mid_range(files: Path) -> None:
    """Silence ends it, not the deadline of all its bytes, which would be minutes."""
    with nginx(files, extra="limit_rate 20k;") as server:
        async with moving(server, timeout_s=1.5) as mover:
            entry = await mover.stat("/small")
            sent = server.sent_bytes()
            reading = asyncio.ensure_future(mover.read(entry, 0, entry.size))
            await until_async(lambda: server.sent_bytes() > sent + 4096, "more than a log line")
            server.freeze()
            with pytest.raises(errors.TimedOut, match=r"no answer within 1\.5"):
                await reading
            server.thaw()


async def test_a_server_that_is_full(files: Path) -> None:
    with nginx(files, extra="limit_conn clients 1; limit_rate 20k;") as server:
        async with moving(server) as mover:
            entry = await mover.stat("/small")
            reading = asyncio.ensure_future(mover.read(entry, 0, entry.size))
            sent = server.sent_bytes()
            await until_async(lambda: server.sent_bytes() > sent + 4096, "more than a log line")
            with pytest.raises(Busy, match=r"takes no more requests now \(503"):
                await mover.read(entry, 0, 16)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def test_a_token_that_is_not_accepted_and_one_that_was_renewed(
    secure_web: Nginx, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    async with moving(secure_web, token_file=token) as mover:
        with pytest.raises(Refused, match=r"token file .* cannot be read"):
            await mover.stat("/greeting.txt")
        token.write_text("old")
        with pytest.raises(Refused, match=r"does not accept the token \(401") as told:
            await mover.stat("/greeting.txt")
        assert "old" not in str(told.value)
        assert secure_web.token_file is not None
        token.write_bytes(secure_web.token_file.read_bytes())
        assert (await mover.stat("/greeting.txt")).size == 13


async def test_a_server_we_do_not_trust(secure_web: Nginx, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", "Another CA")
    async with moving(secure_web, ca=other.file) as mover:
        with pytest.raises(Refused, match="certificate is not accepted"):
            await mover.stat("/")


async def test_nobody_listens_there() -> None:
    mover = HttpMover(f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(errors.Unreachable, match=r"cannot connect .*check the url"):
        await mover.stat("/")
    await mover.close()


async def test_a_folder_that_is_not_listed_as_json(own: Nginx) -> None:
    (own.folder / "site").mkdir()
    (own.folder / "site" / "index.html").write_text("<html>")
    async with moving(own) as mover:
        assert (await mover.stat("/site")).kind is Kind.FOLDER
        with pytest.raises(errors.Unsupported, match=r"^/site .*set 'autoindex_format json'"):
            await anext(aiter(mover.listing("/site")))


@pytest.mark.root
async def test_what_the_server_may_not_read(files: Path) -> None:
    (files / "closed").mkdir()
    with nginx(files, extra="location /closed { deny all; }") as server:
        async with moving(server) as mover:
            with pytest.raises(errors.NotAllowed, match=r"^/closed/x may not be read"):
                await mover.stat("/closed/x")


async def test_a_path_that_redirects_elsewhere(files: Path) -> None:
    with nginx(files, extra="location /moved { return 302 /small; }") as server:
        async with moving(server) as mover:
            with pytest.raises(errors.Unsupported, match=re.escape("redirects to '/small'")):
                await mover.stat("/moved")


async def test_names_that_are_not_utf8_are_left_out_and_counted(own: Nginx) -> None:
    with open(os.fsencode(own.folder) + b"/latin-\xe9", "w"):  # noqa: ASYNC230, PTH123
        pass
    async with moving(own) as mover:
        found = [entry.path async for part in mover.listing("/") for entry in part]
        assert found == ["/small"]
        assert mover.skipped_names == 1


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://example.org/"},
        {"url": "http://user:secret@example.org/"},
        {"url": "http://example.org/?a=b"},
        {"url": "http://example.org/", "connections": 0},
        {"url": "http://example.org/", "version": "none"},
    ],
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HttpMover.Options.model_validate(options)
