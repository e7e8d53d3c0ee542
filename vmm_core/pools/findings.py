"""Does what a comparison of the clouds' lists with the ledger calls for."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from ..clouds.base import CloudMachine
from ..model import MachineState as S
from ..store import Store
from ..store.records import MachineRow
from .agents import Agents
from .effects import Effects
from .orphans import Orphans
from .policy import Policy
from .reconcile import reconcile
from .standby import Standby

_log = logging.getLogger(__name__)


class Findings:
    """Takes in the lists.

    Args:
        store: the ledger.
        agents: the connections to the machines.
        policy: how long to wait before believing.
        effects: notes what clouds say, and counts failures.
        standby: suspends and resumes.
        orphans: sweeps what nobody wants.
    """

    def __init__(
        self,
        store: Store,
        agents: Agents,
        policy: Policy,
        effects: Effects,
        standby: Standby,
        orphans: Orphans,
    ) -> None:
        self._store = store
        self._agents = agents
        self._policy = policy
        self._effects = effects
        self._standby = standby
        self._orphans = orphans
        self._missing_since: dict[str, datetime] = {}

    async def take_in(
        self,
        lists: Mapping[str, Sequence[CloudMachine]],
        by_cloud: Mapping[str, Sequence[MachineRow]],
        held: Collection[str],
        in_flight: Collection[str],
        now: datetime,
    ) -> bool:
        """Compare each list with the cloud's machines; whether the ledger changed by that.

        Args:
            lists: what each cloud that answers says it has of ours.
            by_cloud: the machines of the ledger, which was read after the lists.
            held: pools that are worked here.
            in_flight: machines something is done to at this moment.
            now: the time.
        """
        changed = False
        if self._missing_since:
            for cloud in by_cloud.keys() - lists.keys():  # what was missed before may be there
                self._remember(by_cloud[cloud], (), now)
        for cloud, listed in lists.items():
            mine = by_cloud.get(cloud, ())
            findings = reconcile(
                mine,
                listed,
                in_flight=in_flight,
                missing_since=self._missing_since,
                now=now,
                policy=self._policy,
            )
            self._remember(mine, findings.missing, now)
            for machine, seen in findings.found:
                if machine.pool in held:
                    await self._effects.observe(machine.id, seen)
                    changed = True
            for machine, why in findings.failed:
                if machine.pool in held and not self._agents.connected(machine):
                    changed |= await self.fail(machine, why)
            self._standby.repeat([m for m in findings.repeat if m.pool in held], now)
            await self._orphans.sight(cloud, findings.orphans)
        return changed

    async def fail(self, machine: MachineRow, why: str) -> bool:
        """A machine is of no use any more; whether that is new."""
        failed = await self._store.machines.fail(
            machine.id, reason=why, message=f"the machine is gone: {why}", only_from={machine.state}
        )
        if failed and machine.state not in (S.ACQUIRED, S.HELD):
            await self._effects.failed(machine.pool, machine.fingerprint, f"{machine.id}: {why}")
        return failed

    def _remember(
        self, mine: Sequence[MachineRow], missing: Collection[str], now: datetime
    ) -> None:
        """Since when machines of a cloud are missing."""
        if not missing and not self._missing_since:
            return
        for machine in mine:
            if machine.id in missing:
                self._missing_since.setdefault(machine.id, now)
            else:
                self._missing_since.pop(machine.id, None)
