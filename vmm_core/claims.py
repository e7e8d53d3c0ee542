"""The clerk: requests that arrive together are answered by one transaction of the ledger.

While one batch is decided, the next one gathers: nobody waits for a timer, and the more
come at once the less each costs. Their order in a batch is the fair order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from .allocation.rules import Rules
from .errors import Unavailable
from .store import Store
from .store.claims import Asked, Request

MOST = 500
"""Requests of one transaction, so that other replicas have their turn."""

BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a request can meet that no check foresaw."""

_Answer = asyncio.Future[Asked]


class Clerk:
    """Answers the requests of this process."""

    def __init__(self, store: Store, rules: Callable[[], Rules]) -> None:
        """``rules`` gives those of now."""
        self._store = store
        self._rules = rules
        self._pending: list[tuple[Request, _Answer]] = []
        self._working: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Asked:
        """The lease of a request. It is made also if the caller does not wait for it.

        Raises:
            Impossible: no pool can ever serve it.
            LimitReached: the owner has as much as the owner may have.
        """
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._pending.append((request, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await answer

    async def close(self) -> None:
        """Stop; who waits for an answer is told. A batch that is decided may have been written."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait({self._working})

    async def _work(self) -> None:
        try:
            while self._pending:
                await self._gather()
                batch, self._pending = self._pending[:MOST], self._pending[MOST:]
                await self._decide(batch)
        finally:
            self._working = None
            for _, answer in self._pending:  # the service stops
                _settle(answer, Unavailable("the service stops: ask again in a moment"))
            self._pending.clear()

    async def _gather(self) -> None:
        """Return when no more requests come in with those that are there."""
        there = 0
        while there < len(self._pending) < MOST:
            there = len(self._pending)
            await asyncio.sleep(0)  # others that are read from their connections at this moment

    async def _decide(self, batch: list[tuple[Request, _Answer]]) -> None:
        stopped = Unavailable("the service stopped while it decided: ask again with the same key")
        told: Sequence[Asked | Exception] = [stopped] * len(batch)
        try:
            told = await self._store.leases.answer([each for each, _ in batch], self._rules())
        except BUGS as error:
            if len(batch) > 1:  # one of them met it, and the others are to have their answers
                for one in batch:
                    await self._decide([one])
            told = [error] * len(batch)
        except Exception as error:  # the ledger is away: it is each one's answer
            told = [error] * len(batch)
        finally:
            for (_, answer), what in zip(batch, told, strict=True):
                _settle(answer, what)


def _settle(answer: _Answer, what: Asked | Exception) -> None:
    if answer.done():  # its caller went away
        return
    if isinstance(what, Exception):
        answer.set_exception(what)
    else:
        answer.set_result(what)
