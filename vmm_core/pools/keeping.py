"""Keeps failed machines for an operator to look at, with what their consoles said.

A machine's console is its own text, control characters and all: whoever shows it
escapes it.
"""

from __future__ import annotations

import asyncio
import logging

from ..clouds.base import CONSOLE_BYTES, CloudError, Refused
from ..errors import Conflict, Unavailable
from ..model import ConsoleLog
from ..model import MachineState as S
from ..store import Store
from ..store.records import MachineRow
from .inventory import Inventory
from .policy import Policy
from .tasks import Tasks

_log = logging.getLogger(__name__)


class Keeping:
    """What is done with failed machines of pools that keep some."""

    def __init__(self, store: Store, inventory: Inventory, policy: Policy, tasks: Tasks) -> None:
        self._store = store
        self._inventory = inventory
        self._policy = policy
        self._tasks = tasks

    def keep(self, machine: MachineRow) -> None:
        """Begin to hold a failed machine: its console is read, then its row is held."""
        if machine.id not in self._tasks:
            self._tasks.begin(machine.id, self._keep(machine))

    async def console(self, machine_id: str) -> ConsoleLog:
        """The console of a machine: what was kept of one that failed, else what its cloud has.

        Raises:
            NotFound: the ledger never had the machine.
            Conflict: its cloud has no consoles to read, or does not have the machine.
            Unavailable: its cloud does not answer.
        """
        machine = await self._store.machines.get(machine_id)
        kept = await self._store.machines.console(machine_id)
        if kept:
            return ConsoleLog(machine=machine_id, kept=True, text=kept)
        cloud = self._inventory.clouds.get(machine.cloud)
        if cloud is None or not cloud.abilities.console:
            raise Conflict(
                f"cloud {machine.cloud} has no consoles that can be read: look at it there"
            )
        if machine.cloud_id is None or machine.state is S.DELETED:
            raise Conflict(
                f"machine {machine_id} is not there ({machine.state}), and nothing of its console "
                "was kept: set keep_failed of its pool to have that of machines that fail"
            )
        try:
            async with asyncio.timeout(self._policy.list_deadline_s):
                text = await cloud.console(machine.cloud_id)
        except Refused as error:
            raise Conflict(f"machine {machine_id} has no console to read: {error}") from None
        except (CloudError, TimeoutError) as error:
            why = str(error) or f"{machine.cloud} did not answer in time"
            raise Unavailable(
                f"the console of {machine_id} cannot be read now: {why}: try again"
            ) from None
        return ConsoleLog(machine=machine_id, kept=False, text=text)

    async def _keep(self, machine: MachineRow) -> None:
        cloud = self._inventory.clouds[machine.cloud]
        reason, console = f"kept to be looked at: {machine.reason}", ""
        if cloud.abilities.console:
            try:
                async with asyncio.timeout(self._policy.list_deadline_s):
                    console = await cloud.console(machine.cloud_id or "")
            except Refused as error:  # it is not there any more
                _log.info("machine %s is not kept: %s", machine.id, error)
                await self._store.machines.move(
                    machine.id, S.DELETING, reason=machine.reason, only_from={S.FAILED}
                )
                return
            except (CloudError, TimeoutError) as error:
                reason += f" (its console could not be read: {error})"
        end = console.encode()[-CONSOLE_BYTES:].decode(errors="ignore")
        if await self._store.machines.keep(machine.id, reason=reason, console=end):
            _log.warning("machine %s of %s is %s", machine.id, machine.pool, reason)
