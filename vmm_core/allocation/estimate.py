"""When machines of a pool will be free, as far as the past tells. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

_ABOUT_NOW_S = 1.0
"""A boot that takes longer than usual is expected to end in a moment."""


def arrivals_s(
    *,
    free: int,
    booting_for_s: Sequence[float],
    boot_times_s: Sequence[float],
    room: int,
    ends_in_s: Sequence[float] = (),
) -> list[float]:
    """In how many seconds each machine is free that can be told of, the soonest first.

    Args:
        free: machines that are vacant: they are free in 0 s.
        booting_for_s: for each machine on its way, how long it has been so.
        boot_times_s: what past machines of the pool took; empty if there were none,
            and then nothing can be told but what is free now.
        room: how many more machines the pool may make now.
        ends_in_s: in how many seconds leases of its machines end. A machine serves
            one user: what is free then is the room for another one, which boots.
    """
    soon = [0.0] * free
    if boot_times_s:
        usual_s = median(boot_times_s)
        soon += [max(usual_s - age_s, _ABOUT_NOW_S) for age_s in booting_for_s]
        soon += [usual_s] * max(room, 0)
        soon += [max(end_s, 0.0) + usual_s for end_s in ends_in_s]
    return sorted(soon)


def nth(arrivals: Sequence[float], ahead: int) -> float | None:
    """When one has a machine before whom ``ahead`` others get theirs; None if it cannot be told."""
    return arrivals[ahead] if ahead < len(arrivals) else None


def next_in_s(
    *,
    ahead: int,
    free: int,
    booting_for_s: Sequence[float],
    boot_times_s: Sequence[float],
    room: int,
    ends_in_s: Sequence[float] = (),
) -> float | None:
    """Seconds until one more request would have a machine of a pool; 0 if one is free now.

    ``ahead`` is how many wait for the pool already, the rest as for :func:`arrivals_s`. None if
    there is nothing to tell it from.
    """
    arrivals = arrivals_s(
        free=free,
        booting_for_s=booting_for_s,
        boot_times_s=boot_times_s,
        room=room,
        ends_in_s=ends_in_s,
    )
    return nth(arrivals, ahead)
