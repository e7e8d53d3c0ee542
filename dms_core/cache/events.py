"""Who is told when something changes: paths whose state moved, transfers, reachability.

A path that changes many times a second is reported a few times a second.
Publishing belongs to one event loop; so do the subscribers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..model import Transfer

Event = str | Transfer | None
"""A path whose status changed, a transfer as it is now, or None: the mount itself."""

_PAUSE_S = 0.2


class Events:
    """A list of subscribers and the paths they will hear of next."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[Event], None]] = []
        self._touched: dict[str, None] = {}

    @contextmanager
    def subscribed(self, tell: Callable[[Event], None]) -> Iterator[None]:
        """Have ``tell`` called with every event; it must not block."""
        self._subscribers.append(tell)
        try:
            yield
        finally:
            self._subscribers.remove(tell)

    def touched(self, path: str) -> None:
        """The status of ``path`` changed; told within a fraction of a second."""
        if not self._subscribers:
            return
        if not self._touched:
            asyncio.get_running_loop().call_later(_PAUSE_S, self._tell_touched)
        self._touched[path] = None

    def transfer(self, transfer: Transfer) -> None:
        """A transfer moved."""
        self._tell(transfer)

    def reach_changed(self) -> None:
        """The source can be reached again, or no longer."""
        self._tell(None)

    def _tell_touched(self) -> None:
        touched, self._touched = self._touched, {}
        for path in touched:
            self._tell(path)

    def _tell(self, event: Event) -> None:
        for tell in list(self._subscribers):
            tell(event)
