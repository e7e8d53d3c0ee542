"""Hands what is vacant to those who wait, in fair order. Pure: the claims follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from .books import Books, nothing_booked
from .explain import Decision
from .facts import NONE, Counts, PoolFacts
from .limits import Usage, of_size
from .queue import Ask, Turns
from .rules import Charge, Rules


@dataclass(frozen=True, slots=True)
class Grant:
    """A machine of a pool for one who waits."""

    ask: Ask
    facts: PoolFacts
    group: str
    """That it counts for; empty: none."""
    ends_at: datetime | None
    """When the lease ends; None: when it is released."""
    decision: Decision
    """As things were at its turn."""


def hand_out(
    asks: Iterable[Ask],
    rules: Rules,
    counts: Mapping[str, Counts],
    usage: Usage,
    now: datetime,
    books: Books | None = None,
) -> list[Grant]:
    """Who gets a machine of which pool now, in the order of their turns.

    One whom nothing fits that is vacant, or whom a limit holds, is passed over; a booking is
    within the limits. ``usage`` and ``books`` get what is handed out.
    """
    books = books or nothing_booked(now)
    left = dict(counts)
    free = sum(each.free for each in left.values())
    turns = Turns(asks, rules, usage, now)
    grants: list[Grant] = []
    for ask in turns if free else ():
        decision = books.decision(rules, ask, left)
        for ranked in decision.ranked:
            name = ranked.facts.name
            here = left.get(name, NONE)
            if not decision.counts.get(name, NONE).free:
                break  # those that are ready come first
            if ask.booking is not None:
                charge = Charge(ask.booking.group)
            else:
                charge = rules.charge(ask.owner, ask.groups, ranked.facts, usage)
            if charge.held:
                continue
            turns.took(ask, charge.group, of_size(ranked.facts.size))
            end = rules.ends_at(charge.group, ranked.facts.environment.name, now)
            ends_at = ask.booking.ends_at if ask.booking is not None else end
            books.took(ask, ranked.facts, ends_at)
            grants.append(Grant(ask, ranked.facts, charge.group, ends_at, decision))
            left[name] = replace(here, free=here.free - 1)
            free -= 1
            break
        if not free:
            break
    return grants
