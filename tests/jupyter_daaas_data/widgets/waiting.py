"""Waiting for what happens in a widget's thread."""

from __future__ import annotations

import time
from collections.abc import Callable

DEADLINE_S = 30


def until(true: Callable[[], object]) -> None:
    """Return when ``true()`` is."""
    end = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
