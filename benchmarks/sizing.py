"""The forecast against the best fixed floors, on made-up years of a facility.

Each year (:mod:`vmm_core.simulate.generate`, 100,000 requests a year for all environments
of the facility) is preceded by eight weeks that are played and not counted: the forecast
starts them with no history, and at every moment it knows only what came before. Its
constants, and those of the generator, were set while looking at the year of seed 1; the
years of seeds 2 and 3 were looked at by nobody before.

The opponents know the whole year: from every fixed floor of every pool, from 0 to its
maximum, a dynamic programme picks the floors that together leave the least idle
machine-hours for each number of misses, exactly. ``schedule`` is the same with two floors a
pool, one from Monday to Friday 7 to 19 h and one at all other times.

* A request is a *hit* if a ready machine served it at once, else a *miss*.
* *Idle* machine-hours are of machines that exist and have no user: vacant or booting.
* ``idle_ratio_at_same_hits``: the forecast's idle machine-hours over the least that fixed
  floors need for at least as many hits.
* ``miss_ratio_at_same_idle``: the forecast's misses over the fewest that fixed floors leave
  with at most as many idle machine-hours.

Both are of the forecast with the catalogue's default ``miss``; the plot shows others. Courses
of some forty people come without notice here, and nobody can have machines ready for
them; ``booked_…`` are the same figures without those, as if they had been reserved. Pools
share nothing but the calendar: clouds have room, and boot as many at once as are wanted.

    make bench-sizing
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vmm_core.calendars.ical import parse
from vmm_core.model import ForecastRule, Pool, Sizing
from vmm_core.pools.sizing import Floors
from vmm_core.pools.sizing.refill import refill_s
from vmm_core.pools.sizing.schedule import parsed
from vmm_core.pools.sizing.slots import slot_of
from vmm_core.simulate import facility, one_pool
from vmm_core.simulate.generate import ZONE, Made, generate
from vmm_core.simulate.policy import Boot, of_policy
from vmm_core.simulate.policy import Policy as Trying
from vmm_core.simulate.timeline import timelines

from . import report

TUNED, OTHERS = 1, (2, 3)
WARM_UP_DAYS, DAYS = 56, 365
MISSES = (0.01, 0.005, 0.002)
DEFAULT = ForecastRule().miss
OFFICE = "* 7-18 * * mon-fri"
NIGHT_MOST, DAY_MOST = 3, 8
PLOT = Path(__file__).parents[1] / "docs" / "images" / "sizing.png"

Point = tuple[int, float]
"""Misses, idle machine-hours."""


@dataclass
class Season:
    """One made-up year, ready to be answered by any floors."""

    made: Made
    places: Sequence[facility.Place]
    booked: bool
    begin: float = 0.0
    requests: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin = self.made.requests[0].at // 86400 * 86400
        self.since = self.begin + WARM_UP_DAYS * 86400
        self.end = self.since + DAYS * 86400
        self.requests = {place.environment: [] for place in self.places}
        for request in self.made.requests:
            if not (self.booked and request.user.startswith("w")):
                self.requests[request.environment].append((request.at, request.duration_s))

    def play(self, place: facility.Place, floors: Sequence[tuple[float, int]]) -> one_pool.Outcome:
        """Let one pool answer its requests with these floors."""
        return one_pool.run(
            self.requests[place.environment],
            floors,
            Boot().times(f"boots/{place.environment}"),
            maximum=place.maximum,
            end=self.end,
            since=self.since,
        )

    def total(self, floors: Mapping[str, Sequence[tuple[float, int]]]) -> tuple[Point, int]:
        """Misses and idle hours of all pools, and how many requests there were."""
        outcomes = [self.play(place, floors[place.environment]) for place in self.places]
        point = sum(o.misses for o in outcomes), sum(o.idle_h for o in outcomes)
        return point, sum(o.requests for o in outcomes)


def fixed(season: Season) -> list[list[Point]]:
    """For each pool what each fixed floor does."""
    return [
        [
            (told.misses, told.idle_h)
            for floor in range(place.maximum + 1)
            for told in (season.play(place, [(season.begin, floor)]),)
        ]
        for place in season.places
    ]


def scheduled(season: Season) -> list[list[Point]]:
    """For each pool what two floors do, by day and by night, fixed ones among them."""
    found = []
    turns = office_hours(season.begin, season.end)
    for place in season.places:
        points = []
        for night in range(min(place.maximum, NIGHT_MOST) + 1):
            for day in range(night, min(place.maximum, DAY_MOST) + 1):
                told = season.play(place, [(at, day if open_ else night) for at, open_ in turns])
                points.append((told.misses, told.idle_h))
        found.append(points)
    return found


def office_hours(begin: float, end: float) -> list[tuple[float, bool]]:
    """When they begin and end."""
    office, found = parsed(OFFICE), []
    for hour in range(int(begin // 3600), int(end // 3600)):
        open_ = office.matches(datetime.fromtimestamp(hour * 3600, ZONE))
        if not found or found[-1][1] != open_:
            found.append((hour * 3600.0, open_))
    return [(max(at, begin), open_) for at, open_ in found]


def frontier(pools: Iterable[Sequence[Point]]) -> np.ndarray:
    """The least idle hours for at most so many misses, one choice for each pool, exactly."""
    best = np.zeros(1)
    for choices in pools:
        useful = [p for p in choices if not any(o[0] <= p[0] and o[1] < p[1] for o in choices)]
        most = max(misses for misses, _ in useful)
        grown = np.full(len(best) + most, np.inf)
        for misses, idle in useful:
            part = grown[misses : misses + len(best)]
            np.minimum(part, best + idle, out=part)
        best = grown
    return np.minimum.accumulate(best)


def forecasts(season: Season, misses: Sequence[float]) -> list[dict[str, list[tuple[float, int]]]]:
    """For each ``miss`` the floors of every pool, by what was known at each moment."""
    calendars = {f"{name}.ics": parse(year.icalendar()) for name, year in season.made.years.items()}
    variants = [[_pool(place, miss) for place in season.places] for miss in misses]
    names = {pool.environment: pool.name for pool in variants[0]}
    boots = Boot().times("measured")
    refills_s = {name: refill_s([next(boots) for _ in range(50)], 0.9) for name in names.values()}
    counts: dict[int, Counter[str]] = {}
    for environment, requests in season.requests.items():
        for at, _ in requests:
            counts.setdefault(slot_of(at), Counter())[names[environment]] += 1
    told = timelines(
        variants, Floors(calendars, refills_s=refills_s), counts, season.begin, season.end
    )
    return [{environment: floors[name] for environment, name in names.items()} for floors in told]


def _pool(place: facility.Place, miss: float) -> Pool:
    events = {"file": f"{place.facility}.ics"}
    learnt = {
        "miss": miss,
        "timezone": str(ZONE),
        "cycles": {**events, "match": "cycle"},
        "closed": {**events, "match": "holiday"},
    }
    return Pool(
        environment=place.environment,
        cloud=place.cloud,
        size=place.environment,
        maximum=place.maximum,
        sizing=Sizing.model_validate({"forecast": learnt}),
    )


def ratios(point: Point, opponent: np.ndarray) -> tuple[float, float]:
    """Idle at the same hits, misses at the same idle, each over the opponent's."""
    misses, idle = point
    least = float(opponent[min(misses, len(opponent) - 1)])
    fewest = int(np.argmax(opponent <= idle))
    return idle / least, misses / fewest


