"""Keeps the time of leases: warns, ends, and keeps machines that can be taken back.

What is due is decided by :mod:`.rules` inside the transaction that does it, so
that several services, or one that was killed, say and do it once. A machine that
can be taken back is suspended where its cloud can, as soon as its session has
ended and it holds nothing; taken back, it is resumed, and its lease told when its
agent answers. Every step looks at what is and goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from ..agent.protocol import Activity
from ..clouds.base import Cloud, CloudError, CloudMachine, CloudState
from ..model import Lease, Lifetime, Machine
from ..model import MachineState as S
from ..pools.agents import AgentAway, Agents
from ..pools.inventory import Inventory
from ..store import Store
from ..store.records import Actor, Kept, MachineRow
from . import rules
from .activity import active
from .rules import End, Term, Warn

_log = logging.getLogger(__name__)

NOTE_S = 60
"""A machine's activity is written at most this often."""
SILENT_S = 300
"""An agent that reported nothing for longer was away: what its user did then nobody saw."""
QUIET_S = 120
"""A report that nothing is in use is believed for so long."""
LOOK_S = 10
"""Leases are looked at for what is due this often."""
ASK_S = 120
"""A cloud that does not answer within this is asked again."""
AGAIN_S = 60
"""A cloud that could not suspend or resume a machine is asked again after this."""
DONE_S = 10
"""One that said yes, if the machine still is as it was after this."""
PROBE_S = 1
"""An agent that does not answer within this is not back yet."""

Seen = Machine | MachineRow


