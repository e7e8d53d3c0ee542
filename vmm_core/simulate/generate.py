"""Makes up a facility's requests from a seed: the same seed, the same bytes.

No rates are drawn: people are, with what they do. Beam cycles alternate with
shutdowns. In a cycle experiments follow one another at each environment: a team
arrives, starts its sessions together, works by day and by night for some days,
and comes back to its data for weeks, from wherever it lives. Staff come on their
working days at their own hours and have holidays. Some requests come from nowhere.
Workshops bring some forty people within minutes. At bank holidays and between
the years nearly nobody comes. Sessions are of heavy-tailed length.

The shares and sizes are stated beside what they do, and are assumptions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from .days import Year, cycles, holidays
from .facility import Place, facilities
from .trace import Request

ZONE = ZoneInfo("Europe/London")
"""Where the made-up facility is: its days have its hours."""

_STAFF, _STRAY = 0.30, 0.05
"""Shares of the requests; the rest are experiments and what follows from them."""
_STAFF_A_YEAR = 130.0
"""Sessions of one member of staff a year, in the mean."""
_TEAM, _DAYS, _SESSIONS, _AFTER = 3.2, 2.5, 0.8, 4.0
"""An experiment: people, days, sessions of each a day, and sessions of each afterwards: at the
beam a facility's own consoles are used too, the analysis comes later."""
_BY_NIGHT = 0.08
"""Share of the sessions at the beam that begin at any hour of the day or the night."""
_WORKSHOPS = 20.0
"""A year, for 100,000 requests."""


@dataclass(frozen=True, slots=True)
class Made:
    """A made-up trace, and what a facility knows ahead of it."""

    requests: list[Request]
    years: dict[str, Year]
    """For each facility its days: cycles and holidays."""


def generate(
    seed: int,
    places: Sequence[Place],
    *,
    start: date = date(2025, 1, 6),
    days: int = 365,
    requests_a_year: int = 100_000,
) -> Made:
    """About ``requests_a_year`` requests a year for the environments of ``places``."""
    years = {
        name: Year(
            start, days, cycles(_luck(f"{seed}/{name}/cycles"), start, days), holidays(start, days)
        )
        for name in facilities(places)
    }
    luck = _luck(f"{seed}/popularity")
    weights = [place.maximum**0.9 * luck.lognormvariate(0, 0.6) for place in places]
    found: list[Request] = []
    for place, weight in zip(places, weights, strict=True):
        a_year = requests_a_year * weight / sum(weights)
        people = _People(_luck(f"{seed}/{place.environment}"), place, years[place.facility])
        found += people.requests(a_year)
    found += _workshops(_luck(f"{seed}/workshops"), places, years, requests_a_year)
    found.sort(key=lambda request: (request.at, request.environment, request.user))
    return Made(found, years)


class _People:
    """Who uses one environment, and when."""

    def __init__(self, luck: Random, place: Place, year: Year) -> None:
        self._luck = luck
        self._place = place
        self._year = year
        self._hours = luck.lognormvariate(0, 0.2)  # longer sessions here, shorter there
        self._users = 0

    def requests(self, a_year: float) -> list[Request]:
        """All of them, in no order."""
        share = self._year.days / 365
        each = _TEAM * (1 + _SESSIONS * (_DAYS - 1) + _AFTER)
        experiments = a_year * share * (1 - _STAFF - _STRAY) / each
        found = list(self._staff(a_year * _STAFF))
        for first in self._spread(experiments):
            found += self._experiment(first)
        for _ in range(_poisson(self._luck, a_year * share * _STRAY)):
            day = self._year.start + timedelta(days=self._luck.randrange(self._year.days))
            if day.weekday() >= 5 and self._luck.random() < 0.6:
                day -= timedelta(days=self._luck.randint(2, 4))
            found += self._asks("n", day, self._luck.gauss(14, 4))
        return found

    def _spread(self, experiments: float) -> Iterator[date]:
        """First days of the experiments: evenly over the days of beam."""
        beam = [day for day in self._year if self._year.in_cycle(day)]
        if not beam:
            return
        for _ in range(_poisson(self._luck, experiments)):
            yield self._luck.choice(beam)

    def _staff(self, a_year: float) -> Iterator[Request]:
        count = max(2, round(a_year / _STAFF_A_YEAR))
        eager = [self._luck.gammavariate(1.5, 1.0) for _ in range(count)]
        working = 220.0
        for one in eager:
            user = self._user("s")
            a_day = a_year * one / sum(eager) / working
            hour = self._luck.gauss(9.2, 0.8)
            away = {
                self._year.start + timedelta(days=first + more)
                for first in self._luck.choices(range(self._year.days), k=4)
                for more in range(self._luck.randint(4, 12))
            }
            for day in self._year:
                likely = a_day if day.weekday() < 5 else a_day * 0.08
                if day in self._year.closed:
                    likely *= 0.05
                if day in away:
                    continue
                for number in range(_poisson(self._luck, likely)):
                    when = self._luck.gauss(hour, 0.5) if number == 0 else self._luck.gauss(14, 2)
                    yield from self._asks(user, day, when)

    def _experiment(self, first: date) -> Iterator[Request]:
        luck = self._luck
        length = min(6, 1 + _poisson(luck, _DAYS - 1))
        begins = luck.gauss(9.3, 0.7) if luck.random() < 0.8 else luck.uniform(0, 24)
        team = [
            (
                self._user("v"),
                luck.gauss(10, 1.2) + (luck.choice((-8, -6, 6, 8)) if luck.random() < 0.15 else 0),
            )
            for _ in range(1 + _poisson(luck, _TEAM - 1))
        ]
        for user, habit in team:
            yield from self._asks(user, first, begins + luck.gauss(0.2, 0.3))
            for more in range(1, length):
                day = first + timedelta(days=more)
                for _ in range(_poisson(luck, _SESSIONS)):
                    yield from self._asks(user, day, _hour_at_the_beam(luck))
            for _ in range(_poisson(luck, _AFTER)):
                day = first + timedelta(days=length + int(luck.expovariate(1 / 14)))
                if day.weekday() >= 5 and luck.random() < 0.8:
                    day += timedelta(days=luck.randint(2, 5))
                yield from self._asks(
                    user, day, habit + luck.gauss(0, 1.5) + luck.choice((0, 0, 4))
                )

    def _asks(self, user: str, day: date, hour: float) -> Iterator[Request]:
        """One request, if its day is in the trace and the user comes that day."""
        at = _at(day, hour)
        local = datetime.fromtimestamp(at, ZONE).date()
        if local not in self._year:
            return
        if local in self._year.closed and self._luck.random() < 0.7:
            return
        user = self._user(user) if user == "n" else user
        yield _request(self._place, user, at, _duration_s(self._luck, self._hours))

    def _user(self, kind: str) -> str:
        self._users += 1
        return f"{kind}{self._users}-{self._place.environment}"


