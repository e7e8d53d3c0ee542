"""In which order fitting pools serve a request. Pure.

A pool with a vacant machine comes before one with a booting machine, that before
one with a suspended machine, and that before a cold start: priorities say where
machines come from, not that people wait for them. Among pools that are equally
ready the operator's priority decides, then the score, the lowest first. The score
is a penalty in doublings: a machine with twice the CPUs that are needed costs 1,
and so does twice the RAM; each GPU that is not needed costs 4; each step down the
request's lists of locations (those that will do, those it prefers) costs 2; data
that is elsewhere costs 8, in proportion to its bytes. Where the request says
nothing, the smallest fitting machine is the measure. Of equals the one with the
greater share of its machines vacant comes first; shares are compared in steps, so
that replicas that count at different moments do not run to and fro. Then the
catalogue's order counts. Who insists on a place requires it: then waiting is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2

from ..model import Needs, Pool
from .facts import NONE, Counts, PoolFacts

DOUBLING = 1.0
SPARE_GPU = 4.0
NEXT_LOCATION = 2.0
DATA_ELSEWHERE = 8.0
SHARE_STEPS = 10


@dataclass(frozen=True, slots=True)
class Ranked:
    """A fitting pool with its score; lower is better."""

    facts: PoolFacts
    score: float


def rank(
    needs: Needs, fitting: Sequence[PoolFacts], counts: Mapping[str, Counts]
) -> tuple[Ranked, ...]:
    """The pools of ``fitting``, given in the catalogue's order, best first."""
    if not fitting:
        return ()
    cpus = max(needs.cpus, min(f.size.cpus for f in fitting))
    ram_gb = max(needs.ram_gb, min(f.size.ram_gb for f in fitting))
    gpus = max(needs.gpus, min(f.size.gpus for f in fitting))

    def score(facts: PoolFacts) -> float:
        size = facts.size
        return (
            DOUBLING * (log2(size.cpus / cpus) + log2(size.ram_gb / ram_gb))
            + SPARE_GPU * (size.gpus - gpus)
            + NEXT_LOCATION * _place(needs, facts)
            + DATA_ELSEWHERE * _elsewhere(needs, facts)
        )

    def place(ranked: Ranked) -> tuple[float, ...]:
        pool, here = ranked.facts.pool, counts.get(ranked.facts.name, NONE)
        return (_readiness(here), -pool.priority, ranked.score, -_free_share(pool, here))

    return tuple(sorted((Ranked(facts, score(facts)) for facts in fitting), key=place))


def _place(needs: Needs, facts: PoolFacts) -> int:
    """How far down the request's lists of locations this one is; 0 if it names none."""
    name, places = facts.location.name, 0
    if needs.locations:
        places += needs.locations.index(name)
    if needs.prefer:
        places += needs.prefer.index(name) if name in needs.prefer else len(needs.prefer)
    return places


def _elsewhere(needs: Needs, facts: PoolFacts) -> float:
    """The share of the data's bytes that is not here; 0 if the request names no data."""
    return 1.0 - needs.share_near(facts.location.name) if needs.near else 0.0


def _readiness(counts: Counts) -> int:
    if counts.free:
        return 0
    if counts.booting:
        return 1
    return 2 if counts.suspended else 3


def _free_share(pool: Pool, counts: Counts) -> int:
    """How much of the pool is vacant, in steps."""
    return counts.free * SHARE_STEPS // max(pool.maximum, 1)
