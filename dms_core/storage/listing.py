"""The sorted names of large folders, kept between the pages of one scan.

A page needs the names after its cursor in byte order, and a folder has to be
read whole to know them. The names are kept while the folder stays as it was,
so that 100 pages cost one listing; the first page of a scan always lists anew.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections import OrderedDict

MAX_KEPT_NAMES = 2_000_000
"""Names kept over all folders, the oldest folder going first."""


class Listings:
    """Sorted names by folder; safe to use from several threads."""

    def __init__(self, max_kept_names: int = MAX_KEPT_NAMES) -> None:
        self.skipped_names = 0
        self._max = max_kept_names
        self._kept: OrderedDict[tuple[int, ...], list[str]] = OrderedDict()
        self._lock = threading.Lock()

    def names(self, folder_fd: int, cursor: str | None) -> list[str]:
        """Names in the folder after ``cursor`` (None: all), in byte order."""
        info = os.fstat(folder_fd)
        key = (info.st_dev, info.st_ino, info.st_mtime_ns, info.st_ctime_ns)
        names = None
        if cursor is not None:
            with self._lock:
                names = self._kept.get(key)
        if names is None:
            names = self._list(folder_fd)
            self._keep(key, names)
        if cursor is None:
            return names
        return names[bisect_right(names, cursor) :]

    def _list(self, folder_fd: int) -> list[str]:
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder_fd)
        try:
            listed = os.listdir(fd)  # noqa: PTH208 - by descriptor
        finally:
            os.close(fd)
        names = [name for name in listed if _is_utf8(name)]
        self.skipped_names += len(listed) - len(names)
        names.sort()  # by code point, which is the byte order of UTF-8
        return names

    def _keep(self, key: tuple[int, ...], names: list[str]) -> None:
        with self._lock:
            self._kept[key] = names
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self._max:
                self._kept.popitem(last=False)


def _is_utf8(name: str) -> bool:
    """Whether it was read as UTF-8, not escaped byte by byte."""
    return name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name)
