"""The rows of one folder as the browser widget shows them. Pure.

A folder may have a hundred thousand entries, so a row is small, pages are
added as they come, and the page in the browser asks for windows of the view.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from posixpath import basename
from typing import Any

from dms_core.model import Kind, Listed, Status

NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class Row:
    """One entry: its name, what it is, and where its bytes are."""

    name: str
    path: str
    kind: str
    mtime_s: float
    status: Status

    def wire(self) -> list[Any]:
        """What the page needs, in the order of ``rows.js``."""
        status = self.status
        return [
            self.name,
            self.kind,
            status.size,
            round(self.mtime_s),
            status.state.value,
            status.percent,
            status.cached_bytes,
            status.writable,
            status.reason,
            status.remedy,
        ]


class Rows:
    """A folder's entries in the order of its listing, and the view that a filter leaves.

    Args:
        path: The folder's tree path.
        text: What the names of the view have in them; upper and lower case are the same.
    """

    def __init__(self, path: str, text: str = "") -> None:
        self.path = path
        self.complete = False
        self.all: list[Row] = []
        self.view: list[Row] = []
        self._by_path: dict[str, Row] = {}
        self.text = text

    def add(self, listed: Iterable[Listed]) -> None:
        """A further page of the listing."""
        text = self.text.casefold()
        for one in listed:
            entry = one.entry
            row = Row(
                name=basename(entry.path),
                path=entry.path,
                kind=entry.kind.value,
                mtime_s=entry.mtime_ns / NANOSECONDS,
                status=one.status,
            )
            self.all.append(row)
            self._by_path[row.path] = row
            if text in row.name.casefold():
                self.view.append(row)

    def filter(self, text: str) -> None:
        """View the rows whose names have ``text`` in them."""
        self.text, text = text, text.casefold()
        self.view = [row for row in self.all if text in row.name.casefold()]

    def update(self, statuses: Iterable[Status]) -> list[Row]:
        """Newer statuses; the rows that they are about."""
        changed = []
        for status in statuses:
            row = self._by_path.get(status.path)
            if row is not None:
                row.status = status
                changed.append(row)
        return changed

    def folders_above(self, paths: Iterable[str]) -> set[str]:
        """The folders among the rows that hold any of ``paths``, at any depth."""
        start = self.path.rstrip("/") + "/"
        found = set()
        for path in paths:
            name, below, _ = path.removeprefix(start).partition("/")
            row = self._by_path.get(start + name)
            if path.startswith(start) and below and row and row.kind == Kind.FOLDER:
                found.add(row.path)
        return found

    def window(self, first: int, end: int) -> list[Row]:
        """Rows ``[first, end)`` of the view, as far as there are any."""
        return self.view[max(first, 0) : max(end, 0)]

    def find(self, start: str, after: int) -> int | None:
        """The next row of the view from ``after`` on, and around, whose name starts so."""
        start = start.casefold()
        count = len(self.view)
        for index in chain(range(after, count), range(min(after, count))):
            if self.view[index].name.casefold().startswith(start):
                return index
        return None
