"""Puts a decision into words: for users what they get or wait for, for operators each pool. Pure.

Summaries and refusals are for users: places, sizes, what is free, what happens
next. The candidates are for operators: pools, what removed each, their scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ..model import Candidate, Explanation, Needs
from .facts import NONE, Counts, PoolFacts, Silent
from .match import closed, may_have, mismatch, removed_by
from .rank import Ranked, rank
from .trouble import said_of
from .words import amounts, describe, either, elsewhere, hardware, said

_TOLD = 4
"""Most places that a refusal names."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Which pools can serve a request, best first, and why."""

    needs: Needs
    ranked: tuple[Ranked, ...]
    candidates: tuple[Candidate, ...]
    facts: Sequence[PoolFacts]
    counts: Mapping[str, Counts]
    silent: Sequence[Silent] = ()
    """What is at clouds that did not tell their sizes yet."""

    @property
    def booting(self) -> bool:
        """Whether a machine of a pool that fits is on its way."""
        return any(self.counts.get(r.facts.name, NONE).booting for r in self.ranked)

    @property
    def trouble(self) -> str:
        """What keeps places that fit from making machines, in words; empty if nothing does."""
        ranked = {r.facts.name for r in self.ranked}
        made = _told(self._said(lambda facts: facts.name in ranked))
        return made or _told(self._stopped(), () if ranked else self._unanswered())

    @property
    def possible(self) -> bool:
        """Whether any pool can ever serve the request."""
        return bool(self.ranked)

    def claimed(self, pool: str, machine: str) -> Explanation:
        """The explanation of a request that got ``machine`` of ``pool``."""
        won = next((facts for facts in self.facts if facts.name == pool), None)
        if won is None:
            return Explanation(summary=f"you have machine {machine}", candidates=self.candidates)
        moved = elsewhere(self.needs, won, self.facts, self.counts, self.silent)
        share = self.needs.share_near(won.location.name)
        place = moved.here if moved else won.location.title
        summary = f"you have machine {machine} with {hardware(won.size)} at {place}"
        if moved:
            summary = f"{moved.why}, so {summary}"
        elif share:
            summary += f", where {'the data' if share > 0.995 else f'{share:.0%} of the data'} is"
        if any(_smaller(r.facts, won) for r in self.ranked):  # it would have come first
            summary += "; nothing smaller is free there"
        return Explanation(
            summary=summary, elsewhere=moved.why if moved else "", candidates=self.candidates
        )

    def waiting(self, held: str = "", before: int = 0, of_group: int = 0) -> Explanation:
        """The explanation of a request that has to wait.

        Args:
            held: the limit that keeps it from its turn, in words; empty if none does.
            before: how many come before it.
            of_group: how many of these are of its group.
        """
        if held:
            summary = f"{held}: you get a machine as soon as that changes"
            return Explanation(summary=summary, trouble=held, held=held, candidates=self.candidates)
        trouble = self.trouble
        able = [r.facts for r in self.ranked if r.facts.trouble is None]
        makers = either(facts.location.title for facts in able)
        if self.booting:
            place = next(
                r.facts.location.title
                for r in self.ranked
                if self.counts.get(r.facts.name, NONE).booting
            )
            summary = f"{self._none_free()}, one is starting up at {place}"
        elif trouble and not self.ranked:
            summary = f"{trouble}, and you wait for that"
        elif trouble and not able:
            summary = f"{trouble}, you get the next machine that comes free"
        elif trouble:
            summary = f"{trouble}, one is started at {makers} as soon as there is room"
        elif able:
            summary = f"{self._none_free()}, one is started at {makers} as soon as there is room"
        else:
            summary = f"{describe(self.needs, self.facts, self.silent)} cannot be had now: "
            summary += "you wait until it can"
        summary += _in_line(before, of_group)
        return Explanation(summary=summary, trouble=trouble, candidates=self.candidates)

    def impossible(self) -> str:
        """One sentence: what was asked for, why no place has it, and what to do."""
        wanted = describe(self.needs, self.facts, self.silent)
        if any(not each.trouble.lasting for each in self._may_have()):
            silent = _told(self._unanswered())
            return f"no place that answers has {wanted}, and {silent}: try again in a few minutes"
        if trouble := _told(self._stopped(), self._unanswered()):
            return (
                f"{wanted} cannot be had now, because {trouble}: "
                "try again later, or ask for something else"
            )
        anywhere = self.needs.model_copy(update={"locations": ()})
        others = either(
            facts.location.title
            for facts in self.facts
            if not mismatch(anywhere, facts)
            and not closed(facts, self.counts.get(facts.name, NONE))
        )
        remedy = f"ask for {others}, or for something else" if others else "ask for something else"
        reasons = self._reasons()
        more = f" and {len(reasons) - _TOLD} more places cannot" if len(reasons) > _TOLD else ""
        return f"{wanted} cannot be had: {', '.join(reasons[:_TOLD])}{more}; {remedy}"

    def _reasons(self) -> list[str]:
        """Why each place that may serve cannot; that nowhere is such an environment, if so."""
        environment = describe(Needs(environment=self.needs.environment), self.facts, self.silent)
        known: tuple[PoolFacts | Silent, ...] = (*self.facts, *self.silent)
        places = {each.location.name: each.location.title for each in known}
        of_environment = [
            facts
            for facts in self.facts
            if self.needs.environment in (None, facts.environment.name)
        ]
        if not of_environment:
            return [f"no place has {environment}"]
        names = self.needs.locations or dict.fromkeys(f.location.name for f in of_environment)
        return [
            said(
                places.get(name, name),
                self.needs,
                [facts for facts in self.facts if facts.location.name == name],
                self.counts,
                environment,
            )
            for name in names
        ]

    def _none_free(self) -> str:
        wanted = amounts(self.needs.cpus, self.needs.ram_gb, self.needs.gpus, self.needs.gpu_model)
        return f"no machine{f' with {wanted}' if wanted else ''} is free now"

    def _may_have(self) -> list[Silent]:
        """What did not tell its sizes yet and may be what is needed."""
        return [each for each in self.silent if may_have(self.needs, each)]

    def _unanswered(self) -> Iterator[str]:
        """The troubles of those, in words."""
        return (said_of(each.trouble, each.location.title) for each in self._may_have())

    def _stopped(self) -> Iterator[str]:
        """The lasting troubles without which a pool would serve, in words."""
        return self._said(lambda facts: facts.stopped and not mismatch(self.needs, facts))

    def _said(self, which: Callable[[PoolFacts], bool]) -> Iterator[str]:
        """The troubles of some of the pools, in words."""
        return (
            said_of(f.trouble, f.location.title)
            for f in self.facts
            if f.trouble is not None and which(f)
        )


