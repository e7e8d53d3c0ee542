"""Lets the VMM's own decisions answer a trace, on a virtual clock.

Which machine serves a request is decided by :func:`vmm_core.allocation.explain.decide`,
what pools make and delete by :func:`vmm_core.pools.plan.plan`, and how much stands
ready by :class:`vmm_core.pools.sizing.Floors`: the functions of the service. What is
around them is modelled: a machine is ready its boot time after it was asked for
and gone when its lease ends, managers act at once, nothing fails.

Only what can have changed is decided anew: the pools of the environment that something
happened to, unless a cloud's limits could bind; then all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from math import inf

from ..allocation.explain import Decision, decide
from ..allocation.facts import BOOTING, PoolFacts
from ..clouds.base import Limits
from ..model import MachineState as S
from ..model import Needs
from ..pools.plan import Snapshot, Wanted, plan
from ..pools.policy import Policy
from ..pools.sizing import Floors
from ..pools.sizing.refill import refill_s
from ..pools.sizing.slots import SLOT_S, slot_of
from ..store.records import MachineRow
from .one_pool import Outcome
from .records import Day, Stock, Told, Waiting
from .timeline import moments
from .trace import Request


class Replay:
    """Plays a trace once."""

    def __init__(
        self,
        pools: Sequence[PoolFacts],
        floors: Floors,
        boot_s: Callable[[str], float],
        *,
        policy: Policy | None = None,
        limits: Mapping[str, Limits] | None = None,
    ) -> None:
        """``boot_s`` gives the boot time of a pool's next machine, in seconds."""
        self._floors = floors
        self._boot_s = boot_s
        self._policy = policy or Policy()
        self._limits = limits or {}
        self._stocks = {facts.name: Stock(facts) for facts in pools}
        self._by_environment: dict[str, list[PoolFacts]] = {}
        for facts in pools:
            self._by_environment.setdefault(facts.environment.name, []).append(facts)
        self._waiting: dict[str, list[Waiting]] = {}
        self._events: list[tuple[float, int, str, str]] = []  # when, order, what, machine
        self._order = count()
        self._names = count()
        self._counts: dict[int, Counter[str]] = {}
        self._wanted: dict[Needs, str | None] = {}
        self._dirty: set[str] = set()
        self._booting: Counter[str] = Counter()  # by cloud
        self._now = 0.0
        self._told = Told({name: Outcome() for name in self._stocks}, {})

    def run(self, requests: Sequence[Request], *, since: float, end: float) -> Told:
        """Answer the requests, in order of time; what is before ``since`` is not counted."""
        begin = requests[0].at // SLOT_S * SLOT_S
        told = self._told
        told.since, told.until = max(since, begin), end
        for stock in self._stocks.values():
            stock.counted_at = begin
        pools = [stock.facts.pool for stock in self._stocks.values()]
        marks = moments(pools, self._floors, begin, end)
        asks, sizes = iter(requests), iter(marks)
        request, mark = next(asks, None), next(sizes, None)
        learnt = slot_of(begin)
        while True:
            at_request = request.at if request else inf
            at_mark = mark if mark is not None else inf
            at_event = self._events[0][0] if self._events else inf
            self._now = min(at_request, at_mark, at_event)
            if self._now >= end:
                break
            if at_event == self._now:
                self._happens(*heappop(self._events)[2:])
            elif mark is not None and at_mark == self._now:
                while learnt < slot_of(mark):
                    self._learn(learnt)
                    learnt += 1
                self._size(mark)
                mark = next(sizes, None)
            elif request:
                self._ask(request)
                request = next(asks, None)
            if self._dirty:
                self._plan()
        self._now = end
        for stock in self._stocks.values():
            self._count(stock)
        return told

    # What happens

    def _ask(self, request: Request) -> None:
        needs = Needs(
            environment=request.environment,
            cpus=request.cpus,
            ram_gb=request.ram_gb,
            gpus=request.gpus,
        )
        wanted = self._pool_of(needs)
        if wanted is None:
            self._told.impossible += request.at >= self._told.since
            return
        self._counts.setdefault(slot_of(request.at), Counter())[wanted] += 1
        counted = request.at >= self._told.since
        outcome, day = self._told.pools[wanted], self._day(request.at)
        outcome.requests += counted
        day.requests += counted
        self._dirty.add(request.environment)
        for ranked in self._decide(needs).ranked:
            stock = self._stocks[ranked.facts.name]
            if stock.vacant:
                outcome.hits += counted
                self._hand_over(stock, next(iter(stock.vacant)), request)
                return
        day.misses += counted
        self._waiting.setdefault(request.environment, []).append(Waiting(request, needs, wanted))
        self._later(request.at + self._policy.wait_limit_s, "overdue", request.environment)

    def _happens(self, what: str, name: str) -> None:
        if what == "overdue":
            self._refuse_overdue(name)
            return
        pool = name.rpartition("#")[0]
        stock = self._stocks[pool]
        machine = stock.machines.get(name)
        if machine is None:
            return
        self._count(stock)
        self._dirty |= {other.facts.environment.name for other in self._held_with(stock)}
        if what == "ended":
            stock.leased -= 1
            del stock.machines[name]
            if self._lacks(stock):
                self._dirty.add(stock.facts.environment.name)
            return
        if what == "late":  # it did not boot in time: the plan deletes it
            stock.late += 1
            self._dirty.add(stock.facts.environment.name)
            return
        self._boots(stock, -1)
        stock.machines[name] = replace(machine, state=S.VACANT)
        stock.vacant[name] = None
        stock.boots_s.append(self._now - machine.created_at.timestamp())
        self._serve_waiting(stock)
        self._dirty.add(stock.facts.environment.name)

    def _serve_waiting(self, stock: Stock) -> None:
        """The one who waits longest and can be served by the pool gets its new machine."""
        waiting = self._waiting.get(stock.facts.environment.name, [])
        for each in waiting:
            if any(r.facts.name == stock.facts.name for r in self._decide(each.needs).ranked):
                waiting.remove(each)
                if each.request.at >= self._told.since:
                    self._told.pools[each.pool].waits_s.append(self._now - each.request.at)
                self._hand_over(stock, next(iter(stock.vacant)), each.request)
                return

    def _hand_over(self, stock: Stock, name: str, request: Request) -> None:
        self._count(stock)
        del stock.vacant[name]
        stock.machines[name] = replace(stock.machines[name], state=S.ACQUIRED)
        stock.leased += 1
        self._later(self._now + request.duration_s, "ended", name)

    def _refuse_overdue(self, environment: str) -> None:
        waiting = self._waiting.get(environment, [])
        oldest = self._now - self._policy.wait_limit_s
        for each in [one for one in waiting if one.request.at <= oldest]:
            waiting.remove(each)
            self._told.pools[each.pool].refused += each.request.at >= self._told.since

    # What is decided

    def _learn(self, slot: int) -> None:
        pools = [stock.facts.pool for stock in self._stocks.values()]
        self._floors.observe(pools, slot, self._counts.pop(slot, {}))
        self._floors.refills_s = {
            name: refill_s(stock.boots_s, rule.refill_quantile)
            for name, stock in self._stocks.items()
            if (rule := stock.facts.pool.sizing.forecast) is not None and stock.boots_s
        }

    def _size(self, at: float) -> None:
        now = datetime.fromtimestamp(at, UTC)
        for stock in self._stocks.values():
            floor = self._floors(stock.facts.pool, now)
            if floor != stock.floor:
                stock.floor = floor
                self._dirty.add(stock.facts.environment.name)

    def _plan(self) -> None:
        """Decide anew about the pools that something happened to."""
        dirty = [name for name in self._dirty if not self._at_rest(name)]
        self._dirty.clear()
        if not dirty:
            return
        stocks = [self._stocks[f.name] for name in dirty for f in self._by_environment[name]]
        waiting = [each for name in dirty for each in self._waiting.get(name, ())]
        if self._may_bind(stocks, len(waiting)):
            stocks = list(self._stocks.values())
            waiting = [each for some in self._waiting.values() for each in some]
        waiting.sort(key=lambda each: each.request.at)
        planned = plan(
            Snapshot(
                now=datetime.fromtimestamp(self._now, UTC),
                pools=[stock.facts for stock in stocks],
                machines=[machine for stock in stocks for machine in stock.machines.values()],
                waiting=[Wanted(each.needs) for each in waiting],
                limits=self._limits,
                floors={stock.facts.name: stock.floor for stock in stocks},
            ),
            self._policy,
        )
        for stock in stocks:
            decided = planned[stock.facts.name]
            stock.hold = bool(decided.hold)
            if decided.remove or decided.create:
                self._count(stock)
            for removal in decided.remove:
                if stock.machines.pop(removal.machine).state in BOOTING:
                    self._boots(stock, -1)
                    stock.late -= 1
                stock.vacant.pop(removal.machine, None)
            for _ in range(decided.create):
                self._create(stock)

    def _create(self, stock: Stock) -> None:
        name = f"{stock.facts.name}#{next(self._names)}"
        created = datetime.fromtimestamp(self._now, UTC)
        stock.machines[name] = MachineRow(
            id=name,
            pool=stock.facts.name,
            cloud=stock.facts.pool.cloud,
            state=S.BUILDING,
            fingerprint=stock.facts.fingerprint,
            size=stock.facts.size,
            created_at=created,
            changed_at=created,
        )
        self._boots(stock, 1)
        boot_s = self._boot_s(stock.facts.name)
        if boot_s <= self._policy.boot_deadline_s:
            self._later(self._now + boot_s, "booted", name)
        else:
            self._later(self._now + self._policy.boot_deadline_s + 1, "late", name)

    def _at_rest(self, environment: str) -> bool:
        """Whether its pools have just what they should: a plan would say nothing."""
        return not self._waiting.get(environment) and all(
            len(stock.vacant) + stock.booting == stock.floor and not stock.late
            for facts in self._by_environment[environment]
            for stock in (self._stocks[facts.name],)
        )

    def _may_bind(self, stocks: Iterable[Stock], waiting: int) -> bool:
        """Whether a cloud's limits could keep these pools from what they lack."""
        clouds = {stock.facts.pool.cloud for stock in stocks}
        if not clouds.isdisjoint(self._limits):
            return True
        wanted = waiting + sum(
            max(0, stock.floor - len(stock.vacant) - stock.booting) for stock in stocks
        )
        most = self._policy.booting_per_cloud
        return any(self._booting[cloud] + wanted > most for cloud in clouds)

    def _held_with(self, changed: Stock) -> list[Stock]:
        """Pools at the same cloud that lack machines and were not let make them."""
        cloud = changed.facts.pool.cloud
        return [
            stock
            for stock in self._stocks.values()
            if stock.hold and stock.facts.pool.cloud == cloud and self._lacks(stock)
        ]

    def _boots(self, stock: Stock, more: int) -> None:
        stock.booting += more
        self._booting[stock.facts.pool.cloud] += more

    def _lacks(self, stock: Stock) -> bool:
        waiting = len(self._waiting.get(stock.facts.environment.name, ()))
        return len(stock.vacant) + stock.booting < stock.floor + waiting

    def _decide(self, needs: Needs) -> Decision:
        facts = self._by_environment.get(needs.environment or "", [])
        return decide(needs, facts, {f.name: self._stocks[f.name].counts for f in facts})

    def _pool_of(self, needs: Needs) -> str | None:
        """The pool that serves such needs when all are ready."""
        if needs not in self._wanted:
            facts = self._by_environment.get(needs.environment or "", [])
            ranked = decide(needs, facts, {}).ranked
            self._wanted[needs] = ranked[0].facts.name if ranked else None
        return self._wanted[needs]

    # Bookkeeping

    def _later(self, at: float, what: str, name: str) -> None:
        heappush(self._events, (at, next(self._order), what, name))

    def _day(self, at: float) -> Day:
        return self._told.days.setdefault(int(at // 86400), Day())

    def _count(self, stock: Stock) -> None:
        """Add up the time since the pool last changed."""
        begin = max(stock.counted_at, self._told.since)
        stock.counted_at = self._now
        passed = self._now - begin
        if passed <= 0:
            return
        outcome = self._told.pools[stock.facts.name]
        outcome.vacant_s += len(stock.vacant) * passed
        outcome.booting_s += stock.booting * passed
        outcome.leased_s += stock.leased * passed
        while begin < self._now:
            until = min(self._now, (begin // 86400 + 1) * 86400)
            day = self._day(begin)
            day.idle_s += (len(stock.vacant) + stock.booting) * (until - begin)
            day.leased_s += stock.leased * (until - begin)
            begin = until