def compare(season: Season, misses: Sequence[float]) -> tuple[dict[str, float], list[list[Point]]]:
    """The figures of a year, and the curves for the plot."""
    best = frontier(fixed(season))
    timed = best if season.booked else frontier(scheduled(season))
    figures: dict[str, float] = {}
    curve = []
    for miss, floors in zip(misses, forecasts(season, misses), strict=True):
        point, requests = season.total(floors)
        curve.append(point)
        idle, missed = ratios(point, best)
        name = "" if miss == DEFAULT else f"_with_miss_{miss:g}"
        figures[f"idle_ratio_at_same_hits{name}"] = idle
        figures[f"miss_ratio_at_same_idle{name}"] = missed
        if not name:
            idle, missed = ratios(point, timed)
            figures["schedule_idle_ratio_at_same_hits"] = idle
            figures["schedule_miss_ratio_at_same_idle"] = missed
            figures["requests"] = requests
            figures["missed_share"] = point[0] / requests
            figures["idle_h"] = point[1]
    own, requests = season.total({p.environment: [(season.begin, p.ready)] for p in season.places})
    figures["facilitys_own_floors_missed_share"] = own[0] / requests
    figures["facilitys_own_floors_idle_h"] = own[1]
    lines = [
        [(n, float(f[n])) for n in range(requests // 100, requests // 4, 50) if np.isfinite(f[n])]
        for f in (best, timed)
    ]
    return figures, [*([(n / requests, i) for n, i in line] for line in (*lines, curve)), [own]]


def draw(curves: Mapping[int, Sequence[Sequence[Point]]]) -> None:
    """Write the plot."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    for axes, (seed, (best, timed, ours, _)) in zip(
        figure.subplots(1, len(curves), sharey=True), curves.items(), strict=True
    ):
        for line, label, style in (
            (best, "best fixed floors", "-"),
            (timed, "best schedules", "--"),
            (ours, "forecast", "o-"),
        ):
            axes.plot(
                [100 * share for share, _ in line], [idle / 1000 for _, idle in line], style,
                label=label, markersize=4,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
        axes.minorticks_off()
        axes.set_xlabel("requests not served at once, %")
        axes.set_title(f"seed {seed}{', tuned on' if seed == TUNED else ''}")
    figure.axes[0].set_ylabel("idle machine-hours a year, thousands")
    figure.axes[0].legend(frameon=False)
    figure.savefig(PLOT, dpi=110)


def replay_s(season: Season) -> tuple[float, float]:
    """Seconds that the whole simulator takes for a year, and its share of misses."""
    requests = [r for r in season.made.requests if r.at < season.end]
    calendars = {f"{name}.ics": parse(year.icalendar()) for name, year in season.made.years.items()}
    pools = {
        place.environment: {
            "maximum": place.maximum,
            "sizing": _pool(place, DEFAULT).sizing.model_dump(mode="json"),
        }
        for place in season.places
    }
    policy = Trying.model_validate({"pools": pools, "warm_up_days": WARM_UP_DAYS})
    trial = of_policy(policy, requests, calendars)
    began = time.process_time()
    told = trial.run(requests)
    took = time.process_time() - began
    outcomes = told.pools.values()
    return took, sum(o.misses for o in outcomes) / sum(o.requests for o in outcomes)


def main() -> None:
    """Run it and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--facility", type=Path, help="CSV of its environments; else a small one")
    options = parser.parse_args()
    known = options.facility is not None and options.facility.exists()
    places = facility.load(options.facility) if known else facility.SMALL
    figures: dict[str, float] = {}
    curves = {}
    of_seed: dict[int, dict[str, float]] = {}
    load = os.getloadavg()[0]
    for seed in (TUNED, *OTHERS):
        made = generate(seed, places, days=WARM_UP_DAYS + DAYS, start=date(2025, 1, 6))
        season = Season(made, places, booked=False)
        of_seed[seed], curves[seed] = compare(season, MISSES)
        booked, _ = compare(Season(made, places, booked=True), (DEFAULT,))
        of_seed[seed] |= {
            f"booked_{name}": value
            for name, value in booked.items()
            if name.startswith(("idle_ratio", "miss_ratio", "missed"))
        }
        print(seed, of_seed[seed], flush=True)
        if seed == TUNED:
            figures["replay_of_421_days_cpu_s"], figures["replay_missed_share"] = replay_s(season)
    for name, value in of_seed[TUNED].items():
        figures[name] = value
        if "ratio" in name:
            figures[f"{name}_worst_of_others"] = max(of_seed[seed][name] for seed in OTHERS)
    draw(curves)
    which = f"{options.facility.name}" if known else "the small made-up facility"
    report.write(
        "sizing",
        figures,
        note=f"{len(places)} environments of {which}; load {load:.1f} at the start",
    )


if __name__ == "__main__":
    main()
