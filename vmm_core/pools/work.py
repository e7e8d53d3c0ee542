"""One pool while a plan is made: what it has, what is planned, what it lacks. Pure.

*Supply* is what is vacant, on its way or planned; *need* is what should be
vacant, with those who wait counted beside the floor. The rules that fill and
trim it are in :mod:`.filling` and :mod:`.trimming`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from ..allocation.facts import BOOTING, Counts, PoolFacts
from ..model import MachineState as S
from ..store.records import MachineRow
from .ageing import Fit, fitness
from .budget import Budget
from .snapshot import PoolPlan, Removal, Snapshot


@dataclass(slots=True)
class Work:
    """One pool."""

    facts: PoolFacts
    floor: int
    """What should be vacant, with what is booked."""
    standby: int
    """What should be suspended; 0 where the cloud cannot."""
    booting: list[MachineRow] = field(default_factory=list)
    vacant: list[MachineRow] = field(default_factory=list)
    suspended: list[MachineRow] = field(default_factory=list)
    failed: list[MachineRow] = field(default_factory=list)
    kept: list[MachineRow] = field(default_factory=list)
    """Failed before, held to be looked at."""
    fits: dict[str, Fit] = field(default_factory=dict)
    """Of what is vacant or suspended."""
    wakeable: list[str] = field(default_factory=list)
    """Suspended machines that may be resumed, the fittest first."""
    total: int = 0
    deleting: int = 0
    people: int = 0
    create: int = 0
    closed: bool = False
    """Nothing is to be made or resumed: an operator's will, or the cloud is silent."""
    paused: bool = False
    silent: bool = False
    full: bool = False
    hold: str = ""
    note: str = ""
    """Something else that it lacks; said if there is no hold."""
    until: datetime | None = None
    remove: list[Removal] = field(default_factory=list)
    resume: list[str] = field(default_factory=list)
    suspend: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)

    @property
    def need(self) -> int:
        """How many should be vacant or on their way."""
        return self.floor + self.people

    @property
    def supply(self) -> int:
        """How many are, or are planned to be."""
        return len(self.vacant) + len(self.booting) + self.create + len(self.resume)

    @property
    def spare(self) -> int:
        """How many of those no waiting request counts on."""
        return self.supply - self.people

    @property
    def room(self) -> int:
        """How many more the pool's maximum allows."""
        return self.facts.pool.maximum - self.total - self.create

    @property
    def at_rest(self) -> bool:
        """Whether nothing of it is on its way in or out."""
        return not (self.booting or self.deleting or self.create or self.resume or self.remove)

    @property
    def few(self) -> int:
        """How many are replaced at a time: one, of large pools a tenth of the floor."""
        return max(1, self.floor // 10)

    def counts(self) -> Counts:
        """What of it could serve somebody now."""
        return Counts(
            free=len(self.vacant),
            booting=0 if self.silent else len(self.booting),
            suspended=0 if self.closed else len(self.wakeable),
        )

    def fit(self, machine: MachineRow) -> Fit:
        """How fit a vacant or suspended one is."""
        return self.fits[machine.id]

    def make(self, budget: Budget, *, for_people: bool = False) -> bool:
        """Plan one machine more; if there may be none, say why."""
        if self.hold:
            return False
        if self.room <= 0:
            kept = f", {len(self.kept)} of them failed and kept" if self.kept else ""
            self.hold = f"it has its maximum of {self.facts.pool.maximum} machines{kept}"
            self.full = True
            return False
        self.hold, self.full = budget.take(self.facts, for_people=for_people)
        if self.hold:
            return False
        self.create += 1
        return True

    def try_to_make(self, budget: Budget) -> bool | None:
        """Plan one that is not lacking yet; None if it cannot be because all is full."""
        hold, full = self.hold, self.full
        if hold:
            return None if full else False
        done = self.make(budget)
        refused_for_want = self.full
        self.hold, self.full = hold, full
        return True if done else None if refused_for_want else False

    def wake(self, budget: Budget, *, for_people: bool = False) -> bool:
        """Plan to resume one machine, if one is there to be."""
        if self.closed or not self.wakeable:
            return False
        if budget.wake(self.facts.pool.cloud, for_people=for_people):
            return False
        self.resume.append(self.wakeable.pop(0))
        return True

    def drop(self, machine: MachineRow, why: str, *, failure: bool = False) -> None:
        """Plan to delete a machine."""
        self.remove.append(Removal(machine.id, machine.state, why, failure))

    def plan(self) -> PoolPlan:
        """What came of it."""
        return PoolPlan(
            pool=self.facts.name,
            create=self.create,
            remove=tuple(self.remove),
            resume=tuple(self.resume),
            suspend=tuple(self.suspend),
            keep=tuple(self.keep),
            floor=self.floor,
            hold=self.hold or self.note,
            until=self.until,
            full=self.full,
        )


def works_of(snapshot: Snapshot) -> tuple[dict[str, Work], dict[str, list[MachineRow]]]:
    """The pools of the catalogue with their machines, and the machines of no pool of it."""
    works = {facts.name: _empty(facts, snapshot) for facts in snapshot.pools}
    strange: dict[str, list[MachineRow]] = {}
    for machine in snapshot.machines:
        work, state = works.get(machine.pool), machine.state
        if work is None:
            strange.setdefault(machine.pool, []).append(machine)
            continue
        work.total += 1
        if state is S.VACANT:
            work.vacant.append(machine)
        elif state in BOOTING:
            work.booting.append(machine)
        elif state is S.SUSPENDED:
            work.suspended.append(machine)
        elif state is S.DELETING:
            work.deleting += 1
        elif state is S.FAILED:
            work.failed.append(machine)
        elif state is S.HELD and machine.kept:
            work.kept.append(machine)
    for work in works.values():
        for machine in (*work.vacant, *work.suspended):
            work.fits[machine.id] = fitness(machine, work.facts, snapshot.now)
        work.wakeable = _wakeable(work, work.suspended, snapshot)
    return works, strange


def _empty(facts: PoolFacts, snapshot: Snapshot) -> Work:
    pool = facts.pool
    floor = snapshot.floors.get(facts.name, pool.ready) + snapshot.booked.get(facts.name, 0)
    able = pool.cloud in snapshot.suspends
    work = Work(facts, min(floor, pool.maximum), pool.standby if able else 0)
    if pool.standby and not able:
        work.note = f"{pool.cloud} cannot suspend machines, so that none is kept in standby"
    return work


def _wakeable(work: Work, suspended: Iterable[MachineRow], snapshot: Snapshot) -> list[str]:
    able = [
        machine
        for machine in suspended
        if work.fit(machine) is not Fit.DUE and machine.id not in snapshot.resting
    ]
    return [m.id for m in sorted(able, key=lambda m: -work.fit(m))]
