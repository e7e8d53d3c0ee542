"""Asks clouds that have not told their sizes; one that is slow keeps no step waiting."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ..errors import CatalogueError
from .inventory import Inventory
from .policy import Policy


class Asking:
    """One question at a time, beside the steps if it takes long."""

    def __init__(self, inventory: Inventory, policy: Policy) -> None:
        self._inventory = inventory
        self._policy = policy
        self._asked: asyncio.Task[None] | None = None

    async def ask(self) -> None:
        """Ask, and wait a moment for the answers."""
        if not self._inventory.silent:
            return
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._inventory.ask())
        done, _ = await asyncio.wait({self._asked}, timeout=self._policy.slow_s)
        for each in done:
            with suppress(CatalogueError):  # told in the status of the pools
                each.result()

    async def stop(self) -> None:
        """Ask no more."""
        if self._asked is not None:
            self._asked.cancel()
            await asyncio.wait({self._asked})
