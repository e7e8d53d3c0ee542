"""What is done with what managers remember of pools; each method is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .queries import pools
from .records import Backoff
from .transactions import Rows


class PoolRows(Rows):
    """Who works a pool, backoffs, orphans that were seen."""

    async def lock(self, names: Collection[str], holder: str, for_s: float) -> set[str]:
        """Take or keep the pools that no other holder has now; the names of those held."""
        async with self._transactions.write() as tx:
            return await pools.lock(tx, names, holder, for_s)

    async def unlock(self, holder: str) -> None:
        """Let go of all pools of a holder."""
        async with self._transactions.write() as tx:
            await pools.unlock(tx, holder)

    async def backoff(self, pool: str) -> Backoff | None:
        """What is remembered of a pool's failures."""
        return (await self.backoffs()).get(pool)

    async def backoffs(self) -> dict[str, Backoff]:
        """What is remembered of all pools' failures, also of pauses that are over."""
        async with self._transactions.read() as tx:
            return await pools.backoffs(tx)

    async def back_off(self, backoff: Backoff) -> None:
        """Remember that a pool creates nothing for a while."""
        async with self._transactions.write() as tx:
            await pools.back_off(tx, backoff)

    async def resume(self, pool: str) -> None:
        """Forget a pool's backoff."""
        async with self._transactions.write() as tx:
            await pools.resume(tx, pool)

    async def sight_orphans(
        self, cloud: str, found: Mapping[str, str], *, again_after_s: float
    ) -> set[str]:
        """Note the orphans a cloud shows, by id with their kind.

        Returns the ids of those that were first seen at least ``again_after_s`` ago.
        """
        async with self._transactions.write() as tx:
            return await pools.sight(tx, cloud, found, again_after_s)
