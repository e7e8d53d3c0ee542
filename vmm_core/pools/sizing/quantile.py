"""How many machines cover a random number of arrivals. Pure.

Arrivals in a short time are counted by a negative binomial distribution: a
Poisson count whose rate is itself uncertain and bunched (Greenwood and Yule,
J. R. Stat. Soc. 83, 1920), here with mean ``m`` and variance ``m (1 + spread)``.
``spread`` 0 is the Poisson distribution.
"""

from __future__ import annotations

from math import exp, log, log1p, sqrt

MOST = 10_000
"""No floor is greater."""


def covering(mean: float, spread: float, miss: float) -> int:
    """The least number that more arrivals than it come with a chance of at most ``miss``.

    Args:
        mean: of the arrivals, 0 or more.
        spread: the variance is ``mean * (1 + spread)``.
        miss: above 0.
    """
    if mean <= miss:  # the chance that anybody comes is at most the mean
        return 0
    if spread < 1e-6:
        likely, shape, share = exp(-mean), 0.0, mean
    else:
        shape = mean / spread
        likely, share = exp(-shape * log1p(spread)), spread / (1 + spread)
    if likely < 1e-250:  # far out: the normal approximation, from above
        return min(MOST, int(mean + sqrt(mean * (1 + spread)) * _deviations(miss) + 1))
    number, left = 0, 1.0 - likely
    while left > miss and number < MOST:
        likely *= (shape + number) * share / (number + 1) if shape else mean / (number + 1)
        number += 1
        left -= likely
    return number


def _deviations(miss: float) -> float:
    """An upper bound of the normal quantile: Chernoff's, sqrt(2 ln(1/miss))."""
    return sqrt(2 * log(1 / miss))
