"""How long a pool takes to have one more machine, from those it made. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

UNKNOWN_S = 300.0
"""The refill time of a pool that has made no machine yet."""


def refill_s(boot_times_s: Sequence[float], quantile: float) -> float:
    """The ``quantile`` of the measured boot times, by the nearest rank, in seconds."""
    if not boot_times_s:
        return UNKNOWN_S
    ordered = sorted(boot_times_s)
    return ordered[min(len(ordered), max(1, ceil(quantile * len(ordered)))) - 1]
