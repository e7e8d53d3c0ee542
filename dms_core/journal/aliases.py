"""Ids of files that were replaced by what was sent from here: this mount goes on with the first.

Sending a file replaces it at the service, where it then has another id. To the
programs of this machine it is the same file, also in its inode number, by which
SQLite, HDF5 and others tell whether two open files are one. A storage may give
the id that became free to another file, which must then be shown with one that
nobody has.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from ..model import Entry
from ..paths import is_within

_REMEMBERED = 50_000
_REUSED = "~reused-"


class _Alias(NamedTuple):
    shown: str
    real: str


class Aliases:
    """Which id is shown for which. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_path: OrderedDict[str, _Alias] = OrderedDict()
        self._taken: OrderedDict[str, None] = OrderedDict()
        self._reuses: dict[str, int] = {}

    def replaced(self, path: str, shown: str, real: str) -> None:
        """The file at ``path``, shown as ``shown``, has the id ``real`` at the service now.

        Called with the same twice before it is replaced: from then on no other
        file is shown with this id, also not in the moment it becomes free.
        """
        with self._lock:
            self._by_path[path] = _Alias(shown, real)
            self._taken[shown] = None
            real_once, reused, number = shown.rpartition(_REUSED)
            if reused:
                self._reuses[real_once] = max(int(number), self._reuses.get(real_once, 0))
            while len(self._by_path) > _REMEMBERED:
                self._by_path.popitem(last=False)
            while len(self._taken) > 2 * _REMEMBERED:
                self._taken.popitem(last=False)

    def moved(self, path: str, to: str) -> None:
        """What was at and below ``path`` is at ``to`` now."""
        with self._lock:
            self._by_path.pop(to, None)
            for one in [one for one in self._by_path if is_within(one, path)]:
                self._by_path[to + one[len(path) :]] = self._by_path.pop(one)

    def shown(self, entry: Entry) -> Entry:
        """An entry of the service as it is shown."""
        alias = self._by_path.get(entry.path)
        if alias is not None and alias.real == entry.id:
            return entry.model_copy(update={"id": alias.shown})
        if entry.id not in self._taken:
            return entry
        free = f"{entry.id}{_REUSED}{self._reuses.get(entry.id, 0) + 1}"
        return entry.model_copy(update={"id": free})

    def real(self, entry: Entry) -> Entry:
        """The opposite of :meth:`shown`."""
        alias = self._by_path.get(entry.path)
        if alias is not None and alias.shown == entry.id:
            return entry.model_copy(update={"id": alias.real})
        real, reused, _ = entry.id.rpartition(_REUSED)
        return entry.model_copy(update={"id": real}) if reused else entry
