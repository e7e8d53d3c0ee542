"""Creates and deletes machines at their clouds, beside the steps of the manager.

The row comes first, then the cloud. What a create may end in: a machine; a
refusal, which leaves a deleted row and a pause of the pool; or an unknown
outcome, which leaves the row requested until the cloud's list answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections import Counter
from datetime import datetime, timedelta

from ..allocation.facts import PoolFacts
from ..clouds.base import (
    CloudError,
    CloudMachine,
    CloudState,
    MachineSpec,
    OutcomeUnknown,
    Throttled,
)
from ..model import Machine
from ..model import MachineState as S
from ..store import Store
from ..store.records import Fence, MachineRow
from .backoff import after_cloud_error, after_failure
from .inventory import Inventory
from .policy import Policy
from .tasks import Tasks

_log = logging.getLogger(__name__)

_LATE_S = 5
"""A create that is only sent this long after its row was written may have been given up since."""


class Effects:
    """Creates and deletes of this process.

    Args:
        store: the ledger.
        inventory: the catalogue with its clouds.
        policy: how long to wait.
        tasks: what is under way.
        holder: under which name the pools are worked here.
    """

    def __init__(
        self, store: Store, inventory: Inventory, policy: Policy, tasks: Tasks, holder: str
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._policy = policy
        self._tasks = tasks
        self._holder = holder
        self.failures: Counter[str] = Counter()
        """For each pool, its machines that were of no use, since this process began."""
        self._deletes_failed: dict[str, tuple[int, datetime]] = {}

    async def create(self, facts: PoolFacts) -> None:
        """Write a machine's row and begin to make it, if the pool still is ours."""
        now = self._store.now()
        token = secrets.token_urlsafe(32)
        machine = Machine(
            id=f"vmm-{secrets.token_hex(6)}",
            pool=facts.name,
            cloud=facts.pool.cloud,
            location=facts.location.name,
            environment=facts.environment.name,
            size=facts.size,
            state=S.REQUESTED,
            fingerprint=facts.fingerprint,
            created_at=now,
            changed_at=now,
        )
        digest = hashlib.sha256(token.encode()).hexdigest()
        fence = Fence(facts.name, self._holder)
        if await self._store.machines.add(machine, enrolment_sha256=digest, fence=fence):
            self._tasks.begin(machine.id, self._create(facts, machine, token))

    def delete(self, machine: MachineRow) -> None:
        """Begin to delete a machine whose row says deleting, unless it is time to wait."""
        _, not_before = self._deletes_failed.get(machine.id, (0, self._store.now()))
        known = machine.cloud in self._inventory.clouds
        if known and machine.id not in self._tasks and self._store.now() >= not_before:
            self._tasks.begin(machine.id, self._delete(machine))

    async def observe(self, machine_id: str, seen: CloudMachine) -> None:
        """Note what a cloud says of a machine."""
        vacant = await self._store.machines.observe(
            machine_id,
            cloud_id=seen.id,
            running=seen.state is CloudState.RUNNING,
            address=seen.address,
            ports=seen.ports,
            isolation=seen.isolation,
            decide=self._inventory.decide,
        )
        if vacant:
            await self.succeeded(machine_id)

    async def succeeded(self, machine_id: str) -> None:
        """A machine became vacant: its pool's failures are over."""
        machine = await self._store.machines.get(machine_id)
        await self._store.pools.resume(machine.pool)

    async def failed(self, pool: str, fingerprint: str, reason: str) -> None:
        """A machine of the pool is of no use: the pool pauses."""
        self.failures[pool] += 1
        before = await self._store.pools.backoff(pool)
        backoff = after_failure(
            before,
            pool=pool,
            fingerprint=fingerprint,
            reason=reason,
            now=self._store.now(),
            policy=self._policy,
        )
        await self._store.pools.back_off(backoff)
        _log.warning("pool %s pauses: %s", pool, backoff.reason)

    async def _create(self, facts: PoolFacts, machine: Machine, token: str) -> None:
        if self._store.now() - machine.created_at > timedelta(seconds=_LATE_S):
            await self._store.machines.explain(machine.id, "looked up at its cloud: it was late")
            return
        spec = MachineSpec(
            name=machine.id,
            owner=self._store.installation,
            image=facts.environment.image,
            size=facts.size,
            user_data=self._inventory.user_data(facts, machine.id, token),
            ports=(*self._policy.ports, *self._inventory.ports(facts)),
            tags={"pool": facts.name},
        )
        try:
            async with asyncio.timeout(self._policy.create_deadline_s):
                made = await self._inventory.clouds[machine.cloud].create(spec)
        except (OutcomeUnknown, TimeoutError) as error:
            reason = str(error) or f"{machine.cloud} did not answer in time"
            await self._store.machines.explain(machine.id, f"looked up at its cloud: {reason}")
        except CloudError as error:
            await self._refused(facts, machine, error)
        except Exception as error:  # a bug of the provider: the machine may be there
            _log.exception("cloud %s broke its contract in create", machine.cloud)
            await self._store.machines.explain(machine.id, f"looked up at its cloud: {error!r}")
            await self.failed(facts.name, facts.fingerprint, f"{machine.cloud}: {error!r}")
        else:
            await self.observe(machine.id, made)

    async def _refused(self, facts: PoolFacts, machine: Machine, error: CloudError) -> None:
        """The cloud made nothing: no machine failed, but its pool pauses."""
        await self._store.machines.move(
            machine.id, S.DELETED, reason=str(error), only_from={S.REQUESTED}
        )
        backoffs = await self._store.pools.backoffs()
        pools = [facts]
        if isinstance(error, Throttled):  # a matter of the whole account
            pools = [f for f in self._inventory.facts() if f.pool.cloud == machine.cloud]
        for each in pools:
            await self._store.pools.back_off(
                after_cloud_error(
                    backoffs.get(each.name),
                    error,
                    pool=each.name,
                    fingerprint=each.fingerprint,
                    now=self._store.now(),
                    policy=self._policy,
                )
            )
        _log.warning("pool %s pauses: %s", facts.name, error)

    async def _delete(self, machine: MachineRow) -> None:
        cloud = self._inventory.clouds[machine.cloud]
        try:
            async with asyncio.timeout(self._policy.delete_deadline_s):
                ids = [machine.cloud_id] if machine.cloud_id else []
                if not ids:
                    owned = await cloud.list_owned(self._store.installation)
                    ids = [seen.id for seen in owned if machine.id in (seen.name, seen.of)]
                for cloud_id in ids:
                    await cloud.delete(cloud_id)
        except (CloudError, TimeoutError) as error:
            reason = str(error) or f"{machine.cloud} did not answer in time"
            tried = self._deletes_failed.get(machine.id, (0, self._store.now()))[0]
            pause_s = min(2**tried, 60)
            not_before = self._store.now() + timedelta(seconds=pause_s)
            self._deletes_failed[machine.id] = (tried + 1, not_before)
            await self._store.machines.explain(machine.id, f"will be deleted again: {reason}")
        else:
            self._deletes_failed.pop(machine.id, None)
            await self._store.machines.move(machine.id, S.DELETED, reason=machine.reason)
