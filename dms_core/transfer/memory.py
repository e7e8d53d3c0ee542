"""What is remembered of replicas: their own names for entries, and which entries they fail.

A storage reads by its own id and version, so these are kept for what was shown;
and a storage whose copy of an entry is of no use is not asked for it for a while.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict

from ..model import Entry

MAX_REMEMBERED = 20_000
"""Entries whose storages' own ids and versions are kept, the oldest going first."""
ASIDE_S = 60.0
"""A storage whose copy of an entry is of no use is asked for that entry again after this."""


class Memory:
    """Of the storages of one volume, by their names."""

    def __init__(self) -> None:
        self._own: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self._aside: dict[tuple[str, str], float] = {}

    def own(self, name: str, path: str) -> Entry | None:
        """The entry as the storage told it last, if that is kept."""
        return self._own.get((name, path))

    def remember(self, name: str, own: Entry) -> None:
        """Keep an entry as the storage tells it."""
        self._own[name, own.path] = own
        self._own.move_to_end((name, own.path))
        while len(self._own) > MAX_REMEMBERED:
            self._own.popitem(last=False)

    def forget(self, name: str, path: str) -> None:
        """Ask the storage again for the entry when it is needed."""
        self._own.pop((name, path), None)

    def set_aside(self, name: str, path: str) -> None:
        """Do not use the storage for this entry for a while."""
        self._drop_expired()
        self._aside[name, path] = time.monotonic() + ASIDE_S
        self.forget(name, path)

    def take_back(self, name: str, path: str) -> None:
        """Use the storage for this entry again, and ask it anew."""
        self._aside.pop((name, path), None)
        self.forget(name, path)

    def is_aside(self, name: str, path: str) -> bool:
        """Whether the storage is not used for this entry now."""
        return self._aside.get((name, path), 0.0) > time.monotonic()

    def aside(self) -> Counter[str]:
        """For each storage, for how many entries it is not used now."""
        self._drop_expired()
        return Counter(name for name, _ in self._aside)

    def _drop_expired(self) -> None:
        now = time.monotonic()
        self._aside = {key: until for key, until in self._aside.items() if until > now}
