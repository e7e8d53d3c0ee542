"""What servers answer, taken apart: without a server, because real ones are well behaved."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dms_core import errors
from dms_core.movers.base import merged
from dms_core.movers.gridftp import replies
from dms_core.movers.gridftp.blocks import Channels, Landing, _Channel
from dms_core.movers.gridftp.control import Broken
from dms_core.movers.http import answers

HEAD = struct.Struct(">BQQ")


@given(some.lists(some.tuples(some.integers(0, 60), some.integers(1, 20))))
def test_merged_ranges_are_the_same_bytes(ranges: list[tuple[int, int]]) -> None:
    found = merged(ranges)
    assert {at for a, n in found for at in range(a, a + n)} == {
        at for a, n in ranges for at in range(a, a + n)
    }
    ends = [offset + length for offset, length in found]
    assert all(end < offset for end, (offset, _) in zip(ends, found[1:], strict=False))


@given(some.text(some.characters(exclude_characters="\r\n/\0", codec="utf-8"), min_size=1))
def test_names_come_out_of_facts_as_they_are(name: str) -> None:
    facts, found = replies.facts_of(f" Type=file;Size=3;Modify=20260102030405; {name}")
    assert (found, facts["type"], facts["size"]) == (name, "file", "3")


def test_facts_of_a_file() -> None:
    line = " Type=file;Modify=20260102030405.123;Size=3;Perm=r;UNIX.mode=04755; a"
    entry = replies.entry_of(line, "/a")
    assert entry is not None
    assert (entry.size, entry.mtime_ns, entry.mode) == (3, 1767323045 * 10**9, 0o755)
    for odd in (" Type=OS.unix=pipe;Modify=20260102030405; a", " Type=file; a", "", " Modify=x; a"):
        assert replies.entry_of(odd, "/a") is None
    assert replies.entry_of(" Type=file;Size=x;Modify=20260102030405; a", "/a") is None


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (["550-GridFTP-Errno: 2", "550 End."], errors.NotFound),
        (["550-GridFTP-Errno: 20", "550 End."], errors.NotAFolder),
        (["550-GridFTP-Errno: 13", "550 End."], errors.NotAllowed),
        (["500 Command failed : Path not allowed."], errors.NotAllowed),
        (["550 a: No such file or directory"], errors.NotFound),
        (["451 disk on fire"], errors.DmsError),
    ],
)
def test_refusals(lines: list[str], kind: type[errors.DmsError]) -> None:
    reply = replies.Reply(int(lines[0][:3]), lines)
    error = replies.error_of(reply, "/a", "ftp://h/")
    assert type(error) is kind
    assert str(error).startswith("/a ")


class Wire(asyncio.Transport):
    """What a channel aborts when it is sent nonsense."""

    def abort(self) -> None:
        pass


async def channel_of(landing: Landing) -> _Channel:
    channels = Channels(None)
    channels.landing = landing
    channel = _Channel(channels)
    channel._transport = Wire()
    return channel


def feed(channel: _Channel, data: bytes, step: int) -> None:
    while data:
        room = channel.get_buffer(-1)
        count = min(len(room), step, len(data))
        room[:count] = data[:count]
        data = data[count:]
        channel.buffer_updated(count)


@pytest.mark.parametrize("step", [1, 3, 17, 1000])
async def test_blocks_land_in_any_order_and_split(step: int) -> None:
    landing = Landing([(10, 6), (100, 4)])
    channel = await channel_of(landing)
    feed(channel, HEAD.pack(0, 4, 100) + b"wxyz", step)
    feed(channel, HEAD.pack(0, 2, 14) + b"ef" + HEAD.pack(0x40, 0, 1), step)
    feed(channel, HEAD.pack(0x08, 4, 10) + b"abcd", step)
    await landing.done
    assert landing.result() == [b"abcdef", b"wxyz"]


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        ([(0, 4, 9)], "nobody asked for"),
        ([(0, 4, 14)], "nobody asked for"),
        ([(0, 1 << 60, 10)], "nobody asked for"),
        ([(0, 3, 10), (0, 3, 10), (0x48, 0, 1)], "twice"),
        ([(0, 3, 10), (0x48, 0, 1)], "fewer"),
    ],
)
async def test_blocks_that_are_wrong_are_never_given_out(
    blocks: list[tuple[int, int, int]], told: str
) -> None:
    landing = Landing([(10, 6)])
    channel = await channel_of(landing)
    for flags, count, offset in blocks:
        feed(channel, HEAD.pack(flags, count, offset) + b"x" * min(count, 9), 1000)
        if landing.done.done():
            break
    assert landing.done.done()
    with pytest.raises(Broken, match=told):
        landing.done.result() or landing.result()


def test_multipart_bodies_are_taken_apart_or_refused() -> None:
    def part(offset: int, data: bytes, size: int = 100) -> bytes:
        span = f"bytes {offset}-{offset + len(data) - 1}/{size}"
        return b"\r\n--B\r\nContent-Type: x\r\nContent-Range: %s\r\n\r\n%s" % (span.encode(), data)

    whole = part(0, b"--B\r\n--B--") + part(50, b"\r\n\r\n") + b"\r\n--B--\r\n"
    assert answers.parts_in(whole, b"B", [(50, 4), (0, 10)], 100) == [b"\r\n\r\n", b"--B\r\n--B--"]
    for body, ranges, size in (
        (whole, [(0, 11)], 100),
        (whole, [(0, 10)], 101),
        (whole[:-30], [(0, 10), (50, 4)], 100),
        (b"", [(0, 10)], 100),
    ):
        with pytest.raises((ValueError, StopIteration)):
            answers.parts_in(body, b"B", ranges, size)


def test_listings_that_are_none() -> None:
    for body in (b"<html>", b"{}", b'["a"]', b'[{"type": "file"}]', b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever JSON says of it
            answers.listed(body, "/")
    found, skipped = answers.listed(
        b'[{"name": "..", "type": "directory"}, {"name": "a/b", "type": "file", "size": 1},'
        b' {"name": "f", "type": "other"}, {"name": "x\xff", "type": "file", "size": 1}]',
        "/",
    )
    assert (found, skipped) == ([], 1)
