"""The floor of a pool from schedule, calendar, forecast and bounds together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vmm_core.calendars.ical import parse
from vmm_core.model import Pool
from vmm_core.pools.sizing import Floors
from vmm_core.pools.sizing.slots import slot_of

LONDON = {"timezone": "Europe/London"}
OFFICE = {"cron": "* 8-17 * * mon-fri", "ready": 6, **LONDON}
LUNCH = {"cron": "30-59 12 * * *", "ready": 9, **LONDON}
NIGHT = {"cron": "* 0-5 * * *", "ready": 0, **LONDON}
BEAM = parse(
    "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nSUMMARY:Cycle\n"
    "DTSTAMP:20260101T000000Z\nDTSTART;VALUE=DATE:20260602\nDTEND;VALUE=DATE:20260612\n"
    "END:VEVENT\nBEGIN:VEVENT\nUID:2\nSUMMARY:Holiday\nDTSTAMP:20260101T000000Z\n"
    "DTSTART;VALUE=DATE:20260624\nEND:VEVENT\nEND:VCALENDAR\n"
)


def pool(maximum: int = 20, ready: int = 3, **sizing: Any) -> Pool:
    return Pool.model_validate(
        {
            "environment": "mantid",
            "cloud": "sim",
            "size": "s",
            "ready": ready,
            "maximum": maximum,
            "sizing": sizing,
        }
    )


def utc(day: int, hour: int = 12, minute: int = 0, month: int = 6) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_without_a_sizing_ready_is_the_floor() -> None:
    assert Floors()(pool(), utc(1)) == 3
    assert Floors()(pool(ready=9, maximum=4), utc(1)) == 4


@pytest.mark.parametrize(
    ("at", "floor"),
    [
        (utc(1, 6, 59), 3),  # Monday, 7:59 in London
        (utc(1, 7, 0), 6),
        (utc(1, 16, 59), 6),
        (utc(1, 17, 0), 3),
        (utc(1, 11, 30), 9),  # the greatest of two that match
        (utc(6, 9, 0), 3),  # Saturday
        (utc(6, 2, 0), 0),  # less than ready
        (utc(5, 8, 0, month=1), 6),  # in winter London is at UTC
        (utc(5, 7, 59, month=1), 3),
    ],
)
def test_a_schedule_holds_on_its_own_clock(at: datetime, floor: int) -> None:
    assert Floors()(pool(schedule=[OFFICE, LUNCH, NIGHT]), at) == floor


def test_a_calendar_holds_with_its_lead_and_the_greatest_rule_wins() -> None:
    rule = {"file": "f.ics", "match": "cycle", "ready": 5, "lead_hours": 12, **LONDON}
    floors = Floors({"f.ics": BEAM})
    found = pool(calendar=[rule], schedule=[OFFICE])
    assert floors(found, utc(1, 10)) == 6  # office, and no beam
    assert floors(found, utc(1, 18)) == 5  # no office, and in six hours beam
    assert floors(found, utc(2, 10)) == 6
    assert floors(found, utc(11, 22, 59)) == 5
    assert floors(found, utc(11, 23)) == 3
    assert Floors()(found, utc(2, 19)) == 3  # a calendar that could never be read says nothing


def test_minimum_and_maximum_bound_whatever_is_said() -> None:
    assert Floors()(pool(schedule=[NIGHT], minimum=2), utc(1, 2)) == 2
    assert Floors()(pool(schedule=[OFFICE], maximum=4), utc(1)) == 4


class Past:
    """A history of requests by day and hour."""

    def __init__(self, found: Pool, floors: Floors | None = None) -> None:
        self.pool, self.floors = found, floors or Floors()
        self.at = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday

    def live(self, days: int, often: Any) -> Past:
        """Let time pass; ``often`` says how many come in an hour."""
        for _ in range(days * 24):
            number = often(self.at)
            counts = {self.pool.name: number} if number else {}
            self.floors.observe([self.pool], slot_of(self.at.timestamp()), counts)
            self.at += timedelta(hours=1)
        return self

    def floor(self, **later: float) -> int:
        return self.floors(self.pool, self.at + timedelta(**later))


def office(at: datetime) -> int:
    return 8 if at.weekday() < 5 and 9 <= at.hour < 17 else 0


def test_a_forecast_is_believed_after_a_while_and_until_then_ready_holds() -> None:
    past = Past(pool(ready=7, forecast={"learn_days": 14}))
    assert past.floor(hours=10) == 7
    past.live(14, office)
    assert past.floor(hours=11) == 7  # its history began with its first request, at 9
    past.live(1, office)
    assert past.floor(hours=3) < 2


def test_a_forecast_knows_days_from_nights_and_weekends() -> None:
    past = Past(pool(forecast={"miss": 0.01}, minimum=0)).live(58, office)
    past.floors.refills_s = {past.pool.name: 600}
    assert 3 <= past.floor(hours=11) <= 7  # some 1.3 come in ten minutes, which 5 cover
    assert past.floor(hours=2) <= 1
    assert past.floor(days=3, hours=11) <= 1
    assert past.floor(hours=8, minutes=50) > 0  # before the first of the day can come


def test_a_smaller_miss_and_a_longer_refill_need_more() -> None:
    def floor(miss: float, refill_s: float) -> int:
        past = Past(pool(forecast={"miss": miss}, maximum=99)).live(42, office)
        past.floors.refills_s = {past.pool.name: refill_s}
        return past.floor(hours=11)

    assert floor(0.1, 600) < floor(0.001, 600) < floor(0.001, 2400)


def test_a_forecast_follows_a_change_of_level() -> None:
    past = Past(pool(forecast={}, maximum=99)).live(56, office)
    before = past.floor(hours=11)
    past.live(7, lambda at: 3 * office(at))
    assert past.floor(hours=11) > before
    past.live(21, lambda at: 0)
    assert past.floor(hours=11) < before


def test_a_forecast_tells_beam_from_shutdown_and_holidays_from_working_days() -> None:
    events = {"file": "f.ics", "match": "cycle"}, {"file": "f.ics", "match": "holiday"}
    learnt = pool(forecast={"cycles": events[0], "closed": events[1]}, maximum=99)
    past = Past(learnt, Floors({"f.ics": BEAM}))
    past.live(92 + 15, lambda at: office(at) * (4 if utc(2, 0) <= at < utc(12, 0) else 1) // 2)
    past.floors.refills_s = {past.pool.name: 900}
    hours = past.floors.hours(past.pool.name, learnt.sizing.forecast)  # type: ignore[arg-type]
    demand = past.floors.demand.of(past.pool.name)
    noon = [hours.kind(slot_of(utc(day, 11).timestamp())) for day in (10, 17, 24, 21)]
    beam, shutdown, holiday, sunday = (demand.rate(*kind) for kind in noon)
    assert beam > 1.5 * shutdown
    assert holiday == sunday < 0.2 * shutdown


def test_a_course_that_nobody_booked_does_not_raise_the_floor_for_weeks() -> None:
    quiet = Past(pool(forecast={}, maximum=99)).live(56, lambda at: office(at) // 4)
    course = Past(pool(forecast={}, maximum=99)).live(55, lambda at: office(at) // 4)
    course.live(1, lambda at: 40 if at.hour == 10 else office(at) // 4)
    assert course.floor(hours=10) <= quiet.floor(hours=10) + 2
    for past in (quiet, course):
        past.live(10, lambda at: office(at) // 4)
    assert course.floor(hours=10) <= quiet.floor(hours=10) + 1
