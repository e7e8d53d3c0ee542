"""Open files of a mount and which version of each the kernel has in its page cache."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass

from ..model import Entry

_REMEMBERED = 20_000


@dataclass(slots=True)
class Handle:
    """One open file. ``entry`` is the version it reads; for a writer, the last it wrote."""

    entry: Entry
    append: bool = False
    writing: bool = False
    held: Entry | None = None
    """What was reported as opened to the cache, to be closed with the same."""


class Handles:
    """Numbers for open files. Any thread."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[int, Handle] = {}
        self._versions: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, handle: Handle) -> int:
        """A number for an open file."""
        number = next(self._numbers)
        with self._lock:
            self._open[number] = handle
        return number

    def get(self, number: int) -> Handle | None:
        """The open file of that number."""
        return self._open.get(number)

    def remove(self, number: int) -> Handle | None:
        """Forget it."""
        with self._lock:
            return self._open.pop(number, None)

    def all(self) -> list[Handle]:
        """What is open now."""
        with self._lock:
            return list(self._open.values())

    def same_as_before(self, entry: Entry) -> bool:
        """Whether this path was last opened with these very bytes; notes them for next time.

        The kernel may then keep the pages it has.
        """
        now = (entry.id, entry.version)
        with self._lock:
            before = self._versions.get(entry.path)
            self._versions[entry.path] = now
            self._versions.move_to_end(entry.path)
            while len(self._versions) > _REMEMBERED:
                self._versions.popitem(last=False)
        return before == now