def decide(
    needs: Needs,
    facts: Sequence[PoolFacts],
    counts: Mapping[str, Counts],
    silent: Sequence[Silent] = (),
) -> Decision:
    """Filter and rank the pools, given in the catalogue's order, for one request.

    ``silent`` is what the catalogue has at clouds that did not tell their sizes yet.
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


def _told(*troubles: Iterable[str]) -> str:
    """All of them in one clause, each once."""
    return " and ".join(dict.fromkeys(chain(*troubles)))


def says_behind(summary: str) -> bool:
    """Whether an explanation says that somebody comes before who waits."""
    return "before you" in summary.rpartition("; ")[2]


def _in_line(before: int, of_group: int) -> str:
    """``; 3 are before you, 2 of them of your group``; empty for who is next."""
    if not before:
        return ""
    verb = "is" if before == 1 else "are"
    if of_group == before:
        return f"; {before} of your group {verb} before you"
    theirs = f", {of_group} of them of your group" if of_group else ""
    return f"; {before} {verb} before you{theirs}"


def _smaller(facts: PoolFacts, than: PoolFacts) -> bool:
    """Whether a pool of the same place has machines with less, and more of nothing."""
    here, there = facts.size, than.size
    parts = [(here.cpus, there.cpus), (here.ram_gb, there.ram_gb), (here.gpus, there.gpus)]
    return (
        facts.location == than.location
        and all(mine <= its for mine, its in parts)
        and any(mine < its for mine, its in parts)
    )
