"""Calendar files of a catalogue: checked when it is read, kept when they break later."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from vmm_core.calendars.files import CalendarFiles
from vmm_core.catalogue import load
from vmm_core.errors import CatalogueError

from ...support.messages import expected, says

GOOD = (
    "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\n"
    "DTSTART;VALUE=DATE:20260602\nEND:VEVENT\nEND:VCALENDAR\n"
)
CATALOGUE = """\
locations: [{name: ral, title: RAL}]
clouds: [{name: sim, kind: simulated, location: ral}]
environments: [{name: mantid, title: Mantid}]
pools:
  - environment: mantid
    cloud: sim
    size: small
    maximum: 5
    sizing:
      minimum: 1
      calendar:
        - {ready: 2, file: beam.ics}
      schedule:
        - {ready: 4, cron: "* 8-17 * * mon-fri", timezone: Europe/London}
      forecast:
        cycles:
          file: beam.ics
"""
BEAM = datetime(2026, 6, 2, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE)
    (tmp_path / "beam.ics").write_text(GOOD)
    return tmp_path / "catalogue.yaml"


def mistakes(path: Path) -> list[str]:
    with pytest.raises(CatalogueError) as raised:
        load(path)
    return [line.removeprefix(f"{path}:") for line in str(raised.value).splitlines()]


def test_files_are_looked_for_beside_the_catalogue(path: Path) -> None:
    catalogue = load(path)
    (pool,) = catalogue.pools.values()
    assert pool.sizing.forecast is not None
    assert catalogue.folder == path.parent


def test_a_missing_file_is_a_mistake_of_its_line(path: Path) -> None:
    beam = path.with_name("beam.ics")
    beam.unlink()
    cycle, forecast = mistakes(path)
    assert cycle.partition(": ")[0] == "12"
    assert forecast.partition(": ")[0] == "17"
    promised = expected("sizing", "wrong file").operator
    assert says(promised, cycle.partition(": ")[2])
    assert str(beam) in cycle


def test_a_broken_file_is_a_mistake_of_its_line(path: Path) -> None:
    beam = path.with_name("beam.ics")
    beam.write_text(GOOD.replace("DTSTART;VALUE=DATE:20260602\n", "SUMMARY:Beam\n"))
    line, _, why = mistakes(path)[0].partition(": ")
    assert line == "12"
    assert says(expected("sizing", "broken file").operator, why)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("minimum: 1", "minimum: 6", "10: minimum is 6, more than the pool's maximum of 5"),
        ("* 8-17 * * mon-fri", "a b", "is no cron expression: write it as * 8-17 * * mon-fri"),
        ("Europe/London", "Europe/Rutherford", "is no known time zone"),
        ("minimum: 1", "minimun: 1", "10: unknown key 'sizing.minimun' in pool"),
    ],
)
def test_mistakes_of_a_sizing_have_their_line(
    path: Path, before: str, after: str, told: str
) -> None:
    path.write_text(CATALOGUE.replace(before, after))
    (mistake,) = mistakes(path)
    assert told in mistake


def test_a_moment_is_no_range(path: Path) -> None:
    path.write_text(CATALOGUE.replace("* 8-17 * * mon-fri", "0 8 * * *"))
    (mistake,) = mistakes(path)
    line, _, why = mistake.partition(": ")
    assert line == "14"
    assert says(expected("sizing", "a moment for a range").operator, why)


def test_a_file_that_breaks_later_keeps_its_last_good_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    beam = tmp_path / "beam.ics"
    beam.write_text(GOOD)
    files = CalendarFiles({Path("beam.ics")}, tmp_path)
    assert files.look()
    assert not files.look()
    beam.write_text("oops, half a file")
    assert not files.look()
    assert files.calendars["beam.ics"].holds(BEAM)
    assert says(expected("sizing", "broken later").operator, caplog.messages[0])
    caplog.clear()
    assert not files.look()  # told once
    assert not caplog.text
    beam.unlink()
    assert not files.look()
    assert files.calendars["beam.ics"].holds(BEAM)
    beam.write_text(GOOD.replace("20260602", "20260603"))
    assert files.look()
    assert not files.calendars["beam.ics"].holds(BEAM)
