"""What a server may do beside coming and going: be suspended, go on, show its console.

Nova says yes and does it a moment later; meanwhile the server has a task, and
another wish would be refused. So a wish waits for the end of another task.
"""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from openstack import exceptions as exc
from openstack.compute.v2.server import Server
from openstack.connection import Connection

from ..base import CloudState, Refused, Unreachable, console_end
from .account import Account
from .facts import found
from .machines import state_of

TASK_S = 60.0
"""A server that is at something else for longer is told as such."""

POLL_S = 0.5

Wish = Literal["suspend", "resume"]

_ON_THE_WAY = {"suspend": "suspending", "resume": "resuming"}
_DONE = {
    "suspend": ("suspended", CloudState.SUSPENDED),
    "resume": ("resumed", CloudState.RUNNING),
}


async def turn(wish: Wish, server: Server, cloud: str, account: Account) -> None:
    """Ask for what is wished, unless it is so, or on its way.

    Raises:
        Refused: the server is gone, or neither runs nor is suspended.
        Unreachable: the server is at something else for too long.
        CloudError: as every call.
    """
    where = f"cloud {cloud}: server {server.name} cannot be {_DONE[wish][0]}"
    seen: Server | None = server
    end = time.monotonic() + TASK_S
    while True:
        if seen is None:
            raise Refused(f"{where}: it is gone: look at the list")
        state = state_of(seen)
        if state not in (CloudState.RUNNING, CloudState.SUSPENDED):
            raise Refused(f"{where}: it is {state}: wait until it runs, or delete it")
        if seen.task_state == _ON_THE_WAY[wish]:
            return
        if seen.task_state is None:
            break
        if time.monotonic() > end:
            raise Unreachable(
                f"{where}: it has been {seen.task_state} for {TASK_S:g} s; trying again later"
            )
        await asyncio.sleep(POLL_S)
        seen = await account.call(
            "look at a server", lambda c: found(c.compute.find_server, server.id)
        )
    if state is _DONE[wish][1]:
        return

    def ask(connection: Connection) -> None:
        compute = connection.compute
        (compute.suspend_server if wish == "suspend" else compute.resume_server)(server.id)

    await account.call(f"{wish} a server", ask, changes=True)


async def console(server: Server, account: Account) -> str:
    """The end of what the server wrote; empty if Nova has nothing, as of one without a host."""

    def read(connection: Connection) -> str:
        try:
            shown = connection.compute.get_server_console_output(server.id)
        except (exc.ConflictException, exc.NotFoundException):
            return ""
        return str(shown.get("output") or "")

    text = await account.call("read a server's console", read)
    return console_end(text.encode())
