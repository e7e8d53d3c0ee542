"""What a cloud has of ours that the ledger does not: machines, and side resources of machines.

Everything is deleted at its second sighting, whatever it is, and only what has
our tag is ever seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping

from ..clouds.base import CloudError, ResourceKind
from ..store import Store
from .inventory import Inventory
from .policy import Policy
from .tasks import Tasks

_log = logging.getLogger(__name__)


class Orphans:
    """Sights and sweeps them."""

    def __init__(self, store: Store, inventory: Inventory, policy: Policy, tasks: Tasks) -> None:
        self._store = store
        self._inventory = inventory
        self._policy = policy
        self._tasks = tasks
        self.swept: Counter[tuple[str, ResourceKind]] = Counter()
        """By cloud and kind, what was deleted since this process began."""
        self._last: dict[str, Mapping[str, ResourceKind]] = {}

    def counts(self) -> dict[str, dict[ResourceKind, int]]:
        """For each cloud, how many of each kind its last list showed."""
        return {cloud: dict(Counter(found.values())) for cloud, found in self._last.items()}

    async def sight(self, cloud: str, found: Mapping[str, ResourceKind]) -> None:
        """Take in what a cloud's list shows, by id; delete what is seen a second time."""
        before = self._last.get(cloud)
        self._last[cloud] = found
        if not found and before is not None and not before:
            return  # nothing to note, and nothing to forget
        confirmed = await self._store.pools.sight_orphans(
            cloud, found, again_after_s=self._policy.orphan_gap_s
        )
        for cloud_id in sorted(confirmed):
            name = f"{cloud}: {cloud_id}"
            if name not in self._tasks:
                _log.warning(
                    "cloud %s: deleting the %s %s, which the ledger does not have",
                    cloud,
                    found[cloud_id],
                    cloud_id,
                )
                self._tasks.begin(name, self._delete(cloud, cloud_id, found[cloud_id]))

    async def _delete(self, cloud: str, cloud_id: str, kind: ResourceKind) -> None:
        try:
            async with asyncio.timeout(self._policy.delete_deadline_s):
                await self._inventory.clouds[cloud].delete(cloud_id)
        except (CloudError, TimeoutError) as error:
            _log.warning("cloud %s: orphan %s stays: %s", cloud, cloud_id, error)
        else:
            self.swept[cloud, kind] += 1
