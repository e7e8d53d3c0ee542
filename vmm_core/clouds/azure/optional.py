"""What a machine may do beside coming and going: hibernate, go on, show its console.

Azure takes the request and does it in minutes; meanwhile the machine is
*updating*, and another wish would be refused. So a wish waits for the end of
another one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from azure.mgmt.compute.models import VirtualMachine

from ..base import CONSOLE_BYTES, CloudState, Refused, Unreachable, console_end
from . import machines, names
from .connection import Connection

Wish = Literal["suspend", "resume"]

_ON_THE_WAY = {"suspend": "deallocating", "resume": "starting"}
_DONE = {
    "suspend": ("suspended", CloudState.SUSPENDED),
    "resume": ("resumed", CloudState.RUNNING),
}


def known(found: VirtualMachine | None, name: str, cloud: str) -> VirtualMachine:
    """The machine, if it is there and a VMM's.

    Raises:
        Refused: it is not.
    """
    if found is None or (found.tags or {}).get(names.MACHINE) != name:
        raise Refused(f"cloud {cloud} has no machine {name}: look at its list")
    return found


async def is_to_do(
    wish: Wish,
    name: str,
    cloud: str,
    look: Callable[[], Awaitable[VirtualMachine | None]],
    pause: Callable[[], Awaitable[None]],
) -> bool:
    """Whether Azure must be asked for it: it is not so yet, nor on its way.

    Args:
        wish: what is wished.
        name: the machine's.
        cloud: the cloud's name in the catalogue.
        look: the machine with its instance view.
        pause: waits until the next look; raises when it has been long enough.

    Raises:
        Refused: the machine is not there, or neither runs nor is suspended.
    """
    while True:
        found = known(await look(), name, cloud)
        statuses = machines.states(found)
        state = machines.state_of(found, statuses)
        if state not in (CloudState.RUNNING, CloudState.SUSPENDED):
            raise Refused(
                f"cloud {cloud}: machine {name} cannot be {_DONE[wish][0]}, it is {state}: "
                "wait until it runs, or delete it"
            )
        power = machines.power_of(statuses)
        if power == _ON_THE_WAY[wish]:
            return False
        if power not in _ON_THE_WAY.values():
            return state is not _DONE[wish][1]
        await pause()


async def console(cloud: str, group: str, name: str, connection: Connection) -> str:
    """What Azure keeps of the machine's serial console; empty if it has nothing yet.

    Raises:
        Unreachable: the storage that has it does not give it.
    """
    kept = await connection.compute.virtual_machines.retrieve_boot_diagnostics_data(group, name)
    if not kept.serial_console_log_blob_uri:
        return ""
    status, end = await connection.end_of(kept.serial_console_log_blob_uri, CONSOLE_BYTES + 1)
    if status == 404:
        return ""
    if status != 200:
        raise Unreachable(
            f"cloud {cloud} cannot read the console of {name}: Azure's storage answers {status} "
            "where it is kept; trying again later"
        )
    return console_end(end)
