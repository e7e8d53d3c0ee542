"""Reads iCalendar (RFC 5545): when a facility has beam, when it is closed. Pure.

Events with DTEND, DURATION or neither, all-day events, recurrences (RRULE,
RDATE), what is taken out of them (EXDATE) and changed in them (RECURRENCE-ID),
cancelled events, and the time zones of the file are understood. Recurrences are
counted on the wall clock of their time zone, so that "every day at 8" stays so
when the clocks change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

_DAY = timedelta(days=1)
_MOST = 100_000
"""Occurrences of one event in one year that are looked at."""

Span = tuple[float, float]
"""From, until, in seconds since 1970."""


class CalendarError(ValueError):
    """The text is no calendar that can be understood; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Event:
    """An event, or the rule of a series."""

    summary: str
    categories: tuple[str, ...]
    start: datetime
    """On the wall clock, without a zone."""
    zone: tzinfo | None
    """None: the reader's."""
    length: timedelta
    rule: str
    added: tuple[tuple[datetime, timedelta], ...]
    removed: frozenset[datetime]

    def occurrences(self, first: datetime, last: datetime) -> Iterator[tuple[datetime, timedelta]]:
        """Those that touch the time from ``first`` to ``last``, on the event's wall clock."""
        found: list[tuple[datetime, timedelta]] = []
        if self.rule:
            series = rrulestr(self.rule, dtstart=self.start)
            starts = islice(series.xafter(first - self.length, inc=True), _MOST)
            for start in starts:
                if start > last:
                    break
                found.append((start, self.length))
        else:
            found.append((self.start, self.length))
        for start, length in (*found, *self.added):
            if start not in self.removed and start <= last and start + length >= first:
                yield start, length


