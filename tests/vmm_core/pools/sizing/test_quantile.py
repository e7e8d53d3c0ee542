"""The number that covers arrivals, against drawn ones and the definition."""

from __future__ import annotations

from math import exp, factorial, lgamma, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm_core.pools.sizing.quantile import covering
from vmm_core.pools.sizing.refill import UNKNOWN_S, refill_s


def above(number: int, mean: float, spread: float) -> float:
    """The chance of more arrivals than ``number``, from the densities."""
    if spread == 0:
        return 1 - sum(exp(-mean) * mean**k / factorial(k) for k in range(number + 1))
    r, p = mean / spread, 1 / (1 + spread)
    return 1 - sum(
        exp(lgamma(r + k) - lgamma(r) - lgamma(k + 1) + r * log(p) + k * log(1 - p))
        for k in range(number + 1)
    )


@given(
    mean=st.floats(0.001, 40),
    spread=st.one_of(st.just(0.0), st.floats(0.01, 4)),
    miss=st.floats(0.0005, 0.2),
)
def test_it_is_the_least_number_that_is_exceeded_seldom_enough(
    mean: float, spread: float, miss: float
) -> None:
    number = covering(mean, spread, miss)
    assert above(number, mean, spread) <= miss + 1e-9
    assert number == 0 or above(number - 1, mean, spread) > miss - 1e-9


def test_it_is_exceeded_as_often_as_stated() -> None:
    luck = Random(7)
    mean, spread = 3.0, 1.5
    number = covering(mean, spread, 0.05)
    draws = 20_000
    exceeded = 0
    for _ in range(draws):
        rate = luck.gammavariate(mean / spread, spread)
        count, left = -1, 0.0
        while left < rate:
            count, left = count + 1, left + luck.expovariate(1)
        exceeded += count > number
    assert exceeded / draws == pytest.approx(above(number, mean, spread), abs=0.006)


@pytest.mark.parametrize("mean", [800.0, 5000.0])
def test_very_many_are_covered_from_above(mean: float) -> None:
    assert mean < covering(mean, 0.5, 0.01) < 2 * mean


def test_the_refill_time_is_a_high_quantile_by_nearest_rank() -> None:
    assert refill_s([], 0.9) == UNKNOWN_S
    assert refill_s([100.0], 0.9) == 100
    assert refill_s([float(n) for n in range(10, 0, -1)], 0.9) == 9
    assert refill_s([float(n) for n in range(10, 0, -1)], 0.91) == 10
