"""Bookings of machines for a time: whether there is room for one, and what is kept for it. Pure.

A pool's machines are counted in one ledger: those that leases have, until they
end, and those that are booked, while the booking lasts. A booking is taken if so
many are free at every moment of it; a lease begins if it leaves every booking
its machines until it ends. Leases without an end last for ever here: give them
one (``lifetimes``), so that bookings fit beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil

from ..errors import Impossible, LimitReached
from ..model import Limit, Needs, Reservation
from .ahead import Window, free_ahead
from .facts import Counts, PoolFacts
from .limits import limit_of
from .match import counted, mismatch
from .rank import rank
from .rules import may_use

_LEAST_LEAD = timedelta(minutes=10)
_BOOT_S = 300.0
"""What a machine takes of a pool that has made none yet."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is known of the time ahead, in one state of the ledger."""

    now: datetime
    reservations: Sequence[Reservation] = ()
    """Not over and not cancelled."""
    held_until: Mapping[str, Sequence[datetime | None]] = field(default_factory=dict)
    """For each pool, when each lease ends that is of no booking; None: no end is known."""

    def free(self, facts: PoolFacts, start: datetime, end: datetime) -> int:
        """The fewest machines of a pool that are neither leased nor booked in that time."""
        windows = [window_of(each) for each in self.reservations if each.pool == facts.name]
        held = self.held_until.get(facts.name, ())
        return free_ahead(facts.pool.maximum, held, windows, start, end)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to book."""

    owner: str
    group: str
    needs: Needs
    machines: int
    starts_at: datetime
    ends_at: datetime


def window_of(reservation: Reservation) -> Window:
    """The machines that a booking takes of its pool, and when."""
    return Window(
        reservation.pool, reservation.machines, reservation.starts_at, reservation.ends_at
    )


def choose(
    wish: Wish, facts: Sequence[PoolFacts], taken: Taken, limits: Sequence[Limit] = ()
) -> PoolFacts:
    """The pool that a booking gets: the best that has room in all its time.

    Raises:
        Impossible: no pool is what is needed, or none has room; with what there is.
        LimitReached: its user or group would have more booked at once than allowed.
    """
    _check_limit(wish, taken.reservations, limits)
    fitting = [f for f in facts if not mismatch(wish.needs, f) and f.pool.maximum]
    if wish.needs.environment is None:  # what nobody named is for those only who may use it
        fitting = [f for f in fitting if may_use(f.environment, (wish.group,))]
    ranked = [each.facts for each in rank(wish.needs, fitting, {})]
    if not ranked:
        raise Impossible(
            f"no place has {wish.needs.environment or 'machines'} as they are needed: "
            "book less, or something else"
        )
    for each in ranked:
        if taken.free(each, wish.starts_at, wish.ends_at) >= wish.machines:
            return each
    raise Impossible(_full(wish, ranked, taken))


def lead(machines: int, boot_times_s: Sequence[float], at_once: int) -> timedelta:
    """How long before its start machines are made for a booking.

    Half as long again as they take in the batches in which a cloud is asked for them.

    Args:
        machines: that are booked.
        boot_times_s: what past machines of the pool took.
        at_once: machines on their way at the cloud at any time.
    """
    slow_s = sorted(boot_times_s)[int(0.95 * (len(boot_times_s) - 1))] if boot_times_s else _BOOT_S
    needed = timedelta(seconds=1.5 * slow_s * ceil(machines / at_once))
    return max(_LEAST_LEAD, needed)


def due(reservations: Iterable[Reservation], now: datetime) -> Counter[str]:
    """For each pool, the machines that must be ready now for bookings and are not leased yet."""
    kept: Counter[str] = Counter()
    for each in reservations:
        if each.cancelled_at is None and each.ready_from <= now < each.ends_at:
            kept[each.pool] += max(0, each.machines - each.used)
    return kept


def hold_back(counts: Mapping[str, Counts], kept: Mapping[str, int]) -> dict[str, Counts]:
    """The counts as they are for who has no booking: what is kept for one is not free."""
    held = dict(counts)
    for pool, number in kept.items():
        if pool in held:
            free = held[pool].free
            booting = held[pool].booting - max(0, number - free)
            held[pool] = replace(held[pool], free=max(0, free - number), booting=max(0, booting))
    return held


def booked(
    facts: Iterable[PoolFacts], taken: Taken, ends_at: datetime | None
) -> dict[str, datetime]:
    """Pools that have no machine for a lease from now on until it ends, and until when not.

    Only pools with bookings are in question: elsewhere who comes first is served first.
    """
    end = ends_at or max((each.ends_at for each in taken.reservations), default=taken.now)
    closed = {}
    for each in facts:
        lasting = [r for r in taken.reservations if r.pool == each.name]
        if lasting and taken.free(each, taken.now, end) < 1:
            closed[each.name] = max(r.ends_at for r in lasting)
    return closed


def usable(
    reservations: Iterable[Reservation],
    now: datetime,
    owner: str,
    groups: Collection[str],
    needs: Needs,
) -> Reservation | None:
    """The booking that a request is served from although it names none, the first to end."""
    found = [
        each
        for each in reservations
        if each.is_open(now)
        and each.used < each.machines
        and each.is_for(owner, groups)
        and _meets(each.needs, needs)
    ]
    return min(found, key=lambda each: (each.ends_at, each.id), default=None)


def _meets(has: Needs, needs: Needs) -> bool:
    """Whether machines that were booked for ``has`` are what a request needs."""
    return (
        needs.environment in (None, has.environment)
        and needs.cpus <= has.cpus
        and needs.ram_gb <= has.ram_gb
        and needs.gpus <= has.gpus
        and needs.gpu_model in (None, has.gpu_model)
        and (not needs.locations or set(has.locations) <= set(needs.locations) != set())
    )


def _check_limit(wish: Wish, reservations: Iterable[Reservation], limits: Sequence[Limit]) -> None:
    limit = limit_of(limits, group=wish.group) if wish.group else limit_of(limits, user=wish.owner)
    if limit is None or limit.machines is None:
        return
    theirs = [
        Window("", each.machines, each.starts_at, each.ends_at)
        for each in reservations
        if (each.group == wish.group if wish.group else not each.group and each.owner == wish.owner)
    ]
    left = free_ahead(limit.machines, (), theirs, wish.starts_at, wish.ends_at)
    if wish.machines > left:
        who = f"the group {wish.group}" if wish.group else wish.owner
        raise LimitReached(
            f"{who} may have {counted(limit.machines, 'machine')} at once and can book "
            f"{left} of them in that time: book fewer, or another time"
        )


def _full(wish: Wish, ranked: Sequence[PoolFacts], taken: Taken) -> str:
    """What there is instead of what cannot be booked."""
    best = max(ranked, key=lambda each: taken.free(each, wish.starts_at, wish.ends_at))
    most = taken.free(best, wish.starts_at, wish.ends_at)
    wanted = counted(wish.machines, "machine")
    said = f"{wanted} cannot be booked then: {best.location.title} has {most or 'none'} left"
    offers = [f"book {most}"] if most else []
    if later := _later(wish, ranked, taken):
        offers.append(f"begin at {later:%Y-%m-%d %H:%M} UTC")
    return f"{said}; {', or '.join(offers) or 'book fewer, or elsewhere'}"


def _later(wish: Wish, ranked: Sequence[PoolFacts], taken: Taken) -> datetime | None:
    """The next time at which as many can be had for as long."""
    lasts = wish.ends_at - wish.starts_at
    ends = {each.ends_at for each in taken.reservations}
    ends |= {end for held in taken.held_until.values() for end in held if end is not None}
    for start in sorted(end for end in ends if end > wish.starts_at):
        if any(taken.free(each, start, start + lasts) >= wish.machines for each in ranked):
            return start
    return None
