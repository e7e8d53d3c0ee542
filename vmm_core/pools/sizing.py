"""How many machines of a pool should be vacant now. Pure.

A fixed floor for now; a policy is a function of a pool and the time.
"""

from __future__ import annotations

from datetime import datetime

from ..model import Pool


def fixed_floor(pool: Pool, _now: datetime) -> int:
    """What the catalogue says, whatever the time."""
    return min(pool.ready, pool.maximum)
