"""How well a policy did: figures, and a line of bars for each, as text.

A *hit* is a request that was served at once from a ready machine; waits are of all
requests that were served, hits with 0 s. *Idle* machine-hours are those of machines
that existed and had no user: vacant, and on their way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from .one_pool import Outcome
from .records import Day, Told

_BARS = " ▁▂▃▄▅▆▇█"
_COLUMNS = 73
"""Of a line of bars: five days each make a year."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one pool, or of all."""

    requests: int
    hit_rate: float
    """From 0 to 1."""
    wait_p50_s: float
    wait_p95_s: float
    wait_max_s: float
    refused: int
    idle_h: float
    """Vacant, or on their way."""
    vacant_h: float
    leased_h: float

    def json(self) -> dict[str, float]:
        """Rounded."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Of some pools together."""
    requests = sum(each.requests for each in outcomes)
    hits = sum(each.hits for each in outcomes)
    waits = sorted(wait for each in outcomes for wait in each.waits_s)

    def wait_s(share: float) -> float:
        """The nearest rank among all that were served."""
        served = hits + len(waits)
        rank = min(served - 1, int(share * served)) - hits
        return waits[rank] if rank >= 0 else 0.0

    return Figures(
        requests=requests,
        hit_rate=hits / requests if requests else 1.0,
        wait_p50_s=wait_s(0.5),
        wait_p95_s=wait_s(0.95),
        wait_max_s=waits[-1] if waits else 0.0,
        refused=sum(each.refused for each in outcomes),
        idle_h=sum(each.idle_h for each in outcomes),
        vacant_h=sum(each.vacant_s for each in outcomes) / 3600,
        leased_h=sum(each.leased_s for each in outcomes) / 3600,
    )


def bars(values: Sequence[float], columns: int = _COLUMNS) -> str:
    """The values as a line of bars, from nothing to the greatest, the mean of some in each."""
    each = max(1, -(-len(values) // columns))
    means = [
        sum(values[start : start + each]) / len(values[start : start + each])
        for start in range(0, len(values), each)
    ]
    most = max(means, default=0) or 1.0
    return "".join(_BARS[round(value / most * (len(_BARS) - 1))] for value in means)


def days(told: Told) -> list[Day]:
    """All days of the time that counts, in order; its first and last may be shorter."""
    first, last = int(told.since // 86400), int((told.until - 1) // 86400)
    return [told.days.get(day, Day()) for day in range(first, last + 1)]


def text(told: Told) -> str:
    """What ``vmm simulate`` prints."""
    found = figures(list(told.pools.values()))
    each = days(told)
    lines = [
        f"requests              {found.requests:12,}",
        f"served at once        {found.hit_rate:12.2%}",
        f"wait p50, p95, max    {found.wait_p50_s:8.0f} s {found.wait_p95_s:8.0f} s "
        f"{found.wait_max_s:8.0f} s",
        f"refused               {found.refused:12,}"
        + (f"  and {told.impossible:,} that no pool can serve" if told.impossible else ""),
        f"idle machine-hours    {found.idle_h:12,.0f}  of them vacant {found.vacant_h:,.0f}",
        f"leased machine-hours  {found.leased_h:12,.0f}",
        "",
        f"requests a day, at most {max(day.requests for day in each):,}",
        bars([day.requests for day in each]),
        f"not served at once, at most {max(day.misses for day in each):,} a day",
        bars([day.misses for day in each]),
        f"idle machines, at most {max(day.idle_s for day in each) / 86400:,.1f}",
        bars([day.idle_s for day in each]),
    ]
    return "\n".join(lines)
