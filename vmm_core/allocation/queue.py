"""Whose turn it is: the fair order of those who wait, and each one's place in it. Pure.

The group that uses the smallest share of what it may have comes first, and of its members
the one who waits longest; each machine given counts at once, so that groups take turns within
one pass. Those without a group take turns as one group. Who has waited for ``PATIENCE_S`` is
overtaken by nobody who came later: without that, a group that gives its machines back quickly
would always come before one that keeps them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model import Needs, Reservation
from .estimate import nth
from .facts import Counts
from .limits import NOTHING, Amount, Usage, exceeded, limit_of, of_needs, share, weight
from .rules import Rules

PATIENCE_S = 600.0
"""Seconds after which age alone counts. Shorter than the longest wait before a refusal."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One who waits for a machine."""

    lease: str
    needs: Needs
    owner: str
    groups: tuple[str, ...]
    """All that the owner is a member of, the most wanted first."""
    since: datetime
    booking: Reservation | None = None
    """That it is part of, and from which alone it gets its machine."""


class Turns:
    """Says whose turn it is, one after the other; tell it what was handed out by :meth:`took`."""

    def __init__(self, asks: Iterable[Ask], rules: Rules, usage: Usage, now: datetime) -> None:
        """``usage`` is looked at for every turn, and changed by nobody here."""
        self._rules, self._usage = rules, usage
        self._patient_since = now - timedelta(seconds=PATIENCE_S)
        self._lines: dict[str, deque[Ask]] = {}
        for ask in sorted(asks, key=_age):
            self._lines.setdefault(self._line_of(ask), deque()).append(ask)
        self._limits = {
            group: limit_of(rules.limits, group=group) if group else None for group in self._lines
        }
        self._otherwise = weight(rules.limits)

    def __iter__(self) -> Iterator[Ask]:
        while self._lines:
            group = min(self._lines, key=self._place)
            line = self._lines[group]
            ask = line.popleft()
            if not line:
                del self._lines[group]
            yield ask

    def took(self, ask: Ask, group: str, amount: Amount) -> None:
        """Count what one was given."""
        self._usage.take(ask.owner, group, amount)

    def _line_of(self, ask: Ask) -> str:
        """The group it stands for: that has room for what it asks for, else its first."""
        for group in ask.groups if len(ask.groups) > 1 else ():
            limit = limit_of(self._rules.limits, group=group)
            used = self._usage.groups.get(group, NOTHING)
            if not exceeded(limit, used, of_needs(ask.needs)):
                return group
        return next(iter(ask.groups), "")

    def _place(self, group: str) -> tuple[int, float, datetime, str]:
        first = self._lines[group][0]
        if first.since <= self._patient_since:
            return (0, 0.0, *_age(first))
        used = self._usage.groups.get(group, NOTHING)
        return (1, share(self._limits[group], used, self._otherwise), *_age(first))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one stands who waits."""

    ask: Ask
    place: int
    """Among those who compete for the same pools; 1 is next."""
    of_group: int
    """How many of those before it are of its group."""
    pools: frozenset[str]
    """Those that can serve it."""
    group: str = ""
    """That it will count for, as things are now; empty: none."""
    held: str = ""
    """The limit that keeps it from its turn, in words; empty if none does."""

    def estimate_s(self, arrivals_s: Mapping[str, Sequence[float]]) -> float | None:
        """When its machine is there, from when machines of each pool are; None: cannot be told.

        Nothing is known of when somebody releases a machine, which would end a hold.
        """
        if self.held:
            return None
        return nth(
            sorted(s for pool in self.pools for s in arrivals_s.get(pool, ())), self.place - 1
        )


def standings(
    asks: Sequence[Ask], rules: Rules, counts: Mapping[str, Counts], usage: Usage, now: datetime
) -> list[Standing]:
    """Where all stand who wait, in the order in which they will be served.

    Last come those whom a limit holds, because they are in nobody's way.
    """
    usage = usage.copy()
    turns = Turns(asks, rules, usage, now)
    before: Counter[frozenset[str]] = Counter()
    of_group: Counter[tuple[str, frozenset[str]]] = Counter()
    known: dict[tuple[Needs, tuple[str, ...]], tuple[frozenset[str], str]] = {}
    found, held = [], []
    by_name = {facts.name: facts for facts in rules.facts}
    for ask in turns:
        if ask.booking is not None:
            pool = frozenset({ask.booking.pool})
            found.append(_standing(ask, pool, ask.booking.group, "", before, of_group))
            continue
        kind = (ask.needs, ask.groups)
        if kind not in known:
            ranked = rules(ask.needs, counts, ask.groups).ranked
            best = ranked[0].facts.name if ranked else ""
            known[kind] = (frozenset(r.facts.name for r in ranked), best)
        pools, best = known[kind]
        group, why = next(iter(ask.groups), ""), ""
        if best:
            charges = [rules.charge(ask.owner, ask.groups, by_name[best], usage)]
            if charges[0].held:  # then a smaller one may do
                charges += [
                    rules.charge(ask.owner, ask.groups, by_name[name], usage) for name in pools
                ]
            fine = next((charge for charge in charges if not charge.held), None)
            group, why = (fine or charges[0]).group, "" if fine else charges[0].held
        if why:
            held.append((ask, pools, group, why))
            continue
        turns.took(ask, group, of_needs(ask.needs))
        found.append(_standing(ask, pools, group, "", before, of_group))
    return found + [_standing(*each, before, of_group) for each in held]


def _standing(
    ask: Ask,
    pools: frozenset[str],
    group: str,
    why: str,
    before: Counter[frozenset[str]],
    of_group: Counter[tuple[str, frozenset[str]]],
) -> Standing:
    ahead = sum(number for each, number in before.items() if each & pools or each == pools)
    theirs = sum(
        number for (who, each), number in of_group.items() if who == group and each & pools
    )
    before[pools] += 1
    if group:
        of_group[group, pools] += 1
    return Standing(ask, ahead + 1, theirs, pools, group, why)


def _age(ask: Ask) -> tuple[datetime, str]:
    return ask.since, ask.lease
