"""What is kept for bookings while machines are handed out, and what is left for others. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ..errors import Conflict, LimitReached, NotFound
from ..model import Needs, Reservation
from .bookings import Taken, booked, due, hold_back, usable
from .explain import Decision, decide
from .facts import Counts, PoolFacts
from .queue import Ask
from .rules import Rules, may_use


class Books:
    """The bookings during one pass; they change as leases of them begin."""

    def __init__(self, taken: Taken, kept: Mapping[str, int] | None = None) -> None:
        """``kept`` is how many machines of each pool are; None: as the bookings say."""
        self._now = taken.now
        self._open = {each.id: each for each in taken.reservations}
        self._held: dict[str, list[datetime | None]] = {
            pool: list(ends) for pool, ends in taken.held_until.items()
        }
        self._kept = Counter(due(taken.reservations, taken.now) if kept is None else kept)

    def copy(self) -> Books:
        """Books that change by themselves."""
        return Books(Taken(self._now, list(self._open.values()), self._held), self._kept)

    def join(self, asks: Iterable[Ask]) -> None:
        """Keep a machine for each lease of a booking that has none yet."""
        for ask in asks:
            if ask.booking is not None:
                self._kept[ask.booking.pool] += 1

    def find(
        self, named: str | None, owner: str, groups: Sequence[str], needs: Needs
    ) -> Reservation | None:
        """The booking that a request is part of: the one it names, or one that fits.

        Raises:
            NotFound: there is none of that name for the owner.
            Conflict: it has not begun.
            LimitReached: all its machines are in use.
        """
        if named is None:
            return usable(self._open.values(), self._now, owner, groups, needs)
        found = self._open.get(named)
        if found is None or not found.is_for(owner, groups):
            raise NotFound(
                f"there is no reservation {named!r} for {owner}: it is over, cancelled or somebody "
                "else's; ask without one, or see `vmm reservations`"
            )
        if not found.is_open(self._now):
            raise Conflict(
                f"reservation {named} begins at {found.starts_at:%Y-%m-%d %H:%M} UTC: ask again "
                "then, or ask without it"
            )
        if found.used >= found.machines:
            raise LimitReached(
                f"all {found.machines} machines of reservation {named} are in use: "
                "release one first, or ask without it"
            )
        return found

    def use(self, booking: Reservation) -> None:
        """A request that may have a lease is part of it: one machine is not for others of it."""
        left = self._open[booking.id]
        self._open[booking.id] = left.model_copy(update={"used": left.used + 1})
        self._kept[booking.pool] = max(0, self._kept[booking.pool] - 1)

    def of(self, reservation: str | None) -> Reservation | None:
        """The booking of a lease, if it lasts."""
        return self._open.get(reservation or "")

    def decision(self, rules: Rules, ask: Ask, counts: Mapping[str, Counts]) -> Decision:
        """Which pools can serve it: its booking's, or all with what no booking keeps."""
        if ask.booking is not None:
            pool = ask.booking.pool
            return decide(ask.needs, [each for each in rules.facts if each.name == pool], counts)
        if not self._open:
            return rules(ask.needs, counts, ask.groups)
        taken = Taken(self._now, list(self._open.values()), self._held)
        shut = {
            pool: f"its machines are booked until {until:%Y-%m-%d %H:%M} UTC"
            for pool, until in shut_for(ask.groups, rules, taken).items()
        }
        facts = [
            replace(each, unavailable=shut.get(each.name, each.unavailable))
            for each in rules.facts
            if may_use(each.environment, ask.groups)
        ]
        return replace(rules, facts=facts)(ask.needs, hold_back(counts, self._kept), ask.groups)

    def took(self, ask: Ask, facts: PoolFacts, ends_at: datetime | None) -> None:
        """Count a machine that is handed out."""
        if ask.booking is not None:
            self._kept[facts.name] = max(0, self._kept[facts.name] - 1)
        else:
            self._held.setdefault(facts.name, []).append(ends_at)


def shut_for(groups: Sequence[str], rules: Rules, taken: Taken) -> dict[str, datetime]:
    """Pools without a machine for a new lease of a member of ``groups``, and until when."""
    group = next(iter(groups), "")
    found: dict[str, datetime] = {}
    for each in rules.facts:
        found |= booked([each], taken, rules.ends_at(group, each.environment.name, taken.now))
    return found


def nothing_booked(now: datetime) -> Books:
    """No bookings."""
    return Books(Taken(now))
