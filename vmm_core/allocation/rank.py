"""In which order fitting pools serve a request. Pure.

A pool with a vacant machine comes before one with a booting machine, and that
before a cold start. Among these the lowest score wins. The score is a penalty
in doublings: a machine with twice the CPUs that are needed costs 1, and so
does twice the RAM; each GPU that is not needed costs 4; each step down the
request's lists of locations (those that will do, those it prefers) costs 2; data
that is elsewhere costs 8, in proportion to its bytes. Where the request says
nothing, the smallest fitting machine is the measure. Ties go by the catalogue's
order. Who insists on a place requires it: then waiting is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2

from ..model import Needs
from .facts import NONE, Counts, PoolFacts

DOUBLING = 1.0
SPARE_GPU = 4.0
NEXT_LOCATION = 2.0
DATA_ELSEWHERE = 8.0


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

    ranked = [Ranked(facts, score(facts)) for facts in fitting]
    return tuple(
        sorted(ranked, key=lambda r: (_readiness(counts.get(r.facts.name, NONE)), r.score))
    )


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
    return 1 if counts.booting else 2
