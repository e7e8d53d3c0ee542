"""Transactions on the ledger, and who is woken by what they tell.

Followers of a lease are woken after a commit of this process; changes of other
processes they find by looking again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from .engine import Database, Transaction


class Transactions:
    """Gives out the transactions of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followers: dict[str, set[asyncio.Event]] = defaultdict(set)

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees one state of the ledger and changes nothing."""
        return self._database.read()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end of the block; followers hear of it then."""
        async with self._database.write() as tx:
            yield tx
        for lease_id in tx.told:
            for follower in self._followers.get(lease_id, ()):
                follower.set()

    @asynccontextmanager
    async def following(self, lease_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the lease got one in this process."""
        follower = asyncio.Event()
        self._followers[lease_id].add(follower)
        try:
            yield follower
        finally:
            self._followers[lease_id].discard(follower)
            if not self._followers[lease_id]:
                del self._followers[lease_id]


class Rows:
    """Base of what is done with one kind of rows: each public method is one transaction."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
