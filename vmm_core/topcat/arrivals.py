"""Whose a machine is that TopCAT acquired: its agent says who was let in over SSH."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable

from ..agent.protocol import Person
from ..model import LeaseState, MachineState, Role
from ..store import Store
from ..store.records import Actor
from ..store.topcat import TopcatRows
from .options import NOBODY_YET, TopcatOptions

log = logging.getLogger(__name__)

_FREE = (MachineState.PROVISIONED, MachineState.VACANT)


class Arrivals:
    """Writes into the ledger who is on TopCAT's machines.

    Args:
        store: the ledger.
        options: whose leases are TopCAT's.
    """

    def __init__(self, store: Store, options: TopcatOptions) -> None:
        self._store = store
        self._options = options
        self._rows = TopcatRows(store.transactions)

    async def people(self, machine_id: str, people: Iterable[Person]) -> None:
        """Everybody who is let in now; to be told the same again changes nothing."""
        lease_id = await self._store.leases.holder_of(machine_id)
        lease = await self._store.leases.get(lease_id) if lease_id else None
        if lease is None or lease.frontend != self._options.frontend:
            await self._fail(machine_id)
            return
        by = Actor(NOBODY_YET, self._options.frontend)
        for person in people:
            if person.role == "primary":
                await self._rows.hand_over(lease.id, NOBODY_YET, person.name, by)
                await self._note_session(lease.id, machine_id, person)
        others = [person.name for person in people if person.role == "secondary"]
        await self._store.members.are(lease.id, others, Role.MEMBER, by)

    async def _note_session(self, lease_id: str, machine_id: str, person: Person) -> None:
        """A session answers: so the end of its lease is told to the machine, too."""
        digest = hashlib.sha256(f"ssh {person.account}".encode()).hexdigest()
        lease, binding = await self._store.bindings.begin(lease_id, digest)
        if lease.state is LeaseState.ACQUIRED and binding and binding.session_sha256 == digest:
            await self._store.bindings.answers(lease_id, machine_id, self._options.ssh.desktop.port)

    async def _fail(self, machine_id: str) -> None:
        reason = "somebody was let in over SSH without a lease of TopCAT's"
        if await self._store.machines.fail(
            machine_id, reason=reason, message=reason, only_from=_FREE
        ):
            log.error("machine %s: %s", machine_id, reason)
