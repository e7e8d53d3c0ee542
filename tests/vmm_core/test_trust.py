"""What a facility may rely on, whatever happens in whatever order.

Hypothesis drives a small facility: several replicas of the VMM on one ledger,
people who claim and release, clouds that refuse, forget and fail, agents that
go away, replicas that die at any write and any call, and time that passes.
After each step:

* no machine has two leases, and none ever served two;
* no lease lost its machine;
* no pool has more machines than its maximum, in the ledger or at its cloud;
* nobody has more at once than allowed.

At the end, with the clouds well again, everything settles: who waits is served
or refused, the floors are filled, and the clouds have what the ledger has.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from vmm_core.clouds.simulated import Fault, SimulatedCloud
from vmm_core.errors import Conflict, Impossible, LimitReached, Unavailable
from vmm_core.leases import Leases
from vmm_core.model import Lease, LeaseState, Machine, MachineState, Needs
from vmm_core.pools.inventory import Inventory
from vmm_core.pools.manager import PoolManager
from vmm_core.pools.policy import Policy
from vmm_core.pools.simulated import SimulatedAgents
from vmm_core.store import Store
from vmm_core.store.engine import Transaction
from vmm_core.store.transactions import Transactions

from .ledgers import OPERATOR
from .world import Clock, catalogue

T = TypeVar("T")

CATALOGUE = """
locations:
  - {name: ral, title: Rutherford}
  - {name: dls, title: Diamond}
clouds:
  - {name: ral-sim, kind: simulated, location: ral, options: {boot_s: 20, max_machines: 7}}
  - {name: dls-sim, kind: simulated, location: dls, options: {boot_s: 5, suspend: false}}
environments:
  - {name: mantid, title: Mantid}
  - {name: tomo, title: Tomography}
pools:
  - {environment: mantid, cloud: ral-sim, size: small, ready: 2, maximum: 4, standby: 1}
  - {environment: tomo, cloud: ral-sim, size: large, ready: 1, maximum: 2, max_ready_h: 1}
  - {environment: mantid, cloud: dls-sim, size: large, ready: 0, maximum: 2, keep_failed: 1}
limits:
  - {each: user, machines: 2}
  - {group: school, machines: 2}
lifetimes:
  - {groups: [school], hours: 1, warn_hours: 0.2}
  - {hours: 8}
"""

USERS = ("ann", "bob", "cy", "dee")
FAULTS = tuple(
    fault
    for fault in get_args(Fault)
    if fault not in ("list-frozen", "sizes-unreachable", "sizes-refused", "refused")
)
READ = catalogue(CATALOGUE)
SETTLING = 60
"""Steps, in which every backoff, grace and wait limit is over."""


class DiedError(BaseException):
    """This replica is gone, in the middle of what it did."""


class Mortal:
    """Dies at the effect with a certain number, and does nothing from then on."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.dead = False

    def effect(self) -> None:
        if self.left is not None:
            self.left -= 1
            self.dead = self.dead or self.left < 0
        if self.dead:
            raise DiedError


class MortalTransactions(Transactions):
    """Transactions of a replica that may die before and after each commit."""

    mortal: Mortal

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        async with super().write() as tx:
            yield tx
            self.mortal.effect()
        self.mortal.effect()


class Replica:
    """One process of the VMM, as far as a test has one."""

    def __init__(self, facility: Facility) -> None:
        self.mortal = Mortal()
        self._facility = facility

    async def start(self) -> None:
        facility = self._facility

        def transactions(database: Any) -> Transactions:
            made = MortalTransactions(database)
            made.mortal = self.mortal
            return made

        self.store = Store(facility.url, clock=facility.clock, transactions=transactions)
        await self.store.open()
        self.clouds = {name: Calls(cloud, self.mortal) for name, cloud in facility.clouds.items()}
        inventory = Inventory(READ, self.clouds, service_url="http://vmm", public_key="test")  # type: ignore[arg-type]
        await inventory.ask()
        self.manager = PoolManager(self.store, inventory, facility.agents, policy=facility.policy)
        self.leases = Leases(self.store, inventory, facility.agents, wake=self.manager.wake)

    async def stop(self) -> None:
        with suppress(DiedError):
            await self.manager.settle()
        await self.store.close()


