"""In which order pools serve those who wait. Pure.

Many who wait want the same: the pools are ranked once for all of them, by the
rules of :mod:`vmm_core.allocation`, and those that can serve nobody any more are not
looked at again. Nothing becomes free while a plan is made, so that this is for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..allocation.facts import Counts
from ..allocation.match import removed_by
from ..allocation.rank import rank
from ..allocation.rules import may_use
from .snapshot import Wanted
from .work import Work


@dataclass(slots=True)
class Line:
    """Where those are sent who want one thing; each list has the best last."""

    warm: list[Work]
    """Pools that have something on its way, or vacant."""
    cold: list[Work]
    """Pools where one can be resumed or made."""
    silent: list[Work]
    """Pools that have something on its way at a cloud that does not answer."""


class Choices:
    """The lines of one plan.

    Args:
        works: the pools, in the catalogue's order.
    """

    def __init__(self, works: Mapping[str, Work]) -> None:
        self._works = works
        self._counts: dict[str, Counts] = {name: work.counts() for name, work in works.items()}
        self._lines: dict[Wanted, Line] = {}

    def line(self, wanted: Wanted) -> Line:
        """Where who wants this is sent."""
        line = self._lines.get(wanted)
        if line is None:
            line = self._lines[wanted] = self._line(wanted)
        return line

    def _line(self, wanted: Wanted) -> Line:
        pools = [
            work.facts
            for work in self._works.values()
            if wanted.pool in (None, work.facts.name)
            and work.facts.name not in wanted.shut
            and may_use(work.facts.environment, wanted.groups)
        ]
        removed = removed_by(wanted.needs, pools, self._counts)
        fitting = [facts for facts in pools if not removed[facts.name]]
        cold = [self._works[r.facts.name] for r in reversed(rank(wanted.needs, fitting, {}))]
        ready = {work.facts.name for work in cold if work.vacant or work.booting}
        here = [facts for facts in fitting if facts.name in ready]
        ranked = reversed(rank(wanted.needs, here, self._counts)) if here else ()
        warm = [self._works[r.facts.name] for r in ranked]
        return Line(
            warm=[work for work in warm if not work.silent],
            cold=cold,
            silent=[work for work in warm if work.silent],
        )
