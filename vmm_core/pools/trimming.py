"""What makes a pool have fewer machines: no use, too many, not in the catalogue. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ..allocation.facts import BOOTING
from ..model import MachineState as S
from ..store.records import MachineRow
from .ageing import Fit, why_replaced
from .policy import Policy
from .snapshot import PoolPlan, Removal
from .work import Work

UNUSED = frozenset({S.VACANT, S.SUSPENDED, S.FAILED, *BOOTING})
"""States of machines that nobody has, and that nobody looks at."""


def remove_useless(work: Work, now: datetime, policy: Policy) -> None:
    """Failed machines go, but for the newest that are to be kept; so do those that never come."""
    keepable = [m for m in work.failed if m.cloud_id is not None and not m.kept]
    newest = sorted((*keepable, *work.kept), key=lambda m: (m.changed_at, m.id), reverse=True)
    kept = {machine.id for machine in newest[: work.facts.pool.keep_failed]}
    for machine in work.failed:
        if machine.id in kept:
            work.keep.append(machine.id)
        else:
            work.drop(machine, machine.reason or "it failed")
    for machine in work.kept:
        if machine.id not in kept:
            work.drop(machine, "a machine that failed later is kept instead")
    for machine in work.booting:
        if why := overdue(machine, now, policy):
            work.drop(machine, why, failure=True)


def overdue(machine: MachineRow, now: datetime, policy: Policy) -> str:
    """Why a machine on its way is given up; empty if it still may come."""
    if machine.vacant_at is not None:
        if now - machine.changed_at < timedelta(seconds=policy.resume_deadline_s):
            return ""
        return f"it was resumed and not ready after {policy.resume_deadline_s:g} s"
    if now - machine.created_at <= timedelta(seconds=policy.boot_deadline_s):
        return ""
    return (
        f"it was not ready after {policy.boot_deadline_s:g} s: see its agent's log, "
        "what it preloads, and whether it reaches the VMM"
    )


def trim(work: Work, *, suspendable: bool) -> None:
    """Vacant machines that nobody needs go, the least fit and oldest first, or are suspended."""
    good = sum(work.fit(m) is not Fit.DUE for m in work.suspended) - len(work.resume)
    lacking = work.standby - good if suspendable and not work.closed else 0
    going = {removal.machine for removal in work.remove}
    ordered = sorted((m for m in work.vacant if m.id not in going), key=work.fit)
    for machine in ordered[: max(0, len(ordered) - work.need)]:
        if lacking > 0 and work.fit(machine) is Fit.CURRENT:
            work.suspend.append(machine.id)
            lacking -= 1
        elif work.fit(machine) is Fit.CURRENT:
            work.drop(machine, "the pool has enough")
        else:
            work.drop(machine, why_replaced(machine, work.facts))


def trim_standby(work: Work) -> None:
    """Suspended machines beyond the standby go, the least fit and oldest first.

    One that is to be replaced goes first where there is no room for its successor:
    nothing is promised of this tier but that it is cheaper.
    """
    waking = set(work.resume)
    resting = sorted((m for m in work.suspended if m.id not in waking), key=work.fit)
    surplus = len(resting) - work.standby
    if surplus <= 0 and work.room <= 0 and work.at_rest and not work.paused:
        surplus = 1 if resting and work.fit(resting[0]) is Fit.DUE else 0
    for machine in resting[: max(0, surplus)]:
        due = work.fit(machine) is not Fit.CURRENT
        work.drop(machine, why_replaced(machine, work.facts) if due else "the pool has enough")


def close(name: str, machines: Sequence[MachineRow]) -> PoolPlan:
    """A pool that is not in the catalogue: what nobody uses goes."""
    useless = [m for m in machines if m.state in UNUSED or (m.state is S.HELD and m.kept)]
    return PoolPlan(
        pool=name,
        remove=tuple(Removal(m.id, m.state, "its pool left the catalogue") for m in useless),
        hold="not in the catalogue",
    )


def empty(work: Work, why: str) -> None:
    """A pool at a cloud that is drained: what nobody has goes."""
    work.hold, work.closed, work.paused, work.floor = why, True, True, 0
    for machine in (*work.vacant, *work.suspended, *work.booting):
        work.drop(machine, why)
    for machine in work.failed:
        work.drop(machine, machine.reason or "it failed")
