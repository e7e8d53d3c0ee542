"""Puts a decision into words: what was looked at, what removed each, what won. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..model import Candidate, Explanation, Needs
from .facts import NONE, Counts, PoolFacts
from .match import removed_by
from .rank import Ranked, rank

_TOLD = 4
"""Most pools that an error names."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Which pools can serve a request, best first, and why."""

    needs: Needs
    ranked: tuple[Ranked, ...]
    candidates: tuple[Candidate, ...]
    booting: bool
    """Whether a machine of a pool that fits is on its way."""

    @property
    def possible(self) -> bool:
        """Whether any pool can ever serve the request."""
        return bool(self.ranked)

    def claimed(self, pool: str, machine: str) -> Explanation:
        """The explanation of a request that got ``machine`` of ``pool``."""
        won = next((c for c in self.candidates if c.pool == pool), None)
        penalty = f", with a penalty of {won.score:.2g}" if won and won.score else ""
        return Explanation(
            summary=f"{self._fit()}; {machine} of {pool} was the best that was free{penalty}",
            candidates=self.candidates,
        )

    def waiting(self) -> Explanation:
        """The explanation of a request that has to wait."""
        next_one = "one is on its way" if self.booting else "one is made as soon as there is room"
        return Explanation(
            summary=f"{self._fit()}; no machine is free now, {next_one}",
            candidates=self.candidates,
        )

    def impossible(self) -> str:
        """One sentence: what was asked for, and why each pool that came near does not do."""
        wanted = describe(self.needs)
        near = [c for c in self.candidates if not c.removed_by.startswith("its environment")]
        if not near:
            return f"no pool can give {wanted}: the catalogue has no pool of that environment"
        reasons = "; ".join(f"{c.pool}: {c.removed_by}" for c in near[:_TOLD])
        more = f"; and {len(near) - _TOLD} more" if len(near) > _TOLD else ""
        return f"no pool can give {wanted} ({reasons}{more}): ask for something else"

    def _fit(self) -> str:
        return f"{len(self.ranked)} of {len(self.candidates)} pools fit"


def decide(needs: Needs, facts: Sequence[PoolFacts], counts: Mapping[str, Counts]) -> Decision:
    """Filter and rank the pools, given in the catalogue's order, for one request."""
    removed = removed_by(needs, facts, counts)
    ranked = rank(needs, [f for f in facts if not removed[f.name]], counts)
    scores = {r.facts.name: r.score for r in ranked}
    order = {name: place for place, name in enumerate(scores)}
    candidates = sorted(
        (
            Candidate(
                pool=f.name,
                location=f.location.name,
                free=counts.get(f.name, NONE).free,
                removed_by=removed[f.name],
                score=scores.get(f.name),
            )
            for f in facts
        ),
        key=lambda c: order.get(c.pool, len(order)),
    )
    return Decision(
        needs=needs,
        ranked=ranked,
        candidates=tuple(candidates),
        booting=any(counts.get(name, NONE).booting for name in scores),
    )


def describe(needs: Needs) -> str:
    """The needs in words: ``mantid with 4 CPUs, 16 GiB, 1 GPU at ral``."""
    wanted = []
    if needs.cpus:
        wanted.append(f"{needs.cpus:g} CPUs")
    if needs.ram_gb:
        wanted.append(f"{needs.ram_gb:g} GiB")
    if needs.gpus or needs.gpu_model:
        wanted.append(f"{needs.gpus or 1} GPU{'s' if needs.gpus > 1 else ''}")
    if needs.gpu_model:
        wanted[-1] += f" ({needs.gpu_model})"
    words = needs.environment or "a machine"
    if wanted:
        words += f" with {', '.join(wanted)}"
    if needs.locations:
        words += f" at {' or '.join(needs.locations)}"
    return words
