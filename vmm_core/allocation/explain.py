"""Puts a decision into words: what was looked at, what removed each, what won. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..model import Candidate, Explanation, Needs
from .facts import NONE, Counts, PoolFacts
from .match import mismatch, removed_by
from .rank import Ranked, rank
from .trouble import said_of
from .words import elsewhere

_TOLD = 4
"""Most pools that an error names."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Which pools can serve a request, best first, and why."""

    needs: Needs
    ranked: tuple[Ranked, ...]
    candidates: tuple[Candidate, ...]
    facts: Sequence[PoolFacts]
    counts: Mapping[str, Counts]
    silent: tuple[str, ...] = ()
    """Titles of the places that did not answer yet and may have what is needed."""

    @property
    def booting(self) -> bool:
        """Whether a machine of a pool that fits is on its way."""
        return any(self.counts.get(r.facts.name, NONE).booting for r in self.ranked)

    @property
    def trouble(self) -> str:
        """What keeps places that fit from making machines, in words; empty if nothing does."""
        ranked = {r.facts.name for r in self.ranked}
        return self._said(lambda facts: facts.name in ranked) or self._stopped()

    @property
    def possible(self) -> bool:
        """Whether any pool can ever serve the request."""
        return bool(self.ranked)

    def claimed(self, pool: str, machine: str) -> Explanation:
        """The explanation of a request that got ``machine`` of ``pool``."""
        won = next((c for c in self.candidates if c.pool == pool), None)
        penalty = f", with a penalty of {won.score:.2g}" if won and won.score else ""
        best = f"{self._fit()}; {machine} of {pool} was the best that was free{penalty}"
        facts = next((f for f in self.facts if f.name == pool), None)
        moved = elsewhere(self.needs, facts, self.facts, self.counts) if facts else None
        if moved:
            best = f"{moved.why}; running at {moved.here}; {best}"
        elif facts and self.needs.share_near(facts.location.name):
            share = self.needs.share_near(facts.location.name)
            whole = "the data" if share > 0.995 else f"{share:.0%} of the data"
            best = f"{whole} is at {facts.location.title}; {best}"
        return Explanation(
            summary=best, elsewhere=moved.why if moved else "", candidates=self.candidates
        )

    def waiting(self) -> Explanation:
        """The explanation of a request that has to wait."""
        trouble = self.trouble
        able = any(r.facts.trouble is None for r in self.ranked)
        if self.booting:
            next_one = "no machine is free now, one is on its way"
        elif trouble and not self.ranked:
            next_one = f"{trouble}, and you wait for that"
        elif trouble and not able:
            next_one = f"{trouble}, you get the next machine that comes free"
        elif trouble:
            place = next(r.facts for r in self.ranked if r.facts.trouble is None).location.title
            next_one = f"{trouble}, one is made at {place} as soon as there is room"
        else:
            next_one = "no machine is free now, one is made as soon as there is room"
        return Explanation(
            summary=f"{self._fit()}; {next_one}", trouble=trouble, candidates=self.candidates
        )

    def impossible(self) -> str:
        """One sentence: what was asked for, and why each pool that came near does not do."""
        wanted = describe(self.needs)
        if self.silent:
            return (
                f"no place that answers can give {wanted}, and {' and '.join(self.silent)} "
                "cannot be asked now: try again in a few minutes"
            )
        if trouble := self._stopped():
            return (
                f"nothing can give {wanted} now, because {trouble}: "
                "try again later, or ask for something else"
            )
        near = [c for c in self.candidates if not c.removed_by.startswith("its environment")]
        if not near:
            return f"no pool can give {wanted}: the catalogue has no pool of that environment"
        reasons = "; ".join(f"{c.pool}: {c.removed_by}" for c in near[:_TOLD])
        more = f"; and {len(near) - _TOLD} more" if len(near) > _TOLD else ""
        return f"no pool can give {wanted} ({reasons}{more}): ask for something else"

    def _stopped(self) -> str:
        """The lasting troubles without which a pool would serve, in words."""
        return self._said(lambda facts: facts.stopped and not mismatch(self.needs, facts))

    def _said(self, which: Callable[[PoolFacts], bool]) -> str:
        """The troubles of some of the pools, each once."""
        said = (
            said_of(f.trouble, f.location.title)
            for f in self.facts
            if f.trouble is not None and which(f)
        )
        return " and ".join(dict.fromkeys(said))

    def _fit(self) -> str:
        return f"{len(self.ranked)} of {len(self.candidates)} pools fit"


def decide(
    needs: Needs,
    facts: Sequence[PoolFacts],
    counts: Mapping[str, Counts],
    silent: tuple[str, ...] = (),
) -> Decision:
    """Filter and rank the pools, given in the catalogue's order, for one request.

    ``silent`` are titles of places that did not answer yet and may have what is needed.
    """
    removed = removed_by(needs, facts, counts)
    ranked = rank(needs, [f for f in facts if not removed[f.name]], counts)
    scores = {r.facts.name: r.score for r in ranked}
    order = {name: place for place, name in enumerate(scores)}
    candidates = sorted(
        (
            Candidate(
                pool=f.name,
                location=f.location.name,
                cloud=f.pool.cloud,
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
        facts=facts,
        counts=counts,
        silent=silent,
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
