"""The ``Range`` header of HTTP (RFC 9110, section 14), one range of bytes at a time."""

from __future__ import annotations

import re

_SPEC = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


class UnsatisfiableRangeError(ValueError):
    """The range has no byte of the file."""


def span_of(header: str | None, size: int) -> tuple[int, int] | None:
    """(offset, length) of the range in a file of ``size`` bytes; None for all of it.

    Several ranges at once, other units and what cannot be read are ignored, as
    the RFC allows: the answer is then the whole file.

    Raises:
        UnsatisfiableRangeError: it starts after the end, or asks for no bytes.
    """
    match = _SPEC.fullmatch(header.strip()) if header else None
    if match is None or not any(match.groups()) or max(map(len, match.groups())) > 19:
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise UnsatisfiableRangeError
        return size - length, length
    offset = int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < offset:
        return None
    if offset >= size:
        raise UnsatisfiableRangeError
    return offset, end - offset
