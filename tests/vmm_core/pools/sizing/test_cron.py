"""Cron expressions as ranges."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from croniter import croniter

from vmm_core.model.cron import CronRange


@pytest.mark.parametrize(
    "text",
    ["* 8-17 * * mon-fri", "30-59 12 1,15 * *", "* 22-5 * jan-mar sat,sun", "* * 13 * fri"],
)
def test_a_minute_is_in_the_range_when_cron_would_start_in_it(text: str) -> None:
    found = CronRange.parse(text)
    at = datetime(2026, 1, 1)
    for _ in range(2500):
        at += timedelta(minutes=211)
        assert found.matches(at) == croniter.match(text, at), at


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 8 * * *", "is the start of a job and no range"),
        ("*/15 8 * * *", "is the start of a job and no range"),
        ("* * * * fri#2", "has more than minute, hour, day of month"),
        ("* * l * *", "has more than minute, hour, day of month"),
        ("* * * * * *", "has more than minute, hour, day of month"),
        ("* 25 * * *", "is no cron expression"),
        ("", "is no cron expression"),
    ],
)
def test_what_is_no_range_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        CronRange.parse(text)
