"""An entry in fsspec's words, and a range of it as slices have them. Pure."""

from __future__ import annotations

from typing import Any

from ..model import Entry, Kind

_TYPES = {Kind.FILE: "file", Kind.FOLDER: "directory", Kind.LINK: "link"}


def info_of(entry: Entry) -> dict[str, Any]:
    """An entry as fsspec describes one, and what only we know of it."""
    return {
        "name": entry.path,
        "type": _TYPES[entry.kind],
        "size": entry.size,
        "mtime": entry.mtime_ns / 1e9,
        "mode": entry.mode,
        "id": entry.id,
        "version": entry.version,
        "writable": entry.writable,
        "immutable": entry.immutable,
    }


def span_of(entry: Entry, start: int | None, end: int | None) -> tuple[int, int]:
    """A range as slices have it, in bytes from the file's beginning."""
    found = slice(start, end).indices(entry.size)
    return found[0], max(found[0], found[1])
