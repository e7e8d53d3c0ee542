"""What each pool should do next: create so many, delete these, or hold, and why. Pure.

The order of the rules is the order of who matters: machines that are of no
use go; people who wait get machines, from those on their way, suspended or new
ones; then pools are refilled to their floor; then machines are made beside those
that are to be replaced, and for standby; then surplus machines go, never below
the floor. Acquired machines are in no rule.
"""

from __future__ import annotations

from .budget import Budget
from .choices import Choices
from .filling import refill, renew, serve, stand_by
from .policy import Policy
from .snapshot import Pause, PoolPlan, Removal, Snapshot, Wanted
from .trimming import close, empty, remove_useless, trim, trim_standby
from .work import Work, works_of

__all__ = ["Pause", "PoolPlan", "Removal", "Snapshot", "Wanted", "plan"]


def plan(snapshot: Snapshot, policy: Policy) -> dict[str, PoolPlan]:
    """A plan for each pool, by name; also for pools that only the ledger knows."""
    works, strange = works_of(snapshot)
    drained = {n for n, w in works.items() if w.facts.pool.cloud in snapshot.draining}
    for name in drained:
        empty(works[name], snapshot.draining[works[name].facts.pool.cloud])
    open_works = [work for name, work in works.items() if name not in drained]
    for work in open_works:
        remove_useless(work, snapshot.now, policy)
        _pause(work, snapshot)
    budget = Budget(snapshot.machines, snapshot.limits, policy)
    if snapshot.waiting:
        choices = Choices({work.facts.name: work for work in open_works})
        for wanted in snapshot.waiting:
            serve(wanted, choices, budget)
    refill(open_works, budget)
    renew(open_works, budget)
    stand_by(open_works, budget, snapshot.unsuspendable)
    for work in open_works:
        trim(work, suspendable=work.facts.name not in snapshot.unsuspendable)
        trim_standby(work)
    plans = {name: work.plan() for name, work in works.items()}
    for name, machines in strange.items():
        plans[name] = close(name, machines)
    return plans


def _pause(work: Work, snapshot: Snapshot) -> None:
    """Reasons to create nothing, the operator's first."""
    name = work.facts.name
    pause = snapshot.pauses.get(name)
    if name in snapshot.shut:
        work.hold, work.closed = snapshot.shut[name], True
    elif work.facts.pool.paused:
        work.hold, work.closed = "paused in the catalogue", True
    elif work.facts.unavailable:
        work.hold, work.closed = work.facts.unavailable, True
    elif pause is not None and pause.lasts(snapshot.now):
        work.hold, work.until = pause.reason, pause.until
        work.silent = work.closed = pause.silent
    work.paused = bool(work.hold)