class Calls:
    """A cloud as a mortal replica calls it."""

    def __init__(self, cloud: SimulatedCloud, mortal: Mortal) -> None:
        self._cloud = cloud
        self._mortal = mortal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cloud, name)
        if name in ("create", "delete", "suspend", "resume", "list_owned", "console"):
            return partial(self._called, found)
        return found

    async def _called(self, call: Any, *arguments: Any) -> Any:
        self._mortal.effect()
        answer = await call(*arguments)
        self._mortal.effect()
        return answer


class Facility(RuleBasedStateMachine):
    """Everything that can happen."""

    replicas: list[Replica]

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _loop, _context: None)  # of tasks that died
        memory = Path("/dev/shm")  # what is tested is not the disk
        where = memory if memory.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="vmm-trust-", dir=where))
        self.clock = Clock()
        self.policy = Policy()
        self.url = self.database()
        self.clouds = {
            account.name: SimulatedCloud(
                account.name,
                SimulatedCloud.Options.model_validate(account.options),
                clock=self.clock.seconds,
            )
            for account in READ.clouds.values()
        }
        self.replicas = []
        self.watcher = Store(self.url, clock=self.clock)
        self.run(self.watcher.open())
        self.agents = SimulatedAgents(self.clouds.values(), self.watcher.installation)
        for _ in range(2):
            self.start_replica()

    def database(self) -> str:
        return f"sqlite+aiosqlite:///{self.folder / 'vmm.sqlite'}"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def start_replica(self) -> None:
        replica = Replica(self)
        self.run(replica.start())
        self.replicas.append(replica)

    def do(self, replica: Replica, work: Coroutine[Any, Any, T]) -> T | None:
        """Let a replica do something, and replace it if it dies of it."""

        async def doing() -> T | None:
            answer = await work
            await replica.manager.settle()
            return answer

        try:
            answer = self.run(doing())
        except DiedError:
            answer = None
        except Unavailable:  # it died in what it decides for its askers
            if not replica.mortal.dead:
                raise
            answer = None
        if replica.mortal.dead:
            self.run(replica.stop())
            self.replicas.remove(replica)
            self.start_replica()
        return answer

    def one_of(self, number: int) -> Replica:
        return self.replicas[number % len(self.replicas)]

    # What happens

    @rule(
        by=st.integers(0, 9),
        owner=st.sampled_from(USERS),
        group=st.sampled_from(("", "school", "staff")),
        key=st.integers(0, 3),
        needs=st.sampled_from(
            (Needs(environment="mantid"), Needs(environment="tomo"), Needs(), Needs(cpus=8))
        ),
    )
    def claim(self, by: int, owner: str, group: str, key: int, needs: Needs) -> None:
        replica = self.one_of(by)
        groups = (group,) if group else ()
        work = replica.leases.acquire(
            owner=owner, frontend="hub", key=str(key), needs=needs, groups=groups
        )
        with suppress(LimitReached, Impossible):
            self.do(replica, work)

    @rule(by=st.integers(0, 9), number=st.integers(0, 20))
    def release(self, by: int, number: int) -> None:
        lasting = self.run(self.watcher.leases.all())
        if lasting:
            lease = lasting[number % len(lasting)]
            replica = self.one_of(by)
            with suppress(Conflict, Unavailable):
                self.do(replica, replica.leases.release(lease.id))

    @rule(by=st.integers(0, 9))
    def step(self, by: int) -> None:
        replica = self.one_of(by)
        self.do(replica, replica.manager.step())

    @rule(by=st.integers(0, 9), after=st.integers(0, 25))
    def die(self, by: int, after: int) -> None:
        """Within the next effects of a replica."""
        self.one_of(by).mortal.left = after

    @rule(by=st.integers(0, 9))
    def boot(self, by: int) -> None:
        """Agents of machines that run now say so."""
        replica = self.one_of(by)
        self.do(replica, self.agents.step(replica.manager.agent_ready))

    @rule(by=st.integers(0, 9), number=st.integers(0, 20))
    def lose_agent(self, by: int, number: int) -> None:
        known = sorted(m.id for m in self.run(self.watcher.machines.all()))
        if known:
            machine = known[number % len(known)]
            self.agents.drop(machine)
            replica = self.one_of(by)
            self.do(replica, replica.store.agents.lost(machine))

    @rule(seconds=st.sampled_from((1, 5, 20, 60, 600, 3700)))
    def wait(self, seconds: int) -> None:
        self.clock.turn(seconds)

    @rule(cloud=st.sampled_from(("ral-sim", "dls-sim")), fault=st.sampled_from(FAULTS))
    def break_cloud(self, cloud: str, fault: Fault) -> None:
        self.clouds[cloud].inject(fault)

    @precondition(lambda self: len(self.replicas) < 4)
    @rule()
    def one_more_replica(self) -> None:
        self.start_replica()

    # What must hold

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "watcher"):
            return
        leases, machines = self.run(self._read())
        _belong_together(leases, machines)
        self._ceilings_hold(machines)
        lasting = [lease for lease in leases if lease.ended_at is None]
        per_user = Counter(lease.owner for lease in lasting)
        school = [x for x in lasting if x.group == "school" and x.machine]
        assert max(per_user.values(), default=0) <= 2
        assert len(school) <= 2

    async def _read(self) -> tuple[list[Lease], dict[str, Machine]]:
        leases = await self.watcher.leases.all(ended=True)
        machines = await self.watcher.machines.all(deleted=True)
        return leases, {machine.id: machine for machine in machines}

    def _ceilings_hold(self, machines: dict[str, Machine]) -> None:
        owned = Counter(m.pool for m in machines.values() if m.state is not MachineState.DELETED)
        there = Counter(
            machines[seen.name].pool if seen.name in machines else "nobody's"
            for cloud in self.clouds.values()
            for seen in cloud.machines(self.watcher.installation)
            if not seen.of
        )
        for name, pool in READ.pools.items():
            assert owned[name] <= pool.maximum, (name, owned)
            assert there[name] <= pool.maximum, (name, there)
        assert not there["nobody's"], "a machine was made before its row"

    def teardown(self) -> None:
        if not hasattr(self, "watcher"):
            return
        try:
            self.run(self._settle())
        finally:
            for replica in self.replicas:
                replica.mortal.left = None
                self.run(replica.stop())
            self.run(self.watcher.close())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            shutil.rmtree(self.folder)

    async def _settle(self) -> None:
        """With everything well again, all ends well."""
        for cloud in self.clouds.values():
            cloud.heal()
        for replica in self.replicas:
            replica.mortal.left = None
        replica = self.replicas[0]
        for passed in range(SETTLING):
            if passed == SETTLING // 2:
                for pool in READ.pools:  # an operator's hand, after all that went wrong
                    await replica.manager.hands.resume(pool, OPERATOR)
            await replica.manager.step()
            await replica.manager.settle()
            await self.agents.step(replica.manager.agent_ready)
            self.clock.turn(150 if passed < SETTLING // 2 else 6)
        leases, machines = await self._read()
        assert [x for x in leases if x.state is LeaseState.WAITING] == []
        left = {m.id for m in machines.values() if m.state is not MachineState.DELETED}
        here = {
            seen.name
            for cloud in self.clouds.values()
            for seen in cloud.machines(self.watcher.installation)
        }
        assert here == left, "the clouds and the ledger differ"
        for name, pool in READ.pools.items():
            states = Counter(machines[m].state for m in left if machines[m].pool == name)
            used = sum(states.values()) - states[MachineState.VACANT]
            vacant = states[MachineState.VACANT]
            assert vacant >= min(pool.ready, pool.maximum - used), (name, states)


def _belong_together(leases: list[Lease], machines: dict[str, Machine]) -> None:
    """No machine has two leases or served two, and no lease lost its machine."""
    served = Counter(lease.machine.id for lease in leases if lease.machine)
    assert not [m for m, times in served.items() if times > 1], "a machine served two"
    for lease in leases:
        if lease.state is LeaseState.ACQUIRED:
            assert lease.machine is not None, lease
            assert machines[lease.machine.id].state is MachineState.ACQUIRED, lease
        elif lease.state is LeaseState.WAITING:
            assert lease.machine is None
    keys = Counter((x.frontend, x.owner, x.key) for x in leases if x.ended_at is None)
    assert not [key for key, times in keys.items() if times > 1], "a key has two leases"


TestFacility = Facility.TestCase
TestFacility.pytestmark = [pytest.mark.timeout(3600)]
TestFacility.settings = settings(
    max_examples=int(os.environ.get("TRUST_EXAMPLES", "12")),  # `make test-slow` tries many more
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
