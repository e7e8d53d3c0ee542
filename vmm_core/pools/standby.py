"""Suspends machines for later, and resumes them.

The row comes first: a machine is out of what can be leased before its cloud
is asked to suspend it, and on its way before its cloud is asked to resume it.
What is killed in between shows in the cloud's list, and is asked for again: both
calls are idempotent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from ..clouds.base import (
    CloudError,
    NoCapacity,
    QuotaExceeded,
    Refused,
    Throttled,
    Unreachable,
)
from ..model import MachineState as S
from ..store import Store
from ..store.records import MachineRow
from .effects import Effects
from .inventory import Inventory
from .policy import Policy
from .tasks import Tasks

_log = logging.getLogger(__name__)

_MOST_PAUSE_S = 3600.0


class Standby:
    """The second tier of ready machines."""

    def __init__(
        self, store: Store, inventory: Inventory, policy: Policy, tasks: Tasks, effects: Effects
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._policy = policy
        self._tasks = tasks
        self._effects = effects
        self._asked: dict[str, datetime] = {}
        self._resting: dict[str, datetime] = {}
        self._refused: dict[str, tuple[int, datetime, str]] = {}

    def able(self) -> Collection[str]:
        """Clouds that can suspend machines."""
        clouds = self._inventory.clouds
        return {name for name, cloud in clouds.items() if cloud.abilities.suspend}

    def resting(self, now: datetime) -> Collection[str]:
        """Suspended machines that were not to be had a moment ago."""
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        return self._resting

    def unsuspendable(self, now: datetime) -> Mapping[str, str]:
        """Pools whose machines could not be suspended a while ago, with why."""
        return {pool: why for pool, (_, until, why) in self._refused.items() if until > now}

    async def suspend(self, machine: MachineRow) -> None:
        """Keep a vacant machine for later, unless somebody got it meanwhile."""
        if machine.id not in self._tasks and await self._store.machines.suspend(machine.id):
            self._tasks.begin(machine.id, self._suspend(machine))

    async def resume(self, machine: MachineRow) -> None:
        """Let a suspended machine go on."""
        if machine.id not in self._tasks and await self._store.machines.resume(machine.id):
            self._tasks.begin(machine.id, self._resume(machine))

    def repeat(self, machines: Iterable[MachineRow], now: datetime) -> None:
        """Ask again for what the clouds' lists do not show, but not at once."""
        again = timedelta(seconds=self._policy.wake_again_s)
        for machine in machines:
            asked = self._asked.get(machine.id)
            if machine.id in self._tasks or (asked is not None and now - asked < again):
                continue
            ask = self._suspend if machine.state is S.SUSPENDED else self._resume
            self._tasks.begin(machine.id, ask(machine))

    def forget(self, known: Collection[str]) -> None:
        """Remember nothing of machines that are gone."""
        self._asked = {name: at for name, at in self._asked.items() if name in known}

    async def _suspend(self, machine: MachineRow) -> None:
        self._asked[machine.id] = self._store.now()
        cloud = self._inventory.clouds[machine.cloud]
        try:
            async with asyncio.timeout(self._policy.create_deadline_s):
                await cloud.suspend(machine.cloud_id or "")
        except (Refused, NotImplementedError) as error:
            self._pause(machine.pool, str(error))
            await self._store.machines.move(
                machine.id,
                S.DELETING,
                reason=f"it could not be suspended: {error}",
                only_from={S.SUSPENDED},
            )
        except (CloudError, TimeoutError) as error:
            _log.warning("machine %s may not be suspended yet: %s", machine.id, error)
        else:
            self._refused.pop(machine.pool, None)

    async def _resume(self, machine: MachineRow) -> None:
        self._asked[machine.id] = self._store.now()
        cloud = self._inventory.clouds[machine.cloud]
        try:
            async with asyncio.timeout(self._policy.create_deadline_s):
                await cloud.resume(machine.cloud_id or "")
        except (NoCapacity, QuotaExceeded, Throttled, Unreachable) as error:
            pause_s = self._policy.quota_pause_s
            if isinstance(error, Throttled):
                pause_s = error.retry_after_s
            self._resting[machine.id] = self._store.now() + timedelta(seconds=pause_s)
            _log.warning("machine %s stays suspended: %s", machine.id, error)
            await self._store.machines.move(
                machine.id,
                S.SUSPENDED,
                reason=f"it could not be resumed: {error}",
                only_from={S.PROVISIONED},
            )
        except (Refused, NotImplementedError) as error:
            why = f"it could not be resumed: {error}"
            failed = await self._store.machines.fail(
                machine.id, reason=why, message=why, only_from={S.PROVISIONED}
            )
            if failed:
                await self._effects.failed(
                    machine.pool, machine.fingerprint, f"{machine.id}: {why}"
                )
        except (CloudError, TimeoutError) as error:
            _log.warning("machine %s may not be resumed yet: %s", machine.id, error)

    def _pause(self, pool: str, why: str) -> None:
        """Suspend nothing of the pool for a while: it would be made again and again."""
        tried = self._refused.get(pool, (0, self._store.now(), ""))[0]
        pause_s = min(self._policy.suspend_pause_s * 2**tried, _MOST_PAUSE_S)
        until = self._store.now() + timedelta(seconds=pause_s)
        self._refused[pool] = (tried + 1, until, f"no machine is put in standby: {why}")
        _log.warning("pool %s: a machine could not be suspended: %s", pool, why)
