"""Learns from the requests of the past how many come, hour by hour. Pure: no clock, no file.

The rate of a pool's requests is taken as a product,

    rate(t) = base(beam or not) * shape(hour of the week) * slow(t) * fast(t),

each factor a quotient of requests counted and requests expected without it, both
forgotten exponentially: a Gamma-Poisson estimate, whose prior is worth some requests
in its favour (the discounted conjugate filter of Smith, J. R. Stat. Soc. B 41,
1979, and of Harvey and Fernandes, J. Bus. Econ. Stat. 7, 1989).

* base: requests an hour, with beam and without, over months.
* shape: of each hour of the week, drawn towards the same hour of the pool's other
  working days, and that towards the shape of all pools together: a pool with
  a request a day borrows from those with many.
* slow: this week against what is usual; fast: the last hours against this week.

How much requests bunch (``spread``: variance over mean, less 1) is measured on
what was expected one hour ahead. An hour with far more than expected, such as a
course that nobody booked, counts as a large hour and no more.
A pool's first week is only learnt when it is over, and its mean is known: factors that
start far from the truth would else take months to share it out among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, sqrt

from .slots import ALIKE

_WEEKS = 0.5 ** (1 / 20)  # half-life of a shape, in weeks
_DAYS = _WEEKS ** (1 / 5)  # the same for five working days in one
_BASE = 0.5 ** (1 / (24 * 30))  # half-life of a base: 30 days of its kind
_SLOW = exp(-1 / (24 * 6))  # six days
_FAST = exp(-1 / 14)  # fourteen hours
_SPREAD = exp(-1 / 2000)  # twelve weeks

# What each prior is worth, in requests.
_OF_ALL, _OF_DAY, _OF_HOUR, _OF_BASE, _OF_SLOW, _OF_FAST = 5.0, 12.0, 6.0, 3.0, 4.0, 4.0

_UNKNOWN_RATE = 0.05  # requests an hour of a pool that nobody asked for yet
_OUTLIER = 6.0  # standard deviations above which an hour counts no more
_REFRESH = 24  # hours between new shapes


Part = tuple[int, float, float]
"""An hour of the week, requests counted in it, and what its shape of 1 would have brought."""


@dataclass(slots=True)
class _Ratio:
    """Requests counted over requests expected, both forgotten."""

    counted: float = 0.0
    expected: float = 0.0

    def add(self, counted: float, expected: float, keep: float) -> None:
        self.counted = self.counted * keep + counted
        self.expected = self.expected * keep + expected

    def drawn_to(self, prior: float, worth: float) -> float:
        """The quotient, with ``worth`` requests in favour of ``prior``."""
        return (self.counted + worth) / (self.expected + worth / prior)


def _week() -> list[_Ratio]:
    return [_Ratio() for _ in range(ALIKE)]


@dataclass(slots=True)
class PoolDemand:
    """What is known of one pool."""

    hours: list[_Ratio] = field(default_factory=_week)
    days: list[_Ratio] = field(default_factory=lambda: [_Ratio() for _ in range(3 * 24)])
    bases: tuple[_Ratio, _Ratio] = field(default_factory=lambda: (_Ratio(), _Ratio()))
    slow: _Ratio = field(default_factory=_Ratio)
    fast: _Ratio = field(default_factory=_Ratio)
    bunched: _Ratio = field(default_factory=lambda: _Ratio(20.0, 40.0))
    shape: list[float] = field(default_factory=lambda: [1.0] * ALIKE)
    first: list[tuple[int, bool, int]] = field(default_factory=list)
    """The hours of the first week, until it is over."""
    of_all: list[float] = field(default_factory=lambda: [1.0] * ALIKE)
    """The shape of all pools together."""
    seen: int = 0
    """Hours observed."""

    def rate(self, hour: int, beam: bool) -> float:
        """Requests an hour that are expected in such an hour now."""
        return (
            self._base(beam)
            * self.shape[hour]
            * self.slow.drawn_to(1.0, _OF_SLOW)
            * self.fast.drawn_to(1.0, _OF_FAST)
        )

    @property
    def spread(self) -> float:
        """Of the requests of an hour: variance over mean, less 1."""
        return min(4.0, max(0.01, self.bunched.counted / self.bunched.expected))

    def observe(self, hour: int, beam: bool, requests: int) -> list[Part]:
        """Learn from one hour; returns what it adds to the shape of all pools."""
        self.seen += 1
        if self.seen > ALIKE:
            return [self._learn(hour, beam, requests)]
        self.first.append((hour, beam, requests))
        if self.seen < ALIKE:
            return []
        return self._begin()

    def _begin(self) -> list[Part]:
        """Learn the first week, with its mean as the base and no other factor."""
        mean = (sum(each[2] for each in self.first) + 1) / (ALIKE + 1 / _UNKNOWN_RATE)
        told = []
        for hour, beam, requests in self.first:
            counted = min(float(requests), _large(mean, self.spread))
            self.hours[hour].add(counted, mean, 1.0)
            self.days[_kind_of_day(hour)].add(counted, mean, _DAYS)
            self.bases[beam].add(counted, 1.0, _BASE)
            told.append((hour, counted, mean))
        self.first.clear()
        self.refresh(self.of_all)
        return told

    def _learn(self, hour: int, beam: bool, requests: int) -> Part:
        base = self._base(beam)
        usual = base * self.shape[hour]
        slow = self.slow.drawn_to(1.0, _OF_SLOW)
        expected = usual * slow * self.fast.drawn_to(1.0, _OF_FAST)
        counted = min(float(requests), _large(expected, self.spread))
        self.bunched.add((counted - expected) ** 2 - counted, expected, _SPREAD)
        self.hours[hour].add(counted, base * slow, _WEEKS)
        self.days[_kind_of_day(hour)].add(counted, base * slow, _DAYS)
        self.bases[beam].add(counted, self.shape[hour], _BASE)
        self.slow.add(counted, usual, _SLOW)
        self.fast.add(counted, usual * slow, _FAST)
        return hour, counted, base * slow

    def refresh(self, of_all: list[float]) -> None:
        """Take a new shape, drawn towards that of all pools."""
        self.of_all = of_all
        days = [self.days[kind].drawn_to(_of_kind(of_all, kind), _OF_DAY) for kind in range(3 * 24)]
        days = [
            _smooth([days[day + (hour - 1) % 24], days[day + hour], days[day + (hour + 1) % 24]])
            for day in (0, 24, 48)
            for hour in range(24)
        ]
        shape = [
            self.hours[hour].drawn_to(days[_kind_of_day(hour)], _OF_HOUR) for hour in range(ALIKE)
        ]
        mean = sum(shape) / ALIKE  # of 1: the level is the base's
        self.shape = [each / mean for each in shape]

    def _base(self, beam: bool) -> float:
        total, other = self.bases
        rate = (total.counted + other.counted + 0.5) / (
            total.expected + other.expected + 0.5 / _UNKNOWN_RATE
        )
        return self.bases[beam].drawn_to(rate, _OF_BASE)


@dataclass(slots=True)
class Demand:
    """What is known of all pools."""

    pools: dict[str, PoolDemand] = field(default_factory=dict)
    _all: list[_Ratio] = field(default_factory=_week)
    _hours: int = 0

    def of(self, pool: str) -> PoolDemand:
        """One pool, also one that nobody asked for yet."""
        if pool not in self.pools:
            self.pools[pool] = PoolDemand()
            self.pools[pool].refresh(self._shape_of_all())
        return self.pools[pool]

    def observe(self, hour: Iterable[tuple[str, int, bool, int]]) -> None:
        """Learn from one hour: for each pool its hour of the week, beam, and requests.

        Every pool is to be told every hour, in order, also without requests.
        """
        if self._hours % _REFRESH == 0:
            shape = self._shape_of_all()
            for pool in self.pools.values():
                pool.refresh(shape)
        self._hours += 1
        told: dict[int, tuple[float, float]] = {}
        for name, at, beam, requests in hour:
            for kind, counted, expected in self.of(name).observe(at, beam, requests):
                before = told.get(kind, (0.0, 0.0))
                told[kind] = before[0] + counted, before[1] + expected
        for kind, (counted, expected) in told.items():
            self._all[kind].add(counted, expected, _WEEKS)

    def _shape_of_all(self) -> list[float]:
        counted = sum(each.counted for each in self._all)
        if not counted:
            return [1.0] * ALIKE
        mean = counted / sum(each.expected for each in self._all)
        raw = [each.drawn_to(mean, _OF_ALL) for each in self._all]
        level = sum(raw) / ALIKE
        return [
            _smooth([raw[hour - 1], raw[hour], raw[(hour + 1) % ALIKE]]) / level
            for hour in range(ALIKE)
        ]


def _large(expected: float, spread: float) -> float:
    """Above this an hour counts no more."""
    return expected + _OUTLIER * sqrt(expected * (1 + spread)) + 3


def _kind_of_day(hour: int) -> int:
    """The hour of a working day, of a Saturday, of a Sunday: 72 kinds."""
    day, of_day = divmod(hour, 24)
    return max(0, day - 4) * 24 + of_day


def _of_kind(week: list[float], kind: int) -> float:
    """The mean of a week's hours that are of a kind."""
    day, hour = divmod(kind, 24)
    if day:
        return week[(day + 4) * 24 + hour]
    return sum(week[each * 24 + hour] for each in range(5)) / 5


def _smooth(three: list[float]) -> float:
    before, here, after = three
    return 0.25 * before + 0.5 * here + 0.25 * after
