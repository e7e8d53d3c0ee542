"""What happened while a server starts, kept so that every open page can be told all of it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator

Event = dict[str, object]
"""``progress`` (percent), ``message``, and ``elapsed_s``: seconds since the start."""


class Journal:
    """The events of one start: one writer, any number of readers at any time."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all, for a new start."""
        self._events: list[Event] = []
        self._percent = 0
        self._started = time.monotonic()
        self._news = asyncio.Event()

    def tell(self, percent: int, message: str) -> None:
        """Add an event. The bar never goes back, and only the hub fills it."""
        self._percent = max(self._percent, min(percent, 99))
        elapsed_s = round(time.monotonic() - self._started, 2)
        if self._events and self._events[-1]["message"] == message:
            return
        self._events.append({"progress": self._percent, "message": message, "elapsed_s": elapsed_s})
        self._news.set()
        self._news = asyncio.Event()

    async def follow(self) -> AsyncGenerator[Event, None]:
        """Every event from the first, then each as it comes. Ends with its reader."""
        seen = 0
        while True:
            news = self._news  # taken before reading, or an event in between is missed
            for event in itertools.islice(self._events, seen, None):
                seen += 1
                yield dict(event)
            await news.wait()
