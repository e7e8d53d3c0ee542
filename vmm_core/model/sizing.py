"""How many machines of a pool stand ready: the nouns of a pool's ``sizing`` in the catalogue.

``ready`` alone is a fixed floor. Beside it a pool may have::

    sizing:
      minimum: 1
      schedule:
        - {cron: "* 8-17 * * mon-fri", timezone: Europe/London, ready: 6}
      calendar:
        - {file: facility.ics, match: cycle, timezone: Europe/London, ready: 4, lead_hours: 12}
      forecast:
        miss: 0.005
        timezone: Europe/London
        cycles: {file: facility.ics, match: cycle}
        closed: {file: facility.ics, match: holiday}

What each means, and how they add up, is in :mod:`vmm_core.pools.sizing`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from .base import Noun
from .cron import CronRange


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("it is no known time zone: write it as Europe/London, or UTC") from None
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""A name of the IANA time zone database."""


def _range(text: str) -> str:
    CronRange.parse(text)
    return text


class ScheduleRule(Noun):
    """A floor for the minutes that a cron expression matches."""

    cron: Annotated[str, AfterValidator(_range)] = Field(
        description="minute, hour, day of month, month, day of week: the range in which it holds"
    )
    timezone: TimeZone = "UTC"
    ready: int = Field(ge=0, description="machines kept vacant in it")


class Events(Noun):
    """Events of an iCalendar file."""

    file: Path = Field(description="an iCalendar file (RFC 5545)")
    match: str = Field(
        default="",
        description="only events with this in their summary or as a category; empty: all",
    )


class CalendarRule(Events):
    """A floor while an event of an iCalendar file lasts."""

    timezone: TimeZone = Field(default="UTC", description="of events that name none")
    ready: int = Field(ge=0, description="machines kept vacant meanwhile")
    lead_hours: float = Field(default=0, ge=0, le=720, description="begin so long before")
    trail_hours: float = Field(default=0, ge=0, le=720, description="end so long after")


class ForecastRule(Noun):
    """A floor from what was asked for in the past."""

    miss: float = Field(
        default=0.005,
        gt=0,
        lt=0.5,
        description="accepted chance that more people come within one refill time than "
        "machines stand ready",
    )
    timezone: TimeZone = Field(default="UTC", description="whose hours the days have")
    cycles: Events | None = Field(default=None, description="when there is beam")
    closed: Events | None = Field(default=None, description="days that are like Sundays")
    refill_quantile: float = Field(
        default=0.9, gt=0, lt=1, description="which of the measured boot times is the refill time"
    )
    learn_days: float = Field(
        default=14, ge=7, description="history needed before it is believed; `ready` until then"
    )


class Sizing(Noun):
    """How ``ready`` changes with time. Empty: it does not."""

    minimum: int = Field(default=0, ge=0, description="never fewer, whatever the rules say")
    schedule: tuple[ScheduleRule, ...] = ()
    calendar: tuple[CalendarRule, ...] = ()
    forecast: ForecastRule | None = None

    @property
    def named_files(self) -> tuple[tuple[tuple[str | int, ...], Path], ...]:
        """The iCalendar files that it names, each with where in the sizing."""
        named: list[tuple[tuple[str | int, ...], Path]] = [
            (("calendar", place, "file"), rule.file) for place, rule in enumerate(self.calendar)
        ]
        if self.forecast:
            for key, events in (("cycles", self.forecast.cycles), ("closed", self.forecast.closed)):
                if events:
                    named.append((("forecast", key, "file"), events.file))
        return tuple(named)

    @property
    def files(self) -> frozenset[Path]:
        """The iCalendar files that it names."""
        return frozenset(file for _, file in self.named_files)
