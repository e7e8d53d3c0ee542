"""Puts together what a plan is made of, and notes which places are in trouble by it."""

from __future__ import annotations

from ..allocation.bookings import due
from ..allocation.books import shut_for
from ..store.records import Stock, Waiting
from .floors import Targets
from .hands import draining, paused
from .inventory import Inventory
from .plan import plan
from .policy import Policy
from .snapshot import PoolPlan, Snapshot, Wanted
from .standby import Standby
from .survey import Survey
from .troubles import pauses_of, troubles_of


class Planning:
    """Makes the plans of one manager.

    Args:
        inventory: the catalogue with its clouds.
        survey: knows the clouds' limits, and which do not answer.
        standby: knows what can be suspended and resumed now.
        targets: how much is wanted.
        policy: the numbers to go by.
    """

    def __init__(
        self,
        inventory: Inventory,
        survey: Survey,
        standby: Standby,
        targets: Targets,
        policy: Policy,
    ) -> None:
        self._inventory = inventory
        self._survey = survey
        self._standby = standby
        self._targets = targets
        self._policy = policy

    async def plan(self, stock: Stock) -> dict[str, PoolPlan]:
        """What each pool should do, by name."""
        facts = self._inventory.facts()
        await self._targets.ask([each.pool for each in facts], stock.now)
        taken = self._targets.taken
        pauses = pauses_of(facts, stock.backoffs, self._survey.mute)
        plans = plan(
            Snapshot(
                now=stock.now,
                pools=facts,
                machines=stock.machines,
                waiting=tuple(self._wanted(w) for w in stock.waiting if not w.held),
                pauses=pauses,
                limits=await self._survey.limits(),
                floors=self._targets.floors,
                booked=due(taken.reservations, stock.now) if taken else {},
                suspends=self._standby.able(),
                unsuspendable=self._standby.unsuspendable(stock.now),
                resting=self._standby.resting(stock.now),
                shut=paused(stock.switches),
                draining=draining(stock.switches),
            ),
            self._policy,
        )
        self._inventory.tell_troubles(troubles_of(pauses, plans, stock.now))
        return plans

    def _wanted(self, waiting: Waiting) -> Wanted:
        """What one waits for, and where that cannot come from because of bookings."""
        taken = self._targets.taken
        if taken is None or not taken.reservations:
            return Wanted(waiting.needs, waiting.groups)
        pools = {each.id: each.pool for each in taken.reservations}
        if waiting.reservation in pools:
            return Wanted(waiting.needs, waiting.groups, pool=pools[waiting.reservation])
        shut = shut_for(waiting.groups, self._inventory.decide, taken)
        return Wanted(waiting.needs, waiting.groups, shut=frozenset(shut))
