"""The floor of each pool over the time of a trace, as its sizing would have set it.

A forecast knows at each moment the requests of the hours before, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ..model import Pool
from ..pools.sizing import Floors
from ..pools.sizing.schedule import marks
from ..pools.sizing.slots import SLOT_S, slot_of

EVERY_S = 900.0
"""How often a forecast is looked at, from the hour on."""


def moments(pools: Sequence[Pool], floors: Floors, begin: float, end: float) -> list[float]:
    """When a floor may change from ``begin`` to ``end``, with ``begin`` and every hour."""
    found = {begin}
    minutes = {0.0}
    for sizing in {pool.sizing for pool in pools}:
        if sizing.forecast:
            minutes |= {EVERY_S * number for number in range(int(SLOT_S / EVERY_S))}
        minutes |= {minute * 60.0 for minute in marks(sizing.schedule)}
        for rule in sizing.calendar:
            if calendar := floors.calendars.get(str(rule.file)):
                lead_s, trail_s = rule.lead_hours * 3600, rule.trail_hours * 3600
                for at in calendar.changes(
                    begin - trail_s, end + lead_s, match=rule.match, zone=rule.timezone
                ):
                    found |= {at - lead_s, at + trail_s}
    first = int(begin // SLOT_S)
    found |= {
        hour * SLOT_S + minute
        for hour in range(first, int(end // SLOT_S) + 1)
        for minute in minutes
    }
    return sorted(at for at in found if begin <= at < end)


def timelines(
    variants: Sequence[Sequence[Pool]],
    floors: Floors,
    counts: Mapping[int, Mapping[str, int]],
    begin: float,
    end: float,
) -> list[dict[str, list[tuple[float, int]]]]:
    """For each pool its floors: (time, floor from then on), where it changes.

    ``variants`` are the same pools with other sizings; all learn the same at once from
    ``counts``, the requests of each pool in each slot.
    """
    found: list[dict[str, list[tuple[float, int]]]] = [
        {pool.name: [] for pool in pools} for pools in variants
    ]
    seen = slot_of(begin)
    for at in moments([pool for pools in variants for pool in pools], floors, begin, end):
        while seen < slot_of(at):
            floors.observe(variants[0], seen, counts.get(seen, {}))
            seen += 1
        now = datetime.fromtimestamp(at, UTC)
        for pools, told in zip(variants, found, strict=True):
            for pool in pools:
                floor, before = floors(pool, now), told[pool.name]
                if not before or before[-1][1] != floor:
                    before.append((at, floor))
    return found
