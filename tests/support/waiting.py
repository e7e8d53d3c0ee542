"""Waiting for a condition, with a word for it and a deadline: in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

WITHIN_S = 30.0
"""Long enough for what takes a moment, on a machine that is busy with other tests."""


def until(
    condition: Callable[[], object],
    what: str,
    within_s: float = WITHIN_S,
    every_s: float = 0.02,
) -> None:
    """Return when ``condition()`` is true.

    Args:
        condition: Asked at once, then every ``every_s`` seconds.
        what: What is waited for, as a clause: "the file is there".
        within_s: Deadline, in seconds.
        every_s: Pause between two looks, in seconds.

    Raises:
        AssertionError: it was not true in time; names ``what``.
    """
    for _ in _pauses(condition, what, within_s):
        time.sleep(every_s)


async def until_async(
    condition: Callable[[], object],
    what: str,
    within_s: float = WITHIN_S,
    every_s: float = 0.005,
) -> None:
    """:func:`until` in an event loop, which goes on meanwhile; ``condition`` is no coroutine."""
    for _ in _pauses(condition, what, within_s):
        await asyncio.sleep(every_s)


def _pauses(condition: Callable[[], object], what: str, within_s: float) -> Iterator[None]:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s:g} s: {what}"
        yield