@dataclass(frozen=True)
class Calendar:
    """The events of a file."""

    events: Sequence[_Event]
    _spans: dict[tuple[str, str, int], tuple[list[float], list[float]]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def holds(
        self,
        at: float,
        *,
        match: str = "",
        zone: str = "UTC",
        lead_s: float = 0,
        trail_s: float = 0,
    ) -> bool:
        """Whether an event lasts at a time, begun ``lead_s`` early and ended ``trail_s`` late.

        Args:
            at: seconds since 1970.
            match: only events with this in their summary, or as a category; whatever its case.
            zone: of events that name none.
            lead_s: as above.
            trail_s: as above.
        """
        first, last = at - trail_s, at + lead_s
        year = datetime.fromtimestamp(first, UTC).year
        while True:
            starts, ends = self._of_year(match, zone, year)
            place = bisect_right(starts, last)
            if place and ends[place - 1] > first:
                return True
            year += 1
            if datetime(year, 1, 1, tzinfo=UTC).timestamp() > last:
                return False

    def changes(
        self, first: float, last: float, *, match: str = "", zone: str = "UTC"
    ) -> list[float]:
        """When events may begin or end between two times; those are all, and some are idle."""
        years = range(
            datetime.fromtimestamp(first, UTC).year, datetime.fromtimestamp(last, UTC).year + 1
        )
        found = {
            at
            for year in years
            for ats in self._of_year(match, zone, year)
            for at in ats
            if first <= at <= last
        }
        return sorted(found)

    def _of_year(self, match: str, zone: str, year: int) -> tuple[list[float], list[float]]:
        """Starts and ends of the year's spans, joined where they touch."""
        key = (match, zone, year)
        if key not in self._spans:
            first, last = datetime(year, 1, 1), datetime(year + 1, 1, 1)
            spans: list[list[float]] = []
            for start, end in sorted(
                self._matching(match, ZoneInfo(zone), first - _DAY, last + _DAY)
            ):
                if spans and start <= spans[-1][1]:
                    spans[-1][1] = max(spans[-1][1], end)
                else:
                    spans.append([start, end])
            self._spans[key] = [each[0] for each in spans], [each[1] for each in spans]
        return self._spans[key]

    def _matching(
        self, match: str, zone: ZoneInfo, first: datetime, last: datetime
    ) -> Iterator[Span]:
        wanted = match.casefold()
        for event in self.events:
            if wanted in event.summary.casefold() or wanted in event.categories:
                for start, length in event.occurrences(first, last):
                    begins = start.replace(tzinfo=event.zone or zone)
                    ends = (start + length).replace(tzinfo=event.zone or zone)
                    yield begins.timestamp(), ends.timestamp()


def parse(text: str) -> Calendar:
    """The events of an iCalendar text.

    Raises:
        CalendarError: it is none, or says what is not understood.
    """
    from icalendar import Calendar as Component  # slow to import, and seldom needed

    try:
        calendars = Component.from_ical(text, multiple=True)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise CalendarError(f"is no iCalendar: {' '.join(str(error).split())}") from None
    if not calendars or any(calendar.name != "VCALENDAR" for calendar in calendars):
        raise CalendarError("is no iCalendar: it must begin with BEGIN:VCALENDAR")
    components = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    changed: dict[str, set[datetime]] = {}
    for component in components:
        if "RECURRENCE-ID" in component:
            if component["RECURRENCE-ID"].params.get("RANGE"):
                raise CalendarError(
                    f"the event {_name(component)} changes all that follow it "
                    "(RANGE=THISANDFUTURE): make them a series of their own"
                )
            moved = _wall(_when(component, "RECURRENCE-ID"))[0]
            changed.setdefault(str(component.get("UID", "")), set()).add(moved)
    events = [
        _event(component, changed)
        for component in components
        if str(component.get("STATUS", "")).upper() != "CANCELLED"
    ]
    return Calendar(tuple(events))


def _event(component: Mapping[str, Any], changed: Mapping[str, set[datetime]]) -> _Event:
    for name, error in getattr(component, "errors", ()):
        raise CalendarError(f"the event {_name(component)} has a wrong {name}: {error}")
    begins = _when(component, "DTSTART")
    start, zone = _wall(begins)
    if "DTEND" in component:
        length = _wall(_when(component, "DTEND"), zone)[0] - start
    elif "DURATION" in component:
        length = component["DURATION"].dt
    else:
        length = timedelta(0) if isinstance(begins, datetime) else _DAY
    if length < timedelta(0):
        raise CalendarError(f"the event {_name(component)} ends before it begins: correct DTEND")
    alone = "RECURRENCE-ID" in component
    removed = {start for start, _ in _dates(component, "EXDATE", zone, length)}
    if not alone:
        removed |= changed.get(str(component.get("UID", "")), set())
    return _Event(
        summary=str(component.get("SUMMARY", "")),
        categories=tuple(_categories(component)),
        start=start,
        zone=zone,
        length=length,
        rule="" if alone else _rule(component, zone),
        added=() if alone else tuple(_dates(component, "RDATE", zone, length)),
        removed=frozenset(removed),
    )


def _when(component: Mapping[str, Any], name: str) -> date | datetime:
    found = component.get(name)
    if isinstance(found, list):
        raise CalendarError(f"the event {_name(component)} has several {name}: keep one")
    value = getattr(found, "dt", None)
    if not isinstance(value, date):
        raise CalendarError(f"the event {_name(component)} has no {name} that is a time: add it")
    return value


def _wall(value: date | datetime, zone: tzinfo | None = None) -> tuple[datetime, tzinfo | None]:
    """The wall clock's time without its zone, and the zone; in ``zone`` if one is given."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time()), None
    if zone is not None and value.tzinfo is not None:
        value = value.astimezone(zone)
    return value.replace(tzinfo=None), value.tzinfo


def _rule(component: Mapping[str, Any], zone: tzinfo | None) -> str:
    """The recurrence as text, its end on the event's wall clock; empty if there is none."""
    rule = component.get("RRULE")
    if rule is None:
        return ""
    if isinstance(rule, list):
        raise CalendarError(f"the event {_name(component)} has several RRULE: keep one")
    parts = {key.upper(): value for key, value in rule.items()}
    often = str(parts.get("FREQ", [""])[0]).upper()
    if often not in ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        raise CalendarError(
            f"the event {_name(component)} recurs {often or 'at no frequency'}: "
            "let it recur HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY"
        )
    text = [
        part for part in rule.to_ical().decode().split(";") if not part.upper().startswith("UNTIL")
    ]
    for until in parts.get("UNTIL", ())[:1]:
        end = _wall(until, zone)[0]
        if not isinstance(until, datetime):  # the whole day counts
            end += _DAY - timedelta(seconds=1)
        text.append(f"UNTIL={end:%Y%m%dT%H%M%S}")
    joined = ";".join(text)
    try:
        rrulestr(joined, dtstart=datetime(2000, 1, 1))
    except (ValueError, TypeError) as error:
        raise CalendarError(f"the event {_name(component)} has a wrong RRULE: {error}") from None
    return joined


def _dates(
    component: Mapping[str, Any], name: str, zone: tzinfo | None, length: timedelta
) -> Iterator[tuple[datetime, timedelta]]:
    """The times of EXDATE or RDATE, which may stand in several lines, with their lengths."""
    found = component.get(name, ())
    for line in found if isinstance(found, list | tuple) else (found,):
        for each in line.dts:
            if isinstance(each.dt, tuple):  # a period, with its end or its length
                start, until = each.dt
                wall = _wall(start, zone)[0]
                yield wall, until if isinstance(until, timedelta) else _wall(until, zone)[0] - wall
            else:
                yield _wall(each.dt, zone)[0], length


def _categories(component: Mapping[str, Any]) -> Iterator[str]:
    found = component.get("CATEGORIES", ())
    for line in found if isinstance(found, list | tuple) else (found,):
        for each in getattr(line, "cats", ()):
            yield str(each).casefold()


def _name(component: Mapping[str, Any]) -> str:
    return repr(str(component.get("SUMMARY") or component.get("UID") or "without a summary"))
