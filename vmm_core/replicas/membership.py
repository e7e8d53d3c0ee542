"""Says in the ledger that this process lives, and notices processes that do not any more.

A replica that is not seen for :data:`GONE_S` loses what it had to the ledger: its
machines' agents count as lost since then, its pools are free. Should it live
after all (it was stopped, or its database did not answer), it joins again and
takes back the agents that are still connected to it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable

from ..errors import Unavailable
from ..store import Store

log = logging.getLogger(__name__)

BEAT_S = 2.0
GONE_S = 6.0
SKEW_S = 2.0
"""Clocks that differ more than this from the database's are refused at start."""
SWEEP_BEATS = 15
"""At each so many beats, machines are looked for whose replica has no row at all."""


def new_id() -> str:
    """A name for a process: the host's, for people, and something random."""
    return f"{socket.gethostname()[:40]}-{secrets.token_hex(6)}"


class Membership:
    """This process among the replicas."""

    def __init__(
        self,
        store: Store,
        replica_id: str,
        url: str,
        *,
        on_return: Callable[[], Awaitable[None]],
        on_gone: Callable[[], None],
    ) -> None:
        """Wire the parts.

        Args:
            store: the ledger.
            replica_id: who we are.
            url: where the others reach us.
            on_return: we were thought gone, and are back.
            on_gone: another one is gone: what it had is free.
        """
        self._store = store
        self._id = replica_id
        self._url = url
        self._on_return = on_return
        self._on_gone = on_gone
        self._beats = 0
        self.others = 0
        """How many other replicas run."""

    async def join(self) -> None:
        """Be one of the replicas.

        Raises:
            Unavailable: this host's clock is wrong.
        """
        ahead_s = await self._store.replicas.join(self._id, self._url, gone_s=GONE_S)
        if abs(ahead_s) > SKEW_S:
            await self._store.replicas.leave(self._id)
            raise Unavailable(
                f"the clock of this host differs by {ahead_s:+.1f} s from the database's, and "
                "replicas go by the time: set it (NTP), then start again"
            )
        log.info("replica %s joined, reached by others at %s", self._id, self._url)

    async def run(self) -> None:
        """Say that we live until cancelled."""
        silent = False
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self.beat()
                silent = False
            except Exception as error:  # the database may be away for a while
                if not silent:
                    log.warning("replica %s cannot say that it lives: %s", self._id, error)
                silent = True

    async def beat(self) -> None:
        """Say once that we live, and see who does not."""
        beat = await self._store.replicas.beat(self._id, self._url, gone_s=GONE_S)
        self.others = beat.others
        self._beats += 1
        if self._beats % SWEEP_BEATS == 0:
            await self._store.replicas.sweep()
        for gone in beat.buried:
            log.warning("replica %s is gone: its pools are free, its agents come here", gone)
        if beat.buried:
            self._on_gone()
        if not beat.known:
            log.warning("replica %s was thought gone; it is back", self._id)
            await self._on_return()

    async def leave(self) -> None:
        """Be none of the replicas any more; what we had is free at once."""
        try:
            await self._store.replicas.leave(self._id)
        except Exception as error:  # then the others notice in GONE_S
            log.warning("replica %s could not say that it leaves: %s", self._id, error)