class Keeper:
    """The time of leases in one process.

    Args:
        store: the ledger.
        inventory: the catalogue with its clouds.
        agents: the connections to the machines.
        wake: lets the pool manager step at once.
    """

    def __init__(
        self, store: Store, inventory: Inventory, agents: Agents, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._agents = agents
        self._wake = wake
        self._look_at: datetime | None = None
        self._heard: dict[str, datetime] = {}
        self._noted: dict[str, datetime] = {}
        self._quiet: dict[str, datetime] = {}
        self._leased: frozenset[str] = frozenset()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, datetime] = {}

    # Asked by the API

    async def extend(self, lease_id: str, by: Actor, *, hours: float | None = None) -> Lease:
        """See :meth:`vmm_core.store.lifetimes.LifetimeRows.extend`."""
        return await self._store.lifetimes.extend(
            lease_id, by, self._lifetimes, self._inventory.facts(), hours=hours
        )

    async def restore(self, lease_id: str, by: Actor, *, operator: bool = False) -> Lease:
        """See :meth:`vmm_core.store.lifetimes.LifetimeRows.restore`."""
        lease = await self._store.lifetimes.restore(
            lease_id, by, self._lifetimes, self._inventory.decide, operator=operator
        )
        self._wake()
        return lease

    def kept_until(self, lease: Lease) -> datetime | None:
        """Until when a lease that ended now could be taken back; None: it could not."""
        if lease.machine is None:
            return None
        return rules.kept_until(
            self._lifetimes, lease.group, lease.machine.environment, self._store.now()
        )

    # Told by the agents

    async def activity(self, machine_id: str, report: Activity) -> None:
        """An agent says what is in use on its machine."""
        now = self._store.now()
        before = self._heard.get(machine_id)
        self._heard[machine_id] = now
        if machine_id not in self._leased:
            self._quiet.pop(machine_id, None)
            return
        used, what = active(report)
        away = before is None or now - before > timedelta(seconds=SILENT_S)
        if not used and not away:
            self._quiet[machine_id] = now
            return
        self._quiet.pop(machine_id, None)
        noted = self._noted.get(machine_id)
        if noted is None or now - noted >= timedelta(seconds=NOTE_S):
            self._noted[machine_id] = now
            await self._store.lifetimes.active(
                machine_id, what if used else "what was in use before now was not seen"
            )

    # A step of the pool manager

    async def step(
        self,
        machines: Iterable[Seen],
        pools: Collection[str],
        lists: Mapping[str, Sequence[CloudMachine]],
    ) -> None:
        """Do what is due.

        Args:
            machines: all that are not deleted.
            pools: that are worked here.
            lists: what each cloud that answers has of ours.
        """
        now = self._store.now()
        acquired, resting = [], []
        for machine in machines:
            if machine.state is S.ACQUIRED:
                acquired.append(machine.id)
            if machine.kept_until is not None and machine.pool in pools:
                resting.append(machine)
        self._leased = frozenset(acquired)
        every = timedelta(seconds=LOOK_S)
        if self._look_at is None or not now < self._look_at <= now + every:  # or it was set back
            self._look_at = now + every
            await self._look(now)
        kept = await self._store.lifetimes.kept() if resting else {}
        for machine in resting:
            if machine.id in kept and machine.kept_until:
                seen = next((m for m in lists.get(machine.cloud, ()) if m.name == machine.id), None)
                await self._keep(machine, machine.kept_until, kept[machine.id], seen, now)

    async def settle(self) -> None:
        """Return when nothing is asked of a cloud."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def stop(self) -> None:
        """Ask nothing of the clouds any more; the next service looks again."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _lifetimes(self) -> Sequence[Lifetime]:
        return self._inventory.catalogue.lifetimes

    async def _look(self, now: datetime) -> None:
        """Warn and end the leases that are due."""
        self._forget(now)
        oldest = now - timedelta(seconds=QUIET_S)
        quiet = {machine for machine, at in self._quiet.items() if at >= oldest}
        notice = timedelta(hours=rules.notice_hours(self._lifetimes))
        idles = any(each.idle_hours for each in self._lifetimes)
        for term in await self._store.lifetimes.terms(now + notice, quiet if idles else ()):
            judge = partial(self._judge, quiet=term.machine in quiet)
            if judge(term, now) is None:
                continue
            done = await self._store.lifetimes.act(term.lease, judge, self._lifetimes)
            if isinstance(done, Warn):
                _log.info("lease %s on machine %s is warned", term.lease, term.machine)
            elif isinstance(done, End):
                _log.info("lease %s on machine %s ends: %s", term.lease, term.machine, done.message)
                self._wake()

    def _judge(self, term: Term, now: datetime, *, quiet: bool) -> Warn | End | None:
        lifetime = rules.fitting(self._lifetimes, term.group, term.environment)
        return rules.judge(term, lifetime, now, quiet=quiet)

    def _forget(self, now: datetime) -> None:
        """Drop what was heard of machines that say nothing any more."""
        oldest = now - timedelta(seconds=SILENT_S)
        for known in (self._heard, self._noted, self._quiet, self._not_before):
            for name in [name for name, at in known.items() if at < oldest]:
                del known[name]

    async def _keep(
        self,
        machine: Seen,
        until: datetime,
        kept: Kept,
        seen: CloudMachine | None,
        now: datetime,
    ) -> None:
        """Bring one machine nearer to where it should be."""
        cloud = self._inventory.clouds.get(machine.cloud)
        asleep = seen is not None and seen.state is CloudState.SUSPENDED
        if machine.state is S.HELD and asleep and (kept.holding or not kept.settled):
            if seen and cloud:  # what is to be sent or ended on it needs it awake
                self._begin(machine, cloud, seen.id, "resume")
        elif machine.state is S.HELD and kept.settled:
            if until <= now:
                if await self._store.machines.settle(machine.id):
                    self._wake()
                return
            runs = seen is not None and seen.state is CloudState.RUNNING
            if seen and cloud and cloud.abilities.suspend and runs and not kept.holding:
                self._begin(machine, cloud, seen.id, "suspend")
        elif machine.state is S.ACQUIRED and seen and cloud:
            if seen.state is CloudState.SUSPENDED:
                self._begin(machine, cloud, seen.id, "resume")
            elif seen.state is CloudState.FAILED and not kept.awake:
                why = f"its cloud could not resume it: {seen.reason or 'it failed'}"
                await self._store.machines.fail(
                    machine.id, reason=why, message=f"the machine is gone: {why}"
                )
            elif seen.state is CloudState.RUNNING and not kept.awake:
                await self._awake(machine, kept, seen)

    async def _awake(self, machine: Seen, kept: Kept, seen: CloudMachine) -> None:
        """A machine that was taken back runs: note where, and whether its agent answers."""
        if (seen.address, seen.ports) != (machine.address, kept.ports):
            await self._store.lifetimes.moved(machine.id, seen.address, seen.ports)
        with suppress(AgentAway):
            if seen.address and await self._agents.probe(machine.id, PROBE_S):
                await self._store.lifetimes.awake(kept)

    def _begin(self, machine: Seen, cloud: Cloud, cloud_id: str, verb: str) -> None:
        """Ask a cloud beside the steps, unless it is being asked or was just now."""
        not_before = self._not_before.get(f"{verb} {machine.id}")
        if machine.id in self._tasks or (not_before and self._store.now() < not_before):
            return
        work = self._ask(machine, cloud, cloud_id, verb)
        task = asyncio.create_task(work, name=f"{verb} {machine.id}")
        self._tasks[machine.id] = task
        task.add_done_callback(partial(self._asked, machine.id))

    def _asked(self, machine_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(machine_id, None)
        if not task.cancelled() and (error := task.exception()):
            _log.error("machine %s: %s", machine_id, error, exc_info=error)

    async def _ask(self, machine: Seen, cloud: Cloud, cloud_id: str, verb: str) -> None:
        wish = cloud.suspend if verb == "suspend" else cloud.resume
        pause_s = DONE_S
        for each in ("suspend", "resume"):  # what was said of the other is over
            self._not_before.pop(f"{each} {machine.id}", None)
        try:
            async with asyncio.timeout(ASK_S):
                await wish(cloud_id)
        except (CloudError, TimeoutError) as error:
            why = str(error) or f"{machine.cloud} did not answer in time"
            _log.warning("machine %s: its cloud could not %s it: %s", machine.id, verb, why)
            pause_s = AGAIN_S
        self._not_before[f"{verb} {machine.id}"] = self._store.now() + timedelta(seconds=pause_s)
        self._wake()
