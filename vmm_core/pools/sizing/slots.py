"""Time in slots of an hour, and which hours are alike. Pure.

Hours are alike that are the same hour of the same day of the week, on the wall
clock of the pool's time zone; a day on which the facility is closed is a Sunday.
Beside it an hour is in a beam cycle or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from ...calendars.ical import Calendar
from ...model.sizing import Events, ForecastRule

SLOT_S = 3600
"""Requests are counted for each hour (UTC)."""
ALIKE = 7 * 24
"""Kinds of hours: those of a week, from Monday's first."""
_SUNDAY = 6

_Matching = tuple[Calendar | None, str]


def slot_of(at: float) -> int:
    """The number of the slot of a time in seconds since 1970."""
    return int(at // SLOT_S)


class Hours:
    """Which kind of hour a slot is, for pools with one rule; remembers what it told."""

    def __init__(self, rule: ForecastRule, calendars: Mapping[str, Calendar]) -> None:
        """``calendars`` has the files that ``rule`` names, as far as they could be read."""
        self._zone = ZoneInfo(rule.timezone)
        self._timezone = rule.timezone
        self._cycles = _matching(rule.cycles, calendars)
        self._closed = _matching(rule.closed, calendars)
        self._told: dict[int, tuple[int, bool]] = {}

    def kind(self, slot: int) -> tuple[int, bool]:
        """Its hour of the week, and whether there is beam."""
        if slot not in self._told:
            if len(self._told) > 20_000:
                self._told.clear()
            self._told[slot] = self._kind(slot)
        return self._told[slot]

    def _kind(self, slot: int) -> tuple[int, bool]:
        at = slot * SLOT_S
        local = datetime.fromtimestamp(at, self._zone)
        noon = local.replace(hour=12, minute=0)  # a day is closed or it is not
        closed = self._holds(self._closed, noon.timestamp())
        day = _SUNDAY if closed else local.weekday()
        return day * 24 + local.hour, self._holds(self._cycles, at)

    def _holds(self, events: _Matching, at: float) -> bool:
        calendar, match = events
        return calendar is not None and calendar.holds(at, match=match, zone=self._timezone)


def _matching(events: Events | None, calendars: Mapping[str, Calendar]) -> _Matching:
    if events is None:
        return None, ""
    return calendars.get(str(events.file)), events.match
