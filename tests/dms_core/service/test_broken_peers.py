"""What the remote storage makes of services that are away, slow, broken or no DMS at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.model import Entry, Kind
from dms_core.storage.remote import WRITE_BYTES, RemoteStorage

from .conftest import Service

ENTRY = Entry(path="/x", kind=Kind.FILE, id="1", version="v1", size=10, mtime_ns=0, mode=0o644)
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(talk: Talk, **options: float) -> AsyncIterator[RemoteStorage]:
    """A storage whose service is ``talk``, called once a connection."""
    tasks = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    storage = RemoteStorage(f"http://127.0.0.1:{port}", lambda: "token", **options)
    try:
        yield storage
    finally:
        await storage.close()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answers(text: str) -> Talk:
    """Sends ``text`` after the request and closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text.encode())
        await writer.drain()

    return talk


RANGE = 'HTTP/1.1 206 OK\r\nETag: "v1"\r\nContent-Range: bytes 0-9/10\r\n'


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"{RANGE}Content-Length: 10\r\n\r\n0123456789", None),
        (f"{RANGE}Content-Length: 10\r\n\r\n01234", errors.Unreachable),
        (f"{RANGE}Content-Length: 5\r\n\r\n01234", errors.Unreachable),
        (f"{RANGE}Content-Length: 11\r\n\r\n0123456789a", errors.Unreachable),
        (f"{RANGE}\r\n01234", errors.Unreachable),
        (f"{RANGE}Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n", errors.Unreachable),
        (f"{RANGE}Content-Length: 10\r\n\r\n", errors.Unreachable),
        (RANGE, errors.Unreachable),
        ("", errors.Unreachable),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", errors.Unreachable),
        (
            'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: 10\r\n\r\n0123456789',
            errors.Unreachable,
        ),
        (
            RANGE.replace("0-9/10", "1-10/11") + "Content-Length: 10\r\n\r\n0123456789",
            errors.Unreachable,
        ),
        (RANGE.replace("v1", "v2") + "Content-Length: 10\r\n\r\n0123456789", errors.Stale),
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", errors.DmsError),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops", errors.Unreachable),
        ("HTTP/1.1 504 Timeout\r\nContent-Length: 0\r\n\r\n", errors.TimedOut),
        ("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", errors.NotAuthenticated),
        ("HTTP/1.1 507 Full\r\nContent-Length: 0\r\n\r\n", errors.NoSpace),
    ],
)
async def test_bytes_come_whole_or_not_at_all(
    text: str, error: type[errors.DmsError] | None
) -> None:
    async with peer(answers(text)) as storage:
        if error is None:
            assert await storage.read(ENTRY, 0, 10) == b"0123456789"
        else:
            with pytest.raises(error):
                await storage.read(ENTRY, 0, 10)


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", "null", "<html>", '{"path": "/x"}', '{"entries": 1}']
)
async def test_an_answer_that_is_no_dms_is_told(body: str) -> None:
    text = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    async with peer(answers(text)) as storage:
        for call in (storage.lookup("/x"), storage.scan("/"), storage.create("/x")):
            with pytest.raises(errors.Unreachable, match="is the service a DMS"):
                await call


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"{RANGE}Content-Length: 10\r\n\r\n01234".encode())
    await asyncio.Event().wait()


@pytest.mark.parametrize("talk", [silent, stalling])
async def test_every_call_ends_by_its_deadline(talk: Talk) -> None:
    async with peer(talk, timeout_s=0.3) as storage:
        async with asyncio.timeout(20):
            for call in (
                storage.lookup("/x"),
                storage.scan("/"),
                storage.read(ENTRY, 0, 10),
                storage.write("/x", 0, b"data"),
                storage.remove("/x"),
                storage.space("/"),
            ):
                with pytest.raises(errors.TimedOut, match="did not answer within 0"):
                    await call


async def test_a_service_that_is_away_is_told_with_its_url() -> None:
    async with peer(silent) as storage:
        url = storage.url
    away = RemoteStorage(url, lambda: "token")
    with pytest.raises(errors.Unreachable, match=f"{url} cannot be reached"):
        await away.lookup("/x")
    await away.close()


async def test_a_connection_that_went_stale_is_replaced_without_a_word(service: Service) -> None:
    storage = service.storage("alice")
    await storage.create("/home/alice/file")
    for _ in range(3):
        await service.http.close_all_connections()
        entry = await storage.write("/home/alice/file", 0, b"data")
    await service.http.close_all_connections()
    assert await storage.read(entry, 0, 10) == b"data"
    await storage.close()


async def test_what_may_not_be_done_twice_is_not_repeated() -> None:
    asked = []

    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b" ")[0])

    async with peer(breaking) as storage:
        for call in (
            storage.remove("/x"),
            storage.rename("/x", "/y"),
            storage.make_folder("/x"),
            storage.create("/x", exclusive=True),
        ):
            asked.clear()
            with pytest.raises(errors.Unreachable, match="broke"):
                await call
            assert len(asked) == 1
        asked.clear()
        with pytest.raises(errors.Unreachable, match="broke"):
            await storage.lookup("/x")
        assert len(asked) == 2


async def test_a_renewed_token_is_used_from_the_next_call_on(service: Service) -> None:
    tokens = ["stale"]
    storage = RemoteStorage(service.url, lambda: tokens[0])
    with pytest.raises(errors.NotAuthenticated):
        await storage.lookup("/")
    tokens[0] = service.token("alice")
    assert (await storage.lookup("/")).kind is Kind.FOLDER
    await storage.close()


async def test_a_token_file_is_read_on_each_call(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "token"
    storage = RemoteStorage(service.url, token_file=file)
    with pytest.raises(errors.NotAuthenticated, match="cannot be read"):
        await storage.lookup("/")
    file.write_text(f"{service.token('alice')}\n")
    assert (await storage.lookup("/")).kind is Kind.FOLDER
    await storage.close()


async def test_a_write_longer_than_a_request_may_be(service: Service) -> None:
    data = bytes(range(251)) * (2 * WRITE_BYTES // 251 + 1)
    storage = service.storage("alice")
    await storage.create("/home/alice/file")
    entry = await storage.write("/home/alice/file", 3, data)
    assert entry.size == len(data) + 3
    assert await storage.read(entry, 3, len(data)) == data
    await storage.close()


async def test_errors_keep_their_class_and_sentence(service: Service) -> None:
    storage = service.storage("alice")
    with pytest.raises(errors.NotFound, match=r"^/home/alice/absent does not exist"):
        await storage.lookup("/home/alice/absent")
    with pytest.raises(errors.ReadOnly):
        await storage.create("/archive/x")
    with pytest.raises(errors.NotAllowed, match="alice may not write"):
        await storage.remove("/home/alice")
    await storage.create("/home/alice/x")
    with pytest.raises(errors.CrossVolume):
        await storage.rename("/home/alice/x", "/rb/SANS2D/RBNumber/RB1310123/x")
    await storage.close()
