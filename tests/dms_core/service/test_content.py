"""Ranges, versions, bodies and their limits, shown with plain HTTP requests."""

from __future__ import annotations

import asyncio
import json
import os
import resource as limits
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_core.errors import Stale
from dms_core.model import Entry
from dms_core.problems import CONTENT_TYPE
from dms_core.rest import API
from dms_core.service.application import MAX_BODY_BYTES
from dms_core.service.ranges import UnsatisfiableRangeError, span_of

from .conftest import Ask, Service


@pytest.fixture
def file(service: Service) -> Path:
    file = service.folder / "home/alice/file"
    file.parent.mkdir()
    file.write_bytes(bytes(range(100)))
    return file


AT = "/content/home/alice/file"


def _state(file: Path) -> tuple[bytes, int, int]:
    info = file.stat()
    return file.read_bytes(), info.st_mode, info.st_mtime_ns


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 10)),
        ("bytes=90-1000", (90, 10)),
        ("bytes=-10", (90, 10)),
        ("bytes=-1000", (0, 100)),
        ("bytes=99-99", (99, 1)),
        (" bytes=0-0 ", (0, 1)),
        (None, None),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=a-b", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-9", None),
        ("bytes=٣-٤", None),
        (f"bytes=0-{'9' * 5000}", None),
    ],
)
def test_a_range_header(header: str | None, span: tuple[int, int] | None) -> None:
    assert span_of(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_without_bytes(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        span_of(header, 100)


@given(st.text(), st.integers(0, 1000))
def test_any_header_gives_a_span_within_the_file(header: str, size: int) -> None:
    for text in (header, f"bytes={header}"):
        try:
            span = span_of(text, size)
        except UnsatisfiableRangeError:
            continue
        if span is not None:
            offset, length = span
            assert 0 <= offset < size
            assert 0 < length <= size - offset


async def test_a_file_and_its_ranges(ask: Ask, file: Path) -> None:
    async with ask("GET", AT, "alice") as answer:
        assert answer.status == 200
        assert await answer.read() == _state(file)[0]
        version = answer.headers["ETag"]
    async with ask("HEAD", AT, "alice") as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, "100")
        assert answer.headers["ETag"] == version
    headers = {"Range": "bytes=10-19", "If-Match": version}
    async with ask("GET", AT, "alice", headers=headers) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == "bytes 10-19/100"
        assert await answer.read() == bytes(range(10, 20))
    async with ask("GET", AT, "alice", headers={"Range": "bytes=100-"}) as answer:
        assert answer.status == 416
        assert answer.headers["Content-Range"] == "bytes */100"
    os.truncate(file, 0)
    async with ask("GET", AT, "alice") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with ask("GET", AT, "alice", headers=headers) as answer:
        assert answer.status == 412
        assert (await answer.json(content_type=None))["type"] == "urn:dms:error:stale"


async def test_a_large_range_is_streamed_in_little_memory(ask: Ask, file: Path) -> None:
    size = 256 << 20
    os.truncate(file, size)
    before = limits.getrusage(limits.RUSAGE_SELF).ru_maxrss
    count = 0
    async with ask("GET", AT, "alice") as answer:
        assert answer.headers["Content-Length"] == str(size)
        async for piece in answer.content.iter_any():
            count += len(piece)
    assert count == size
    assert limits.getrusage(limits.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


async def test_a_file_that_changes_while_it_is_streamed_breaks_off(
    service: Service, file: Path
) -> None:
    os.truncate(file, 64 << 20)
    storage = service.storage("alice", timeout_s=30.0)
    entry = await storage.lookup("/home/alice/file")
    # Sent so far is only what socket buffers hold: the reader has not begun.
    reader, writer = await asyncio.open_connection(*_address(service))
    writer.write(_get(service, entry).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 206")
    os.utime(file)
    body = await reader.read()
    async with asyncio.timeout(30):
        while piece := await reader.read(1 << 20):
            body += piece
    assert len(body) < entry.size
    writer.close()
    with pytest.raises(Stale):
        await storage.read(entry, 0, entry.size)
    await storage.close()


def _address(service: Service) -> tuple[str, int]:
    host, _, port = service.url.removeprefix("http://").partition(":")
    return host, int(port)


def _get(service: Service, entry: Entry) -> str:
    return (
        f"GET {API}{AT} HTTP/1.1\r\nHost: dms\r\n"
        f"Authorization: Bearer {service.token('alice')}\r\n"
        f'If-Match: "{entry.version}"\r\nRange: bytes=0-{entry.size - 1}\r\n\r\n'
    )


async def test_a_caller_that_leaves_leaves_the_service_well(
    ask: Ask, service: Service, file: Path
) -> None:
    os.truncate(file, 64 << 20)
    entry_text = ""
    async with ask("GET", "/entries/home/alice/file", "alice") as answer:
        entry_text = await answer.text()
    entry = Entry.model_validate_json(entry_text)
    for _ in range(5):
        reader, writer = await asyncio.open_connection(*_address(service))
        writer.write(_get(service, entry).encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
    async with ask("GET", AT, "alice", headers={"Range": "bytes=0-9"}) as answer:
        assert await answer.read() == bytes(range(10))


@pytest.mark.parametrize("extra", [1, 100 << 20])
async def test_a_body_beyond_the_limit_changes_nothing(
    service: Service, file: Path, extra: int
) -> None:
    before = _state(file)
    reader, writer = await asyncio.open_connection(*_address(service))
    writer.write(
        f"PATCH {API}{AT}?offset=0 HTTP/1.1\r\nHost: dms\r\n"
        f"Authorization: Bearer {service.token('alice')}\r\n"
        f"Content-Length: {MAX_BODY_BYTES + extra}\r\n\r\n".encode()
    )
    async with asyncio.timeout(30):
        assert (await reader.readline()).startswith(b"HTTP/1.1 4")
        await reader.read()
    writer.close()
    assert _state(file) == before


async def test_a_body_that_breaks_off_changes_nothing(
    ask: Ask, service: Service, file: Path
) -> None:
    before = _state(file)
    reader, writer = await asyncio.open_connection(*_address(service))
    writer.write(
        f"PATCH {API}{AT}?offset=0 HTTP/1.1\r\nHost: dms\r\n"
        f"Authorization: Bearer {service.token('alice')}\r\n"
        f"Content-Length: 10\r\n\r\nhalf".encode()
    )
    writer.write_eof()
    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()
    async with ask("GET", "/health") as answer:
        assert answer.status == 200
    assert _state(file) == before


@pytest.mark.parametrize(
    ("method", "resource", "body"),
    [
        ("PATCH", AT, b"x"),
        ("PATCH", f"{AT}?offset=-1", b"x"),
        ("PATCH", f"{AT}?offset=x", b"x"),
        ("PATCH", f"{AT}?offset={2**64}", b"x"),
        ("PUT", f"{AT}?mode=9", b""),
        ("PUT", AT, b"a body"),
        ("GET", "/entries/home?scan&limit=0", None),
        ("GET", "/entries/home/alice?scan&limit=x", None),
        ("PATCH", "/entries/home/alice/file", b""),
        ("PATCH", "/entries/home/alice/file", b"[]"),
        ("PATCH", "/entries/home/alice/file", b'{"mode": 4095}'),
        ("PATCH", "/entries/home/alice/file", b'{"size": -1}'),
        ("PATCH", "/entries/home/alice/file", b'{"size": 1, "mode": 384}'),
        ("PATCH", "/entries/home/alice/file", b'{"owner": "bob"}'),
        ("POST", "/rename", b'{"path": "/home/alice/file"}'),
        ("POST", "/rename", b"{"),
    ],
)
async def test_bad_requests_are_told_and_change_nothing(
    ask: Ask, file: Path, method: str, resource: str, body: bytes | None
) -> None:
    before = _state(file)
    async with ask(method, resource, "alice", data=body) as answer:
        assert answer.status == 400
        assert answer.content_type == CONTENT_TYPE
        told = json.loads(await answer.read())
    assert told["status"] == 400
    assert told["detail"]
    assert _state(file) == before


async def test_what_is_not_in_the_api_is_a_problem_too(ask: Ask) -> None:
    for method, resource, status in (
        ("GET", "/nothing", 404),
        ("GET", "", 404),
        ("DELETE", "/volumes", 405),
        ("POST", "/entries/home", 405),
    ):
        async with ask(method, resource, "alice") as answer:
            assert (answer.status, answer.content_type) == (status, CONTENT_TYPE)


async def test_an_answer_is_kept_by_nobody_in_between(ask: Ask, file: Path) -> None:
    for resource in ("/volumes", "/entries/home/alice/file", AT):
        async with ask("GET", resource, "alice") as answer:
            assert answer.headers["Cache-Control"] == "no-store"
