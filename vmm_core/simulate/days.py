"""The days of a made-up facility: beam cycles and holidays, also as iCalendar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from random import Random

from dateutil.easter import easter  # type: ignore[import-untyped]


@dataclass(frozen=True)
class Year:
    """A stretch of days, which of them have beam, and which are holidays."""

    start: date
    days: int
    cycles: Sequence[tuple[date, date]]
    """First day with beam, first day without it again."""
    holidays: Sequence[date]

    def __iter__(self) -> Iterator[date]:
        return (self.start + timedelta(days=number) for number in range(self.days))

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and 0 <= (day - self.start).days < self.days

    @cached_property
    def closed(self) -> frozenset[date]:
        """The holidays."""
        return frozenset(self.holidays)

    def in_cycle(self, day: date) -> bool:
        """Whether there is beam."""
        return any(first <= day < after for first, after in self.cycles)

    def icalendar(self) -> str:
        """Cycles and holidays as iCalendar (RFC 5545), all-day events."""
        events = [
            (f"Cycle {number}", "CYCLE", *cycle) for number, cycle in enumerate(self.cycles, 1)
        ]
        events += [("Holiday", "HOLIDAY", day, day + timedelta(days=1)) for day in self.holidays]
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//jupyter-daaas//vmm simulate//EN"]
        for number, (summary, category, first, after) in enumerate(events, 1):
            lines += [
                "BEGIN:VEVENT",
                f"UID:{number}@vmm-simulate",
                f"DTSTAMP:{self.start:%Y%m%d}T000000Z",
                f"SUMMARY:{summary}",
                f"CATEGORIES:{category}",
                f"DTSTART;VALUE=DATE:{first:%Y%m%d}",
                f"DTEND;VALUE=DATE:{after:%Y%m%d}",
                "END:VEVENT",
            ]
        return "\r\n".join([*lines, "END:VCALENDAR", ""])


def cycles(luck: Random, start: date, days: int) -> tuple[tuple[date, date], ...]:
    """Some four or five cycles a year of five to seven weeks, none between the years."""
    found = []
    day = start + timedelta(days=luck.randrange(5, 35))
    while (day - start).days < days:
        after = day + timedelta(days=luck.randrange(33, 47))
        if (after.month == 12 and after.day > 20) or (after.month == 1 and day.month == 12):
            after = date(day.year, 12, 20)
        if (after - day).days > 7:
            found.append((day, after))
        day = after + timedelta(days=luck.randrange(16, 50))
        if (day.month, day.day) > (12, 10):
            day = date(day.year + 1, 1, 12)
    return tuple(found)


def holidays(start: date, days: int) -> tuple[date, ...]:
    """Good Friday, Easter Monday, the Mondays of May and August, Christmas to New Year."""
    end = start + timedelta(days=days)
    found = []
    for year in range(start.year, end.year + 1):
        sunday = easter(year)
        found += [date(year, 1, 1), sunday - timedelta(days=2), sunday + timedelta(days=1)]
        found += [_first_monday(year, 5), _last_monday(year, 5), _last_monday(year, 8)]
        found += [date(year, 12, day) for day in range(24, 32)]
    return tuple(sorted(day for day in found if start <= day < end))


def _first_monday(year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=-first.weekday() % 7)


def _last_monday(year: int, month: int) -> date:
    last = date(year, month + 1, 1) - timedelta(days=1)
    return last - timedelta(days=last.weekday())
