"""Waiting in an event loop, and how long things may take on a loaded machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 30.0


async def until(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Wait for ``condition``, or fail naming ``what``."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.005)


def pattern(file: Path, size: int) -> Path:
    """Fill a file so that every 16 bytes tell where they are."""
    file.write_bytes(b"".join(b"%015d\n" % at for at in range(0, size, 16))[:size])
    return file
