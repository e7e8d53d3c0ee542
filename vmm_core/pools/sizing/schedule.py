"""Floors by the clock: cron ranges with a time zone. Pure.

Ranges may overlap: where several match, the greatest ``ready`` holds. Where none
matches they say nothing. In the hour that a change of clocks repeats a range
holds both times, and one that lies in the skipped hour is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from ...model.cron import CronRange
from ...model.sizing import ScheduleRule


def scheduled(rules: Iterable[ScheduleRule], now: datetime) -> int | None:
    """The greatest ``ready`` of the rules that hold at ``now``; None if none holds."""
    found = [
        rule.ready
        for rule in rules
        if parsed(rule.cron).matches(now.astimezone(_zone(rule.timezone)))
    ]
    return max(found, default=None)


@lru_cache(maxsize=256)
def parsed(cron: str) -> CronRange:
    """The range of an expression, read once."""
    return CronRange.parse(cron)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def marks(rules: Iterable[ScheduleRule]) -> frozenset[int]:
    """Minutes of an hour (UTC) at which any of the rules may begin or end.

    Offsets of time zones are whole quarters of an hour.
    """
    return frozenset(
        (minute + quarter) % 60
        for rule in rules
        for minute in parsed(rule.cron).marks
        for quarter in (0, 15, 30, 45)
    )
