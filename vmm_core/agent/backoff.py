"""When to dial again: ever later, never all machines at once."""

from __future__ import annotations

import random
from collections.abc import Iterator


def delays(first_s: float = 0.1, most_s: float = 15.0) -> Iterator[float]:
    """Seconds to wait before each next attempt, without end.

    The ceiling doubles up to ``most_s``; the wait is a random part of it, at least half.
    """
    ceiling = first_s
    while True:
        yield ceiling * random.uniform(0.5, 1)  # noqa: S311 - jitter, no secret
        ceiling = min(most_s, ceiling * 2)
