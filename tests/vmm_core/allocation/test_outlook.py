"""Which pool comes first, when a machine is free, and what is free at a later time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm_core.allocation.ahead import Window, free_ahead
from vmm_core.allocation.estimate import arrivals_s, nth
from vmm_core.allocation.explain import decide
from vmm_core.allocation.facts import Counts, PoolFacts
from vmm_core.model import Needs

from .test_allocation import pool

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def hours(number: float) -> datetime:
    return NOW + timedelta(hours=number)


def of_priority(facts: PoolFacts, priority: int) -> PoolFacts:
    return replace(facts, pool=facts.pool.model_copy(update={"priority": priority}))


HIGH = of_priority(pool(location="ral", cpus=8, maximum=10), 10)
LOW = pool(location="dls", maximum=10)


@pytest.mark.parametrize(
    ("high", "low", "first"),
    [
        (Counts(free=1), Counts(free=5), HIGH),
        (Counts(booting=1), Counts(free=1), LOW),
        (Counts(booting=1), Counts(booting=1), HIGH),
        (Counts(suspended=1), Counts(booting=1), LOW),
        (Counts(), Counts(suspended=1), LOW),
        (Counts(), Counts(), HIGH),
    ],
)
def test_the_lower_priority_serves_what_the_higher_cannot_at_once(high, low, first):
    counts = {HIGH.name: high, LOW.name: low}
    assert decide(Needs(), [LOW, HIGH], counts).ranked[0].facts is first


def test_of_equals_the_one_with_more_left_serves_and_a_little_more_is_equal():
    one, two = pool(location="ral", maximum=10), pool(location="dls", maximum=20)

    def first(free_one: int, free_two: int) -> str:
        counts = {one.name: Counts(free=free_one), two.name: Counts(free=free_two)}
        return decide(Needs(), [one, two], counts).ranked[0].facts.location.name

    assert first(2, 12) == "dls"
    assert first(5, 8) == "ral"
    assert first(5, 11) == "ral", "within one step the catalogue's order counts"


def test_machines_come_from_boots_room_and_ends():
    arrivals = arrivals_s(free=1, booting_for_s=[20], boot_times_s=[60], room=1, ends_in_s=[5, 600])
    assert arrivals == [0, 40, 60, 65, 660]
    assert [nth(arrivals, place) for place in (0, 4, 5)] == [0, 660, None]
    assert arrivals_s(free=2, booting_for_s=[1], boot_times_s=[], room=9) == [0, 0]


@given(
    st.integers(0, 9),
    st.lists(st.one_of(st.none(), st.integers(-2, 9)), max_size=9),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 5)), max_size=5),
    st.integers(0, 8),
    st.integers(0, 5),
)
def test_what_is_free_ahead_is_free_at_every_hour(capacity, held, booked, start, lasts):
    until = [None if end is None else hours(end) for end in held]
    windows = [Window("p", number, hours(at), hours(at + h)) for number, at, h in booked]
    found = free_ahead(capacity, until, windows, hours(start), hours(start + lasts))
    each_half = [hours(start + half / 2) for half in range(max(1, 2 * lasts))]
    fewest = min(
        capacity
        - sum(end is None or end > at for end in until)
        - sum(w.machines for w in windows if w.starts_at <= at < w.ends_at)
        for at in each_half
    )
    assert found == max(0, fewest)
