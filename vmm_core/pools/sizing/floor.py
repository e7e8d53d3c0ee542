"""How many machines of a pool should be vacant now, from all that its ``sizing`` says. Pure.

1. Of the schedule's and the calendar's rules those that hold now count, and the
   forecast once it has learnt enough. The greatest of them is the floor.
2. If there is none, ``ready`` is the floor.
3. It is never below ``sizing.minimum`` and never above the pool's maximum.

The forecast's floor is the least number of machines that more requests than it
come within one refill time with a chance of at most ``miss``. A machine that is
handed out is used up and its successor takes a refill time to be ready, so what
stands ready or is on its way must cover the requests of that time (one-for-one
replenishment, Feeney and Sherbrooke, Management Science 12, 1966). The same
number is the one up to which another machine ready is worth its keep: the chance
that it would serve somebody within a refill time is above ``miss``. Where
hardly anybody comes it is 0: set ``minimum``, or a smaller ``miss``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ...calendars.ical import Calendar
from ...model import Pool
from ...model.sizing import ForecastRule, Sizing
from .demand import Demand
from .quantile import covering
from .refill import UNKNOWN_S
from .schedule import scheduled
from .slots import SLOT_S, Hours

_THIN = 0.35
"""Of the spread of an hour's requests, what shows in shorter times of it: requests that come in
bunches come within an hour rather than at once."""


@dataclass(slots=True)
class Floors:
    """Floors of pools by their sizing; call it with a pool and the time."""

    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    """The iCalendar files that sizings name, by the name."""
    demand: Demand = field(default_factory=Demand)
    """What was learnt of the requests."""
    refills_s: Mapping[str, float] = field(default_factory=dict)
    """The refill time of each pool, as far as measured."""
    _hours: dict[str, Hours] = field(default_factory=dict)
    _rates: dict[tuple[str, int], float] = field(default_factory=dict)
    _alike: dict[ForecastRule, Hours] = field(default_factory=dict)

    def __call__(self, pool: Pool, now: datetime) -> int:
        """Machines of the pool that should be vacant."""
        sizing = pool.sizing
        wanted = []
        if sizing.schedule:
            wanted.append(scheduled(sizing.schedule, now))
        if sizing.calendar:
            wanted.append(self._in_calendar(sizing, now))
        if sizing.forecast:
            wanted.append(self._forecast(pool, sizing.forecast, now))
        told = [floor for floor in wanted if floor is not None]
        floor = max(told) if told else pool.ready
        return min(max(floor, sizing.minimum), pool.maximum)

    def hours(self, pool: str, rule: ForecastRule) -> Hours:
        """Which hours are alike for a pool by its rule; pools with equal rules share it."""
        if pool not in self._hours:
            if rule not in self._alike:
                self._alike[rule] = Hours(rule, self.calendars)
            self._hours[pool] = self._alike[rule]
        return self._hours[pool]

    def observe(self, pools: Iterable[Pool], slot: int, requests: Mapping[str, int]) -> None:
        """Learn from the requests of one hour; every hour is to be told, in order.

        A pool's history begins with its first request.
        """
        self._rates.clear()
        rules = [
            (pool.name, rule)
            for pool in pools
            if (rule := pool.sizing.forecast) is not None
            and (pool.name in requests or pool.name in self.demand.pools)
        ]
        self.demand.observe(
            (name, *self.hours(name, rule).kind(slot), requests.get(name, 0))
            for name, rule in rules
        )

    def expected(self, pool: str, rule: ForecastRule, now: datetime) -> tuple[float, float]:
        """Requests in the refill time from now on: their mean, and their spread.

        The rate of an hour is that at its middle; between two middles it changes evenly.
        """
        refill_s = self.refills_s.get(pool, UNKNOWN_S)
        middle = (now.timestamp() + refill_s / 2) / SLOT_S - 0.5
        slot = int(middle)
        share = middle - slot
        rate = self._rate(pool, rule, slot) * (1 - share) + self._rate(pool, rule, slot + 1) * share
        hours = refill_s / SLOT_S
        return rate * hours, self.demand.of(pool).spread * _THIN * min(1.0, hours)

    def _rate(self, pool: str, rule: ForecastRule, slot: int) -> float:
        """Of a slot, as expected now; the same until the next hour is learnt."""
        if (pool, slot) not in self._rates:
            known = self.demand.of(pool).rate(*self.hours(pool, rule).kind(slot))
            self._rates[pool, slot] = known
        return self._rates[pool, slot]

    def _forecast(self, pool: Pool, rule: ForecastRule, now: datetime) -> int | None:
        """By the forecast; None until it has learnt enough."""
        known = self.demand.pools.get(pool.name)
        if known is None or known.seen < rule.learn_days * 24:
            return None
        return covering(*self.expected(pool.name, rule, now), rule.miss)

    def _in_calendar(self, sizing: Sizing, now: datetime) -> int | None:
        """The greatest ``ready`` of the calendar rules that hold; None if none does."""
        found = [
            rule.ready
            for rule in sizing.calendar
            if (calendar := self.calendars.get(str(rule.file))) is not None
            and calendar.holds(
                now.timestamp(),
                match=rule.match,
                zone=rule.timezone,
                lead_s=rule.lead_hours * 3600,
                trail_s=rule.trail_hours * 3600,
            )
        ]
        return max(found, default=None)