def _workshops(
    luck: Random, places: Sequence[Place], years: dict[str, Year], requests_a_year: int
) -> Iterator[Request]:
    """Courses, mostly without beam: all start at once, most again after lunch."""
    large = [place for place in places if place.maximum >= 30] or list(places)
    for number in range(
        _poisson(luck, _WORKSHOPS * requests_a_year / 100_000 * years[large[0].facility].days / 365)
    ):
        place = luck.choice(large)
        year = years[place.facility]
        working = [day for day in year if day.weekday() < 5 and day not in year.closed]
        day = luck.choice(working)
        if year.in_cycle(day):  # a second try to find a day without beam
            day = luck.choice(working)
        begins = luck.choice((9.0, 9.5, 10.0, 13.5))
        for person in range(min(round(luck.gauss(40, 4)), place.maximum)):
            user = f"w{number}-{person}"
            at = _at(day, begins + abs(luck.gauss(0, 0.08)))
            yield _request(place, user, at, luck.uniform(2, 3.5) * 3600)


def _luck(seed: str) -> Random:
    return Random(seed)  # noqa: S311 - made up to be repeated, nothing secret


def _request(place: Place, user: str, at: float, duration_s: float) -> Request:
    group = place.groups[0] if place.groups else place.facility
    return Request(
        at=at,
        user=user,
        group=group,
        environment=place.environment,
        cpus=place.cpus,
        ram_gb=place.ram_gb,
        gpus=place.gpus,
        duration_s=duration_s,
    )


def _at(day: date, hour: float) -> float:
    """Whole seconds since 1970 of an hour of a local day; it may lie on the day before or after."""
    midnight = datetime(day.year, day.month, day.day)
    local = midnight + timedelta(seconds=round(hour * 3600))
    return local.replace(tzinfo=ZONE).astimezone(UTC).timestamp()


def _hour_at_the_beam(luck: Random) -> float:
    """By day mostly, also in the evening, and through the night."""
    kind = luck.random()
    if kind < _BY_NIGHT:
        return luck.uniform(0, 24)
    return luck.gauss(11, 2.5) if kind < 0.75 else luck.gauss(18.5, 2)


def _duration_s(luck: Random, scale: float) -> float:
    """Two hours in the median, some of several days: lognormal, from 5 minutes to 5 days."""
    hours = luck.lognormvariate(math.log(2.0 * scale), 1.2)
    return round(min(max(hours * 3600, 300), 5 * 86400))


def _poisson(luck: Random, mean: float) -> int:
    """A Poisson number, by the arrivals of a unit of time (large means in halves)."""
    if mean > 30:
        return _poisson(luck, mean / 2) + _poisson(luck, mean / 2)
    count, left = 0, luck.expovariate(1)
    while left < mean:
        count += 1
        left += luck.expovariate(1)
    return count
