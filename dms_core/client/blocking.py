"""Run an async client from blocking code, also inside a notebook's running loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

_T = TypeVar("_T")


class Background:
    """An event loop in a thread of its own; ends with :meth:`close` or the program."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="dms-client", daemon=True
        )
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Wait for ``coroutine`` and give its result or raise its error."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, items: AsyncIterator[_T]) -> Iterator[_T]:
        """The items one by one, as they come."""

        async def following() -> tuple[_T] | None:
            try:
                return (await anext(items),)
            except StopAsyncIteration:
                return None

        while (found := self.run(following())) is not None:
            yield found[0]

    def close(self) -> None:
        """End the thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
