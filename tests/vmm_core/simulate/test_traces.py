"""Made-up traces: a seed makes the same bytes, in the likeness of a facility; read as written."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest

from vmm_core.calendars.ical import parse
from vmm_core.errors import BadRequest
from vmm_core.simulate import facility, trace
from vmm_core.simulate.generate import ZONE, Made, generate

CSV = """facility,name,flavor,gpus,cpus,ram_gb,pool_size,max_size,instruments,groups
North,Big Data - new,l,0,60,245,2,40,A;B,Beams;Data
North,Closed,l,0,8,30,0,0,A,Beams
South,Pictures,g,1,12,90,1,5,C,Light
"""


@pytest.fixture(scope="module")
def made() -> Made:
    return generate(5, facility.SMALL, requests_a_year=20_000)


def local(request: trace.Request) -> datetime:
    return datetime.fromtimestamp(request.at, ZONE)


def written(requests: list[trace.Request], *, lines: bool = False) -> str:
    file = io.StringIO()
    trace.write(requests, file, lines=lines)
    return file.getvalue()


def test_a_seed_makes_the_same_bytes_and_another_seed_others(made: Made) -> None:
    again, other = (generate(s, facility.SMALL, requests_a_year=20_000) for s in (5, 6))
    assert written(made.requests) == written(again.requests)
    assert written(made.requests) != written(other.requests)


@pytest.mark.parametrize("lines", [False, True])
def test_what_is_written_is_read_back(made: Made, tmp_path: Path, lines: bool) -> None:
    path = tmp_path / "trace"
    path.write_text(written(made.requests[:500], lines=lines))
    assert trace.read(path) == made.requests[:500]


def test_a_year_looks_like_a_facilitys(made: Made) -> None:
    requests = made.requests
    assert 17_000 < len(requests) < 24_000
    year = made.years["Neutrons"]
    by_day = Counter(local(each).date() for each in requests)
    working = [d for d in year if d.weekday() < 5 and d not in year.closed]
    weekends = [d for d in year if d.weekday() >= 5]
    beam, shutdown = ([d for d in working if year.in_cycle(d) is b] for b in (True, False))

    def mean(days: list[date]) -> float:
        return sum(by_day[day] for day in days) / len(days)

    assert mean(weekends) < 0.5 * mean(working)
    assert mean(beam) > mean(shutdown)
    assert mean([d for d in year.closed if d.weekday() < 5]) < 0.4 * mean(working)
    hours = Counter(local(each).hour for each in requests)
    assert hours[9] > 10 * hours[3] > 0
    assert {each.environment for each in requests} == {p.environment for p in facility.SMALL}


def test_courses_come_at_once_and_sessions_have_a_heavy_tail(made: Made) -> None:
    courses: dict[str, list[float]] = {}
    for each in made.requests:
        if each.user.startswith("w"):
            courses.setdefault(each.user.partition("-")[0], []).append(each.at)
    assert len(courses) >= 2
    assert all(25 <= len(times) <= 60 for times in courses.values())
    assert all(max(times) - min(times) < 1800 for times in courses.values())
    lengths = sorted(each.duration_s for each in made.requests)
    assert 3600 < median(lengths) < 4 * 3600
    assert lengths[-1] > 20 * median(lengths)


def test_its_days_are_told_as_a_calendar(made: Made) -> None:
    year = made.years["Neutrons"]
    calendar = parse(year.icalendar())
    for day in year:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
        assert calendar.holds(noon, match="cycle", zone=str(ZONE)) == year.in_cycle(day)
        assert calendar.holds(noon, match="holiday", zone=str(ZONE)) == (day in year.closed)
    assert len(year.cycles) >= 4
    assert all(timedelta(20) < after - first < timedelta(50) for first, after in year.cycles)


def test_environments_come_from_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "environments.csv"
    path.write_text(CSV)
    big, pictures = facility.load(path)
    assert (big.environment, big.maximum, big.ready, big.cpus) == ("big-data-new", 40, 2, 60)
    assert big.groups == ("Beams", "Data")
    assert (pictures.cloud, pictures.gpus) == ("south", 1)
    path.write_text(CSV.replace("245", "much"))
    with pytest.raises(BadRequest, match=r"environments.csv:2: could not convert"):
        facility.load(path)
    path.write_text(CSV.replace("max_size", "most"))
    with pytest.raises(BadRequest, match="the column max_size is missing"):
        facility.load(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", ":1: the column time is missing"),
        ("time,user,environment,duration_s\n", "has no request"),
        ("time,user,environment,duration_s\nnow,u,muon,60\n", ":2: time is 'now'"),
        ("time,user,environment,duration_s\n2026-01-01,u,muon,-1\n", ":2: duration_s is '-1'"),
        ("time,user,environment,duration_s\n2026-01-01,u,,1\n", ":2: it lacks environment"),
        ("time,user,environment,duration_s\n2026-01-01,u,My Tool,1\n", "is 'My Tool': write"),
        ("{not json}\n", ":1: is not JSON"),
    ],
)
def test_a_wrong_trace_is_told_with_its_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(BadRequest) as raised:
        trace.read(path)
    assert why in str(raised.value)
