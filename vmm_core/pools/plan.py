"""What each pool should do next: create so many, delete these, or hold, and why. Pure.

The order of the rules is the order of who matters: machines that are of no
use go; people who wait get machines, from those on their way or new ones;
then pools are refilled to their floor; then surplus and stale machines go,
never below the floor. Acquired machines are in no rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..allocation.explain import decide
from ..allocation.facts import BOOTING, Counts, PoolFacts
from ..allocation.trouble import Trouble
from ..clouds.base import Limits
from ..model import Machine, Needs, Pool
from ..model import MachineState as S
from .policy import Policy
from .sizing import fixed_floor


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a pool creates nothing, and until when, if that is known."""

    reason: str
    until: datetime | None
    open_end: bool = False
    """It lasts until it is taken away, whatever ``until`` says."""
    trouble: Trouble | None = None
    """The reason in a word, for what users are told."""
    silent: bool = False
    """Its cloud does not answer: what is on its way there may never come."""

    def lasts(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.open_end or (self.until is not None and self.until > now)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a plan is made of."""

    now: datetime
    pools: Sequence[PoolFacts]
    machines: Sequence[Machine]
    """All that are not deleted, oldest first."""
    waiting: Sequence[Needs] = ()
    """What the waiting leases need, oldest first."""
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    """Pools that back off."""
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """Ceilings of clouds, where known."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A machine to delete, if it still is in the state it was planned in."""

    machine: str
    state: S
    why: str
    failure: bool = False
    """Whether it counts against its pool."""


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What one pool should do."""

    pool: str
    create: int = 0
    remove: tuple[Removal, ...] = ()
    hold: str = ""
    """Why it does not create what it lacks; empty if it does."""
    until: datetime | None = None
    """When the hold ends, if that is known."""
    full: bool = False
    """It lacks machines and may have no more."""


@dataclass(slots=True)
class _Work:
    """One pool while the plan is made."""

    facts: PoolFacts
    floor: int
    booting: int
    vacant: list[Machine]
    total: int
    deleting: int
    current: int
    """Booting or vacant, built from what the catalogue says now."""
    people: int = 0
    create: int = 0
    paused: bool = False
    silent: bool = False
    full: bool = False
    hold: str = ""
    until: datetime | None = None
    remove: list[Removal] = field(default_factory=list)

    @property
    def room(self) -> int:
        """How many more the pool's maximum allows."""
        return self.facts.pool.maximum - self.total - self.create

    @property
    def spare(self) -> int:
        """Vacant, booting or planned machines that no waiting request counts on."""
        return len(self.vacant) + self.booting + self.create - self.people

    def plan(self) -> PoolPlan:
        return PoolPlan(
            pool=self.facts.name,
            create=self.create,
            remove=tuple(self.remove),
            hold=self.hold,
            until=self.until,
            full=self.full,
        )


def plan(
    snapshot: Snapshot,
    policy: Policy,
    floor: Callable[[Pool, datetime], int] = fixed_floor,
) -> dict[str, PoolPlan]:
    """A plan for each pool, by name; also for pools that only the ledger knows."""
    by_pool: dict[str, list[Machine]] = {facts.name: [] for facts in snapshot.pools}
    unknown: dict[str, list[Machine]] = {}
    for machine in snapshot.machines:
        (by_pool if machine.pool in by_pool else unknown).setdefault(machine.pool, []).append(
            machine
        )
    works = {
        facts.name: _work(facts, by_pool[facts.name], floor(facts.pool, snapshot.now))
        for facts in snapshot.pools
    }
    budget = _Budget(snapshot, policy)
    for work in works.values():
        _remove_useless(work.remove, by_pool[work.facts.name], snapshot.now, policy)
        _pause(work, snapshot)
    for needs in snapshot.waiting:
        _serve(needs, works, budget)
    for work in _in_turns(works):
        _refill(work, budget)
    for work in works.values():
        _trim(work)
    plans = {name: work.plan() for name, work in works.items()}
    for name, machines in unknown.items():
        plans[name] = _close(name, machines)
    return plans


class _Budget:
    """What each cloud allows to be created in this step: people's requests draw first."""

    def __init__(self, snapshot: Snapshot, policy: Policy) -> None:
        self._limits = snapshot.limits
        self._most_booting = policy.booting_per_cloud
        self._booting = Counter(m.cloud for m in snapshot.machines if m.state in BOOTING)
        self._machines = Counter(m.cloud for m in snapshot.machines)
        self._used: dict[str, list[float]] = {}
        for machine in snapshot.machines:
            self._add(machine.cloud, machine.size.cpus, machine.size.ram_gb, machine.size.gpus)

    def take(self, facts: PoolFacts) -> tuple[str, bool]:
        """Count one more machine of the pool; or why there may be none, and count nothing.

        Beside the reason it tells whether the cloud is full.
        """
        cloud, size = facts.pool.cloud, facts.size
        if self._booting[cloud] >= self._most_booting:
            return f"{self._booting[cloud]} machines are booting at {cloud} already", False
        limits = self._limits.get(cloud, Limits())
        cpus, ram_gb, gpus = self._used.get(cloud, [0.0, 0.0, 0.0])
        for name, limit, after in (
            ("machines", limits.machines, self._machines[cloud] + 1),
            ("CPUs", limits.cpus, cpus + size.cpus),
            ("GiB of RAM", limits.ram_gb, ram_gb + size.ram_gb),
            ("GPUs", limits.gpus, gpus + size.gpus),
        ):
            if limit is not None and after > limit:
                return (
                    f"{cloud} allows {limit:g} {name} and they are in use: "
                    "wait until machines are released, or raise what it allows"
                ), True
        self._booting[cloud] += 1
        self._machines[cloud] += 1
        self._add(cloud, size.cpus, size.ram_gb, size.gpus)
        return "", False

    def _add(self, cloud: str, *amounts: float) -> None:
        used = self._used.setdefault(cloud, [0.0, 0.0, 0.0])
        for place, amount in enumerate(amounts):
            used[place] += amount


def _work(facts: PoolFacts, machines: Sequence[Machine], floor: int) -> _Work:
    states = Counter(machine.state for machine in machines)
    alive = [m for m in machines if m.state is S.VACANT or m.state in BOOTING]
    return _Work(
        facts=facts,
        floor=floor,
        booting=sum(states[state] for state in BOOTING),
        vacant=[m for m in machines if m.state is S.VACANT],
        total=len(machines),
        deleting=states[S.DELETING],
        current=sum(m.fingerprint == facts.fingerprint for m in alive),
    )


def _remove_useless(
    remove: list[Removal], machines: Sequence[Machine], now: datetime, policy: Policy
) -> None:
    """Failed machines go; a machine on its way for too long has failed."""
    oldest = now - timedelta(seconds=policy.boot_deadline_s)
    for machine in machines:
        if machine.state is S.FAILED:
            remove.append(Removal(machine.id, S.FAILED, machine.reason or "it failed"))
        elif machine.state in BOOTING and machine.created_at < oldest:
            why = (
                f"it was not ready after {policy.boot_deadline_s:g} s: see its agent's log, "
                "what it preloads, and whether it reaches the VMM"
            )
            remove.append(Removal(machine.id, machine.state, why, failure=True))


def _pause(work: _Work, snapshot: Snapshot) -> None:
    """Reasons to create nothing, the operator's first."""
    pause = snapshot.pauses.get(work.facts.name)
    if work.facts.pool.paused:
        work.hold = "paused in the catalogue"
    elif work.facts.unavailable:
        work.hold = work.facts.unavailable
    elif pause is not None and pause.lasts(snapshot.now):
        work.hold, work.until = pause.reason, pause.until
        work.silent = pause.silent
    work.paused = bool(work.hold)


def _serve(needs: Needs, works: Mapping[str, _Work], budget: _Budget) -> None:
    """Count on a machine for one who waits: on its way in the best pool, else a new one.

    What is on its way at a cloud that does not answer is counted on last.
    """
    counts = {
        name: Counts(
            free=max(0, min(len(work.vacant), work.spare)),
            booting=0 if work.silent else max(0, work.spare),
        )
        for name, work in works.items()
    }
    ranked = decide(needs, [work.facts for work in works.values()], counts).ranked
    for choice in ranked:
        work = works[choice.facts.name]
        if work.spare > 0 and not work.silent:
            work.people += 1
            return
    for choice in ranked:
        work = works[choice.facts.name]
        if _create(work, budget):
            work.people += 1
            return
    for choice in ranked:
        work = works[choice.facts.name]
        if work.spare > 0:
            work.people += 1
            return


def _in_turns(works: Mapping[str, _Work]) -> Iterator[_Work]:
    """Each pool as often as it may lack a machine, one after the other, so that all grow."""
    most = max((work.floor + work.people for work in works.values()), default=0)
    for _ in range(most):
        yield from works.values()


def _refill(work: _Work, budget: _Budget) -> None:
    """One machine more if the pool lacks one."""
    if work.current + work.create < work.floor + work.people:
        _create(work, budget)


def _create(work: _Work, budget: _Budget) -> bool:
    if work.hold:
        return False
    if work.room <= 0:
        work.hold = f"it has its maximum of {work.facts.pool.maximum} machines"
        work.full = True
        return False
    work.hold, work.full = budget.take(work.facts)
    if work.hold:
        return False
    work.create += 1
    return True


def _trim(work: _Work) -> None:
    """Delete vacant machines that nobody needs: stale ones first, then the oldest."""

    def stale(machine: Machine) -> bool:
        return machine.fingerprint != work.facts.fingerprint

    order = sorted(work.vacant, key=lambda m: not stale(m))
    surplus = len(work.vacant) - work.floor - work.people
    for machine in order[: max(0, surplus)]:
        why = "it was built from what is out of date" if stale(machine) else "the pool has enough"
        work.remove.append(Removal(machine.id, S.VACANT, why))
    lacks = work.current + work.create < work.floor + work.people
    moving = work.booting or work.deleting or work.remove
    blocked = work.room <= 0 and not moving
    if lacks and blocked and not work.paused and order and stale(order[0]):
        why = "it is out of date and the pool's maximum leaves no room beside it"
        work.remove.append(Removal(order[0].id, S.VACANT, why))


def _close(name: str, machines: Sequence[Machine]) -> PoolPlan:
    """A pool that is not in the catalogue: what nobody uses goes."""
    useless = [m for m in machines if m.state in (S.VACANT, S.FAILED, *BOOTING)]
    return PoolPlan(
        pool=name,
        remove=tuple(Removal(m.id, m.state, "its pool left the catalogue") for m in useless),
        hold="not in the catalogue",
    )
