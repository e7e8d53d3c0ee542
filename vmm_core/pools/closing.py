"""Ends all leases and deletes every machine, for a service that goes for good."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from ..clouds.base import CloudError
from ..model import MachineState as S
from ..store import Store
from .effects import Effects
from .held import Held
from .inventory import Inventory
from .survey import Survey

_log = logging.getLogger(__name__)

_LOOK_S = 0.2


async def close_down(
    store: Store,
    inventory: Inventory,
    survey: Survey,
    effects: Effects,
    held: Held,
    timeout_s: float,
) -> list[str]:
    """Do it, when no manager steps any more.

    Sessions are ended first, so that what they hold can be sent; what is not
    sent by then is lost, and said. Returns the names of what is left at the clouds.
    """
    for lease in await store.leases.all():
        settled = await store.leases.binding(lease.id) is None
        await store.leases.end(lease.id, "the service was shut down", settled=settled)
    end = asyncio.get_running_loop().time() + timeout_s
    await held.end_all(await store.machines.all(), timeout_s / 2)
    for machine in await store.machines.all():
        if machine.holding:
            _log.error("machine %s is deleted with %s", machine.id, machine.holding)
    while True:
        for row in (await store.stock()).machines:
            await store.machines.move(row.id, S.DELETING, reason="shut down")
            effects.delete(row)
        left = await _left(store, inventory, survey)
        if not left or asyncio.get_running_loop().time() >= end:
            return left
        await asyncio.sleep(_LOOK_S)


async def _left(store: Store, inventory: Inventory, survey: Survey) -> list[str]:
    """Names of what is at a cloud and ours; what is not in the ledger goes now."""
    left = {machine.id for machine in (await store.stock()).machines}
    known = set(left)
    for name, listed in (await survey.lists()).items():
        for seen in listed:
            left.add(seen.name)
            if (seen.of or seen.name) not in known:
                with suppress(CloudError):
                    await inventory.clouds[name].delete(seen.id)
    return sorted(left)
