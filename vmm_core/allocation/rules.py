"""By which rules machines are given out at a moment: the pools, who may use them, the limits. Pure.

It is what the store is handed to decide with inside a transaction; it comes from the catalogue
anew for every decision, so that a raised limit counts at the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..model import Environment, Limit, Needs
from .explain import Decision, decide
from .facts import Counts, PoolFacts, Silent
from .limits import (
    NOTHING,
    Amount,
    Usage,
    exceeded,
    holdup,
    limit_of,
    of_size,
    refusal,
)

EndsAt = Callable[[str, str, datetime], datetime | None]
"""When a lease ends that begins at a time: of a group (empty: none) and an environment."""


def may_use(environment: Environment, groups: Iterable[str]) -> bool:
    """Whether members of ``groups`` may use an environment."""
    return not environment.groups or not set(environment.groups).isdisjoint(groups)


def no_end(group: str, environment: str, start: datetime) -> datetime | None:
    """A lease lasts until it is released."""
    return None


@dataclass(frozen=True, slots=True)
class Charge:
    """For which group a machine would count; or what forbids it."""

    group: str = ""
    held: str = ""
    """The limit that keeps it, in words; empty: none does."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Filters and ranks the pools for one request when it is called."""

    facts: Sequence[PoolFacts]
    """In the catalogue's order."""
    silent: Sequence[Silent] = ()
    limits: Sequence[Limit] = ()
    ends_at: EndsAt = no_end

    def __call__(
        self, needs: Needs, counts: Mapping[str, Counts], groups: Sequence[str] = ()
    ) -> Decision:
        """The decision for one request of a member of ``groups``.

        Of environments for others it knows nothing, and tells nothing.
        """
        facts = [each for each in self.facts if may_use(each.environment, groups)]
        silent = [each for each in self.silent if may_use(each.environment, groups)]
        return decide(needs, facts, counts, silent)

    @property
    def of_users(self) -> bool:
        """Whether any limit is users'."""
        return any(limit.of_users for limit in self.limits)

    def charge(self, owner: str, groups: Sequence[str], facts: PoolFacts, usage: Usage) -> Charge:
        """For which of the groups a machine of a pool counts: the first that has room for it.

        Only groups count that may use the environment; of several without room, the first.
        """
        amount = of_size(facts.size)
        own, used = limit_of(self.limits, user=owner), usage.users.get(owner, NOTHING)
        if own and (name := exceeded(own, used, amount)):
            return Charge(held=holdup(own, name, used))
        held = Charge()
        for group in groups:
            if not may_use(facts.environment, (group,)):
                continue
            limit, used = limit_of(self.limits, group=group), usage.groups.get(group, NOTHING)
            name = exceeded(limit, used, amount)
            if limit is None or not name:
                return Charge(group)
            held = held if held.held else Charge(group, holdup(limit, name, used, group))
        return held

    def refusal(self, owner: str, decision: Decision, usage: Usage) -> str:
        """Why a user may not ask for one more; empty if that is within the limit.

        What waits counts as what it asks for at least, what is new as a machine of the first
        pool that leaves it within the limit.
        """
        limit = limit_of(self.limits, user=owner)
        if limit is None:
            return ""
        used = usage.users.get(owner, NOTHING) + usage.waiting.get(owner, NOTHING)
        sizes = [of_size(ranked.facts.size) for ranked in decision.ranked] or [Amount(1)]
        names = [exceeded(limit, used, size) for size in sizes]
        if not all(names):
            return ""
        return refusal(limit, names[0], used, sizes[0])
