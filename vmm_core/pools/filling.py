"""What makes a pool have more machines: people, the floor, replacements, standby. Pure.

The order of who matters is the plan's. A suspended machine is resumed before a
new one is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from .ageing import Fit
from .budget import Budget
from .choices import Choices
from .snapshot import Wanted
from .work import Work


def serve(wanted: Wanted, choices: Choices, budget: Budget) -> None:
    """Count on a machine for one who waits: on its way, else suspended, else a new one.

    What is on its way at a cloud that does not answer is counted on last.
    """
    line = choices.line(wanted)
    while line.warm:
        work = line.warm[-1]
        if work.spare > 0:
            work.people += 1
            return
        line.warm.pop()
    while line.cold:
        work = line.cold[-1]
        if work.wake(budget, for_people=True) or work.make(budget, for_people=True):
            work.people += 1
            return
        line.cold.pop()
    while line.silent:
        work = line.silent[-1]
        if work.spare > 0:
            work.people += 1
            return
        line.silent.pop()


def refill(works: Iterable[Work], budget: Budget) -> None:
    """Bring pools to what they need, those of the highest priority first.

    Pools of one priority get one after the other in turns, so that all grow.
    """

    def one_more(work: Work) -> bool:
        if work.supply >= work.need:
            return False
        return work.wake(budget) or work.make(budget)

    _in_turns(works, one_more)


def renew(works: Iterable[Work], budget: Budget) -> None:
    """Make machines beside those that are to be replaced, a few at a time."""

    def one_more(work: Work) -> bool:
        due = sum(work.fit(machine) is Fit.DUE for machine in work.vacant)
        used = min(_stale(work), work.create + len(work.resume) - _beyond(work))
        wanted = max(min(due, work.few), used)
        if work.closed or _beyond(work) >= min(wanted, work.need):
            return False
        made = work.try_to_make(budget)
        if made is None and due:
            _make_room(work)
        return bool(made)

    _in_turns(works, one_more)


def stand_by(works: Iterable[Work], budget: Budget, unsuspendable: Mapping[str, str]) -> None:
    """Make machines that will be suspended; a few at a time in the place of others."""

    def one_more(work: Work) -> bool:
        good = sum(work.fit(machine) is not Fit.DUE for machine in work.suspended)
        good -= len(work.resume)
        missing = max(0, work.standby - len(work.suspended) + len(work.resume))
        wanted = min(work.standby - good, missing + work.few)
        if work.closed or wanted <= _beyond(work):
            return False
        if why := unsuspendable.get(work.facts.name):
            work.note = why
            return False
        return bool(work.try_to_make(budget))

    _in_turns(works, one_more)


def _in_turns(works: Iterable[Work], one_more: Callable[[Work], bool]) -> None:
    """One machine for each that wants one, again and again; high priorities before low ones."""
    by_priority: dict[int, list[Work]] = {}
    for work in works:
        by_priority.setdefault(work.facts.pool.priority, []).append(work)
    for priority in sorted(by_priority, reverse=True):
        wanting = by_priority[priority]
        while wanting:
            wanting = [work for work in wanting if one_more(work)]


def _stale(work: Work) -> int:
    """Vacant machines that are replaced as stock is used."""
    return sum(work.fit(machine) is Fit.STALE for machine in work.vacant)


def _beyond(work: Work) -> int:
    """What will be vacant that nobody needs."""
    return max(0, work.supply - work.need)


def _make_room(work: Work) -> None:
    """Let one machine go before its successor is made: there is no room for both.

    Only where the operator wants it at once, and as long as nobody waits and nothing
    moves: the pool is one short for as long as a boot takes.
    """
    pool = work.facts.pool
    if pool.replace != "at-once" or work.paused:
        work.note = "machines are to be replaced, and there is no room for others beside them"
    elif work.at_rest and not work.people:
        machine = next(m for m in work.vacant if work.fit(m) is Fit.DUE)
        work.drop(machine, "it is to be replaced, and there is no room for another beside it")
