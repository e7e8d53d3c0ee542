"""Entries of the mount as models of the Jupyter Contents API. Pure.

The client checks every key of such a model, so all are there, null or not.
``dms`` is ours: the entry's :class:`dms_core.model.Status`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from posixpath import basename, join
from typing import Any

from dms_core.errors import BadRequest
from dms_core.model import Kind, Listed, Status

Model = dict[str, Any]

NANOSECONDS = 1_000_000_000


def tree_path(path: str) -> str:
    """The absolute tree path of a URL's or body's ``path``; ``BadRequest`` if it is none."""
    parts = [part for part in path.split("/") if part]
    if any(part in (".", "..") or "\0" in part for part in parts):
        raise BadRequest(f'"{path}" is not a path of the data tree; use one without "." and "..".')
    return "/" + "/".join(parts)


def mounted_path(mountpoint: str, path: str) -> str:
    """Where code on this machine finds the entry at tree path ``path``."""
    return join(mountpoint, path.lstrip("/")).rstrip("/") or "/"


def timestamp(ns: int) -> str:
    """Nanoseconds since the epoch as the API writes a time."""
    return datetime.fromtimestamp(ns / NANOSECONDS, UTC).isoformat().replace("+00:00", "Z")


def entry_model(status: Status, *, mtime_ns: int, folder: bool | None = None) -> Model:
    """The model of one entry, without its content.

    Args:
        status: Where its bytes are.
        mtime_ns: When it was last changed.
        folder: Whether to show it as a folder; None: as what it is.
    """
    if folder is None:
        folder = status.kind is Kind.FOLDER
    when = timestamp(mtime_ns)
    return {
        "name": basename(status.path),
        "path": status.path.lstrip("/"),
        "type": "directory" if folder else "file",
        "writable": status.writable,
        "created": when,
        "last_modified": when,
        "size": None if folder else status.size,
        "mimetype": None,
        "content": None,
        "format": None,
        "dms": status.model_dump(mode="json"),
    }


def folder_model(
    status: Status,
    rows: Iterable[Listed],
    *,
    mtime_ns: int,
    more: bool,
    searched: int,
    folder_links: Mapping[str, bool],
) -> Model:
    """The model of a folder with its rows.

    Args:
        status: The folder's.
        rows: What to show of it.
        mtime_ns: When the folder was last changed.
        more: Whether it has more (matching) entries than ``rows``.
        searched: Entries that were looked at to find the rows.
        folder_links: For the path of each link: whether it leads to a folder.
    """
    content = [
        entry_model(
            row.status, mtime_ns=row.entry.mtime_ns, folder=folder_links.get(row.entry.path)
        )
        for row in rows
    ]
    return {
        **entry_model(status, mtime_ns=mtime_ns, folder=True),
        "content": content,
        "format": "json",
        "listing": {"shown": len(content), "more": more, "searched": searched},
    }


def matches(row: Listed, text: str) -> bool:
    """Whether the row's name has ``text`` in it; upper and lower case are the same."""
    return text.casefold() in basename(row.entry.path).casefold()
