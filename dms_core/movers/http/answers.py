"""What a web server's answers say: listings, dates, ranges, multipart bodies. Pure.

Sources: RFC 9110 (conditional and range requests, multipart/byteranges) and
nginx's ``autoindex_format json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

from ...model import Entry, Kind
from ...paths import join
from ..base import Range, version_of

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)$")
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_MODES = {Kind.FILE: 0o444, Kind.FOLDER: 0o555}


class Span(NamedTuple):
    """What a ``Content-Range`` says."""

    offset: int
    length: int
    size: int


def span_of(content_range: str) -> Span | None:
    """The range of an answer; None if it names none."""
    found = _CONTENT_RANGE.match(content_range.strip())
    if found is None:
        return None
    first, last, size = map(int, found.groups())
    return Span(first, last - first + 1, size)


@lru_cache(4096)  # the files of a run share their dates
def seconds_of(date: str | None) -> int | None:
    """An HTTP date as seconds since the epoch."""
    try:
        return int(parsedate_to_datetime(date).timestamp()) if date else None
    except (ValueError, OverflowError):
        return None


def file_entry(path: str, size: int, mtime_s: int | None, tag: str | None) -> Entry:
    """A file; ``tag`` (an ETag) is its version if given, else size and time are."""
    return Entry(
        path=path,
        kind=Kind.FILE,
        id=path,
        version=tag or version_of(size, mtime_s or 0),
        size=size,
        mtime_ns=(mtime_s or 0) * 10**9,
        mode=_MODES[Kind.FILE],
    )


def folder_entry(path: str) -> Entry:
    """A folder, of which HTTP tells nothing more."""
    return Entry(
        path=path,
        kind=Kind.FOLDER,
        id=path,
        version="0",
        size=0,
        mtime_ns=0,
        mode=_MODES[Kind.FOLDER],
    )


def listed(body: bytes, folder: str) -> tuple[list[Entry], int]:
    """The entries of a JSON listing, and how many names were left out as not UTF-8.

    Raises:
        ValueError: it is no such listing.
    """
    rows = json.loads(body.decode(errors="surrogateescape"))
    if not isinstance(rows, list):
        raise ValueError("no list")
    found: list[Entry] = []
    skipped = 0
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise ValueError("no row of a listing")
        name = row["name"]
        if not name.isascii() and any("\ud800" <= c <= "\udfff" for c in name):
            skipped += 1
        elif name in ("", ".", "..") or "/" in name:
            continue
        elif row.get("type") == "directory":
            found.append(folder_entry(join(folder, name)))
        elif row.get("type") == "file" and isinstance(row.get("size"), int):
            mtime_s = seconds_of(row.get("mtime"))
            found.append(file_entry(join(folder, name), row["size"], mtime_s, None))
    return found, skipped


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a multipart answer; None if it is none."""
    if not content_type.lower().startswith("multipart/byteranges"):
        return None
    found = _BOUNDARY.search(content_type)
    return found[1].encode() if found else None


def parts_in(body: bytes, boundary: bytes, ranges: Sequence[Range], size: int) -> list[bytes]:
    """The bytes of ``ranges`` out of a multipart body.

    Raises:
        ValueError: it does not hold exactly these, of a file of ``size`` bytes.
    """
    found: dict[Range, bytes] = {}
    mark = b"--" + boundary
    at = body.find(mark)
    while at >= 0 and body[at + len(mark) : at + len(mark) + 2] != b"--":
        end_of_head = body.index(b"\r\n\r\n", at)
        head = body[at:end_of_head].decode("latin-1")
        line = next(one for one in head.split("\r\n") if one.lower().startswith("content-range:"))
        span = span_of(line.split(":", 1)[1])
        if span is None or span.size != size:
            raise ValueError("another range or file")
        begin = end_of_head + 4
        found[span.offset, span.length] = body[begin : begin + span.length]
        at = begin + span.length + 2
        if body[at : at + len(mark)] != mark:
            raise ValueError("a part of another length")
    try:
        return [found[one] for one in ranges]
    except KeyError:
        raise ValueError("a range is missing") from None
