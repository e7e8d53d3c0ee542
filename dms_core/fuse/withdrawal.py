"""Takes from the kernel what the user may no longer read: pages of files that are open.

The kernel asks for a file's attributes before it serves its pages to ``read``,
so those end by themselves. A memory map is not asked for again once its pages
are there: here the open files on a permit are looked up regularly, and the
pages of one that is refused are dropped. The next access to the map then fails
(SIGBUS) as a read does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from .. import errors
from ..cache.cached import Cached

log = logging.getLogger(__name__)

CHECK_S = 5.0
"""How often open files are looked up."""
_AT_ONCE = 16


class Withdrawal:
    """The regular look at what is open.

    Args:
        cached: what the service says, remembered for a moment.
        permitted: paths of the open files whose reading may be withdrawn.
        forget_pages: has the kernel drop a file's pages; blocks.
    """

    def __init__(
        self,
        cached: Cached,
        permitted: Callable[[], set[str]],
        forget_pages: Callable[[str], None],
    ) -> None:
        self._cached = cached
        self._permitted = permitted
        self._forget_pages = forget_pages
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._withdrawn: set[str] = set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(CHECK_S)
            paths = self._permitted()
            self._withdrawn &= paths
            await asyncio.gather(*map(self._look, paths))

    async def _look(self, path: str) -> None:
        async with self._at_once:
            try:
                await self._cached.lookup(path)
                self._withdrawn.discard(path)
            except errors.DmsError as error:
                if path not in self._withdrawn:
                    log.info("the pages of %s are dropped: %s", path, error)
                self._withdrawn.add(path)
                await asyncio.to_thread(self._forget_pages, path)
