"""The ledger of several processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from vmm_core.store import Store


@pytest.fixture
async def stores(url: str) -> AsyncIterator[list[Store]]:
    """Several of one database, as several processes have them."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(4):
            store = Store(url)
            await store.open()
            stack.push_async_callback(store.close)
            found.append(store)
        yield found
