"""A cron expression read as a range of minutes: ``* 8-17 * * mon-fri`` is office hours.

The five fields are those of crontab(5): minute, hour, day of month, month, day of
week; where both kinds of day are restricted, either will do. A cron job starts
in a minute; here a range lasts for the minutes that match.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

_FULL = tuple(
    frozenset(range(low, high)) for low, high in ((0, 60), (0, 24), (1, 32), (1, 13), (0, 7))
)


@dataclass(frozen=True, slots=True)
class CronRange:
    """The minutes that match."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday, as in cron."""

    @classmethod
    def parse(cls, text: str) -> CronRange:
        """Read an expression.

        Raises:
            ValueError: it is none, or no range; the message is a sentence on it.
        """
        from croniter import croniter  # type: ignore[import-untyped] # slow to import, seldom needed
        from croniter.croniter import CroniterError  # type: ignore[import-untyped]

        try:
            fields, nth = croniter.expand(text)
        except CroniterError:
            raise ValueError("it is no cron expression: write it as * 8-17 * * mon-fri") from None
        special = nth or any(isinstance(each, str) and each != "*" for f in fields for each in f)
        if len(fields) != 5 or special:
            raise ValueError(
                "it has more than minute, hour, day of month, month and day of week in plain "
                "numbers and names: write it as * 8-17 * * mon-fri"
            )
        sets = [
            full if field == ["*"] else frozenset(int(each) for each in field)
            for field, full in zip(fields, _FULL, strict=True)
        ]
        minutes = sets[0]
        if len(minutes) < 2 or max(minutes) - min(minutes) + 1 != len(minutes):
            raise ValueError(
                "it is the start of a job and no range: "
                "let the minute be *, or a range such as 30-59"
            )
        return cls(*sets)

    def matches(self, local: datetime) -> bool:
        """Whether the minute of a wall clock is in the range."""
        if local.minute not in self.minutes or local.hour not in self.hours:
            return False
        if local.month not in self.months:
            return False
        day = local.day in self.days
        weekday = local.isoweekday() % 7 in self.weekdays
        if len(self.days) < 31 and len(self.weekdays) < 7:
            return day or weekday
        return day and weekday

    @property
    def marks(self) -> frozenset[int]:
        """Minutes of an hour at which the range may begin or end."""
        return frozenset({0, min(self.minutes), (max(self.minutes) + 1) % 60})
