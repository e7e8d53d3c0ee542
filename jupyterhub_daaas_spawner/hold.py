"""A server's hold on its lease: asked for once, given back on every path.

The request is keyed by the user and the server's name, so a hub that died in
the middle of a start, and knows nothing of it, gets the same lease when it asks
again, or finds it and gives it back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import ClassVar

from vmm_core.client import VmmClient
from vmm_core.errors import NotFound, Unavailable, VmmError
from vmm_core.model import Lease, LeaseState, Needs

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
LAST_RETRY_S = 24 * 3600.0
"""How long a lease is offered back to a VMM that does not answer."""


class Hold:
    """The lease of one server, or none.

    Args:
        connect: makes a client of the VMM.
        owner: the user, as the hub names them.
        server: the server's name; "" is the default one.
        log: where an operator reads what went wrong.
    """

    _returning: ClassVar[set[asyncio.Task[None]]] = set()

    def __init__(
        self,
        connect: Callable[[], VmmClient],
        owner: str,
        server: str,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self.lease_id: str | None = None
        self._connect = connect
        self._owner = owner
        self._key = f"{owner}/{server}"
        self._log = log
        self._asking: asyncio.Task[Lease] | None = None
        self._complained = False

    @property
    def begun(self) -> bool:
        """Whether there may be something to give back."""
        return self.lease_id is not None or self._asking is not None

    def forget(self) -> None:
        """Have no lease any more; nothing is given back."""
        self.lease_id = None
        self._asking = None

    async def acquire(self, needs: Needs, groups: Sequence[str] = ()) -> Lease:
        """Ask for a lease. Being cancelled does not lose it: :meth:`give_back` still finds it.

        ``groups`` are those that the user is in.
        """
        self._asking = asyncio.create_task(self._acquire(needs, groups))
        try:
            return await asyncio.shield(self._asking)
        except Unavailable:
            raise  # it may have been granted all the same
        except VmmError:
            self._asking = None
            raise

    async def _acquire(self, needs: Needs, groups: Sequence[str]) -> Lease:
        async with self._connect() as vmm:
            ask = partial(vmm.acquire, needs, owner=self._owner, groups=groups, key=self._key)
            lease = await ask()
            if lease.needs != needs:  # left by a start that the hub did not survive
                await vmm.release(lease.id)
                lease = await ask()
        self.lease_id = lease.id
        return lease

    async def lost(self) -> bool:
        """Whether the VMM says that the lease is over. No answer is no such word."""
        if self.lease_id is None:
            return True
        try:
            async with self._connect() as vmm:
                lease = await vmm.lease(self.lease_id)
        except NotFound:
            return True
        except VmmError as error:
            if not self._complained:
                self._log.warning("Cannot ask after the lease of %s: %s", self._key, error)
            self._complained = True
            return False
        self._complained = False
        return lease.state not in (LeaseState.WAITING, LeaseState.ACQUIRED)

    async def give_back(self) -> None:
        """Release the lease, also one whose request was cut off.

        Returns when the VMM knows, or when it cannot be reached: then it is told
        in the background as soon as it can be.
        """
        lease_id, asking = self.lease_id, self._asking
        if asking is not None:
            await asyncio.wait({asking})  # it ends: every call of the client has a deadline
            lease_id = self.lease_id
        self.forget()
        try:
            await self._release(lease_id)
        except Unavailable as error:
            self._log.warning("The lease of %s is given back later: %s", self._key, error)
            task = asyncio.create_task(self._release_later(lease_id))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)
        except VmmError:
            self._log.exception("The lease of %s was not given back", self._key)

    async def give_back_leftover(self) -> None:
        """Release what an earlier hub asked for under the same name and forgot."""
        try:
            await self._release(None)
        except VmmError as error:
            self._log.warning("Cannot look for a forgotten lease of %s: %s", self._key, error)

    async def _release(self, lease_id: str | None) -> None:
        """Release this lease, or with None whatever has the key."""
        async with self._connect() as vmm:
            if lease_id is not None:
                lease_ids = [lease_id]
            else:
                leases = await vmm.leases(self._owner)
                lease_ids = [lease.id for lease in leases if lease.key == self._key]
            for each in lease_ids:
                with suppress(NotFound):
                    await vmm.release(each)

    async def _release_later(self, lease_id: str | None) -> None:
        if lease_id is None:
            return None  # never answered, and a later start of the same name finds it by its key
        pause_s, waited_s = FIRST_RETRY_S, 0.0
        while waited_s < LAST_RETRY_S:
            await asyncio.sleep(pause_s)
            waited_s += pause_s
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)
            with suppress(Unavailable):
                return await self._release(lease_id)
        self._log.error("The lease %s of %s was never given back", lease_id, self._key)
        return None
