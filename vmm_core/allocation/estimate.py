"""When the next machine of a pool will be free, as far as the past tells. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

_ABOUT_NOW_S = 1.0
"""A boot that takes longer than usual is expected to end in a moment."""


def next_in_s(
    *,
    free: int,
    ahead: int,
    booting_for_s: Sequence[float],
    boot_times_s: Sequence[float],
    room: bool,
) -> float | None:
    """Seconds until one more request would have a machine; 0 if one is free now.

    Args:
        free: machines that are vacant.
        ahead: requests that wait for this pool already.
        booting_for_s: for each machine on its way, how long it has been so.
        boot_times_s: what past machines of the pool took; empty if there were none.
        room: whether the pool may make one more.

    Returns:
        None if there is nothing to tell it from.
    """
    place = ahead - free
    if place < 0:
        return 0.0
    if not boot_times_s:
        return None
    usual_s = median(boot_times_s)
    ages_s = sorted(booting_for_s, reverse=True)
    if place < len(ages_s):
        return max(usual_s - ages_s[place], _ABOUT_NOW_S)
    return usual_s if room else None
