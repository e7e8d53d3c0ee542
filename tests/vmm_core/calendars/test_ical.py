"""What a calendar file says, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vmm_core.calendars.ical import Calendar, CalendarError, parse


def calendar(*events: str, before: str = "") -> Calendar:
    body = "".join(f"BEGIN:VEVENT\nDTSTAMP:20260101T000000Z\n{e}\nEND:VEVENT\n" for e in events)
    return parse(f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{before}{body}END:VCALENDAR\n")


def spans(found: Calendar, match: str = "", zone: str = "UTC", year: int = 2026) -> list[str]:
    first, last = (datetime(y, 1, 1, tzinfo=UTC).timestamp() for y in (year, year + 1))
    changes = found.changes(first, last, match=match, zone=zone)
    return [f"{datetime.fromtimestamp(at, UTC):%m-%d %H:%M}" for at in changes]


def test_an_all_day_event_ends_before_its_last_day_and_has_the_readers_zone() -> None:
    cycle = calendar(
        "UID:1\nSUMMARY:Cycle 1\nDTSTART;VALUE=DATE:20260602\nDTEND;VALUE=DATE:20260605"
    )
    assert spans(cycle) == ["06-02 00:00", "06-05 00:00"]
    assert spans(cycle, zone="Europe/London") == ["06-01 23:00", "06-04 23:00"]
    one_day = calendar("UID:1\nDTSTART;VALUE=DATE:20260602")
    assert spans(one_day) == ["06-02 00:00", "06-03 00:00"]


def test_lead_and_trail() -> None:
    cycle = calendar("UID:1\nDTSTART:20260602T080000Z\nDURATION:PT2H")
    at = datetime(2026, 6, 2, 8, tzinfo=UTC).timestamp()
    assert [cycle.holds(at + s) for s in (-1, 0, 7199, 7200)] == [False, True, True, False]
    assert cycle.holds(at - 3600, lead_s=3600)
    assert not cycle.holds(at - 3601, lead_s=3600)
    assert cycle.holds(at + 7200 + 599, trail_s=600)
    assert not cycle.holds(at + 7200 + 600, trail_s=600)
    new_year = calendar("UID:1\nDTSTART:20270101T000000Z\nDURATION:PT2H")
    assert new_year.holds(datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp(), lead_s=3600)


def test_what_recurs_keeps_its_hour_when_the_clocks_change() -> None:
    daily = calendar(
        "UID:1\nDTSTART;TZID=Europe/London:20260327T080000\nDTEND;TZID=Europe/London:20260327T090000"
        "\nRRULE:FREQ=DAILY;UNTIL=20260330T070000Z"
    )
    assert spans(daily) == [
        *("03-27 08:00", "03-27 09:00", "03-28 08:00", "03-28 09:00"),
        *("03-29 07:00", "03-29 08:00", "03-30 07:00", "03-30 08:00"),
    ]


def test_exceptions_of_a_series() -> None:
    weekly = (
        "UID:w\nSUMMARY:Beam\nDTSTART:20260105T080000Z\nDTEND:20260105T180000Z"
        "\nRRULE:FREQ=WEEKLY;COUNT=5\nEXDATE:20260112T080000Z\nRDATE:20260302T080000Z"
    )
    moved = (
        "UID:w\nRECURRENCE-ID:20260119T080000Z\nDTSTART:20260120T100000Z\nDTEND:20260120T110000Z"
    )
    gone = "UID:w\nRECURRENCE-ID:20260126T080000Z\nSTATUS:CANCELLED\nDTSTART:20260126T080000Z"
    assert spans(calendar(weekly, moved, gone))[::2] == [
        *("01-05 08:00", "01-20 10:00", "02-02 08:00", "03-02 08:00"),
    ]


def test_a_zone_of_the_files_own() -> None:
    zone = (
        "BEGIN:VTIMEZONE\nTZID:Beamline\nBEGIN:STANDARD\nDTSTART:19700101T000000\n"
        "TZOFFSETFROM:+0330\nTZOFFSETTO:+0330\nEND:STANDARD\nEND:VTIMEZONE\n"
    )
    found = calendar(
        "UID:1\nDTSTART;TZID=Beamline:20260602T080000\nDTEND;TZID=Beamline:20260602T090000",
        before=zone,
    )
    assert spans(found) == ["06-02 04:30", "06-02 05:30"]


def test_events_are_told_by_summary_or_category() -> None:
    both = calendar(
        "UID:1\nSUMMARY:Cycle 2026/1\nDTSTART;VALUE=DATE:20260602",
        "UID:2\nSUMMARY:Easter\nCATEGORIES:HOLIDAY,STAFF\nDTSTART;VALUE=DATE:20260702",
        "UID:3\nSUMMARY:Cycle of talks\nSTATUS:CANCELLED\nDTSTART;VALUE=DATE:20260802",
    )
    assert spans(both, "cycle") == ["06-02 00:00", "06-03 00:00"]
    assert spans(both, "holiday") == ["07-02 00:00", "07-03 00:00"]
    assert len(spans(both)) == 4


def test_events_that_touch_are_one_and_without_end_recur_in_any_year() -> None:
    nights = calendar("UID:1\nDTSTART:20260101T000000Z\nDURATION:P1D\nRRULE:FREQ=DAILY")
    assert nights.holds(datetime(2031, 7, 1, tzinfo=UTC).timestamp())
    assert not [at for at in spans(nights, year=2031) if at[:2] not in ("01", "12")]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("UID:1\nSUMMARY:Beam", "the event 'Beam' has no DTSTART that is a time: add it"),
        (
            "UID:1\nSUMMARY:Beam\nDTSTART:20260102T000000Z\nDTEND:20260101T000000Z",
            "the event 'Beam' ends before it begins: correct DTEND",
        ),
        (
            "UID:1\nSUMMARY:Beam\nDTSTART:20260102T000000Z\nRRULE:FREQ=SECONDLY",
            "the event 'Beam' recurs SECONDLY: "
            "let it recur HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY",
        ),
        (
            "UID:1\nSUMMARY:Beam\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260102T000000Z"
            "\nDTSTART:20260102T000000Z",
            "the event 'Beam' changes all that follow it (RANGE=THISANDFUTURE): "
            "make them a series of their own",
        ),
    ],
)
def test_what_is_not_understood_is_said(event: str, why: str) -> None:
    with pytest.raises(CalendarError) as raised:
        calendar(event)
    assert str(raised.value) == why


@pytest.mark.parametrize("text", ["", "hello", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "<html></html>"])
def test_what_is_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(CalendarError, match=r"^is no iCalendar"):
        parse(text)
