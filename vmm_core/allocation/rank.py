"""In which order fitting pools serve a request. Pure.

A pool with a vacant machine comes before one with a booting machine, and that
before a cold start. Among these the lowest score wins. The score is a penalty
in doublings: a machine with twice the CPUs that are needed costs 1, and so
does twice the RAM; each GPU that is not needed costs 4; each step down the
request's list of locations costs 2. Where the request says nothing, the
smallest fitting machine is the measure. Ties go by the catalogue's order.
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
        )

    ranked = [Ranked(facts, score(facts)) for facts in fitting]
    return tuple(
        sorted(ranked, key=lambda r: (_readiness(counts.get(r.facts.name, NONE)), r.score))
    )


def _place(needs: Needs, facts: PoolFacts) -> int:
    """How far down the request's locations this one is; 0 if it names none."""
    return needs.locations.index(facts.location.name) if needs.locations else 0


def _readiness(counts: Counts) -> int:
    if counts.free:
        return 0
    return 1 if counts.booting else 2
