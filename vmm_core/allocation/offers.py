"""What is offered: each pool that fits, with what is free now, when the next is, or later. Pure.

A place that has told nothing yet is shown, too, with what is wrong there: who
looks for it should not find that it is gone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ..model import MachineState, Needs, Offer
from .estimate import arrivals_s, nth
from .facts import BOOTING, NONE, Counts, PoolFacts, Silent
from .match import may_have, mismatch, removed_by
from .queue import Ask
from .rules import may_use
from .trouble import said_of
from .words import shut

FreeAhead = Callable[[PoolFacts], int]
"""How many machines of a pool are neither leased nor booked at the time that is asked for."""


class Seen(Protocol):
    """What is looked at of a machine."""

    @property
    def pool(self) -> str:
        """Its pool's name."""

    @property
    def state(self) -> MachineState:
        """Its state."""

    @property
    def created_at(self) -> datetime:
        """When it was asked for."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Where machines of all pools come from: vacant, on their way, still to be made."""

    now: datetime
    counts: Mapping[str, Counts]
    totals: Mapping[str, int]
    """All of each pool that are not deleted."""
    ages_s: Mapping[str, Sequence[float]]
    """For each pool, for how long each machine has been on its way."""
    boot_times_s: Mapping[str, Sequence[float]]
    """For each pool, what past machines took from asked for to vacant."""
    ends: Mapping[str, Sequence[datetime | None]] = field(default_factory=dict)
    """For each pool, when leases of its machines end; None: no end is known."""

    def arrivals_s(self, facts: PoolFacts) -> list[float]:
        """In how many seconds each machine of a pool is free that can be told of."""
        here = self.counts.get(facts.name, NONE)
        makes = not facts.pool.paused and facts.trouble is None and not facts.unavailable
        room = facts.pool.maximum - self.totals.get(facts.name, 0) if makes else 0
        ends = self.ends.get(facts.name, ()) if makes else ()
        return arrivals_s(
            free=here.free,
            booting_for_s=self.ages_s.get(facts.name, ()),
            boot_times_s=self.boot_times_s.get(facts.name, ()),
            room=max(room, 0) + here.suspended,
            ends_in_s=[(end - self.now).total_seconds() for end in ends if end is not None],
        )


def supply(
    machines: Iterable[Seen],
    *,
    boot_times_s: Mapping[str, Sequence[float]],
    ends: Mapping[str, Sequence[datetime | None]],
    now: datetime,
) -> Supply:
    """The supply by all machines that are not deleted."""
    states: dict[str, Counter[MachineState]] = defaultdict(Counter)
    ages: dict[str, list[float]] = defaultdict(list)
    for machine in machines:
        states[machine.pool][machine.state] += 1
        if machine.state in BOOTING:
            ages[machine.pool].append((now - machine.created_at).total_seconds())
    counts = {
        pool: Counts(
            free=found[MachineState.VACANT],
            booting=sum(found[state] for state in BOOTING),
            suspended=found[MachineState.SUSPENDED],
        )
        for pool, found in states.items()
    }
    totals = {pool: found.total() for pool, found in states.items()}
    return Supply(now, counts, totals, ages, boot_times_s, ends)


def offers(
    needs: Needs,
    facts: Sequence[PoolFacts],
    source: Supply,
    *,
    silent: Sequence[Silent] = (),
    waiting: Sequence[Ask] = (),
    groups: Sequence[str] | None = None,
    free_ahead: FreeAhead | None = None,
) -> list[Offer]:
    """The offers that fit ``needs``, in the order of ``facts``, and last what may fit.

    Args:
        needs: what is looked for.
        facts: the pools.
        source: where machines come from.
        silent: what is at clouds that have not told their sizes yet.
        waiting: who waits already.
        groups: who looks: what none of them may use is left out; None: all is shown.
        free_ahead: tells what is free at a later time, if that is asked for.
    """
    ahead: Counter[str] = Counter()
    for (wanted, theirs), number in Counter((ask.needs, ask.groups) for ask in waiting).items():
        usable = [each for each in facts if may_use(each.environment, theirs)]
        for pool, why in removed_by(wanted, usable, source.counts).items():
            ahead[pool] += 0 if why else number
    found = [
        _offer(each, source, ahead[each.name], free_ahead)
        for each in facts
        if not mismatch(needs, each) and (groups is None or may_use(each.environment, groups))
    ]
    return found + [
        _unanswered(each)
        for each in silent
        if may_have(needs, each) and (groups is None or may_use(each.environment, groups))
    ]


def _offer(facts: PoolFacts, source: Supply, ahead: int, free_ahead: FreeAhead | None) -> Offer:
    counts = source.counts.get(facts.name, NONE)
    why = shut(facts, counts)
    trouble = ""
    if facts.trouble is not None and not counts.free and not counts.booting:
        trouble = said_of(facts.trouble, facts.location.title)
    free_at = None
    if free_ahead is not None:  # who waits now will have machines by then
        free_at = 0 if why else max(0, free_ahead(facts) - ahead)
    return Offer(
        environment=facts.environment,
        location=facts.location,
        cloud=facts.pool.cloud,
        size=facts.size,
        free=counts.free,
        booting=counts.booting,
        next_in_s=None if why else nth(source.arrivals_s(facts), ahead),
        free_at=free_at,
        available=not why,
        reason=why or trouble,
    )


def _unanswered(silent: Silent) -> Offer:
    return Offer(
        environment=silent.environment,
        location=silent.location,
        cloud=silent.cloud,
        size=None,
        free=0,
        booting=0,
        next_in_s=None,
        available=False,
        reason=said_of(silent.trouble, silent.location.title),
    )
