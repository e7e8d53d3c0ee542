"""What a machine's folder says of it, as the VMM is told."""

from __future__ import annotations

from ..base import CloudMachine, CloudState
from . import network
from .folder import Folder

START_S = 30
"""``create`` returns by then, with a machine that is still building if need be."""

_DIED = "its supervisor died: see who killed it, or whether memory ran out, in the host's log"


def machine_of(folder: Folder) -> CloudMachine:
    """The machine of that folder."""
    status = folder.status()
    alive = folder.supervisor() is not None
    state, reason = CloudState.BUILDING, ""
    if folder.deleting:
        state = CloudState.DELETING
    elif status is not None and status.state == "failed":
        state, reason = CloudState.FAILED, status.reason
    elif not alive and (status is not None or folder.age_s > START_S):
        state, reason = CloudState.FAILED, _DIED
    elif status is not None and status.state == "running":
        state = CloudState.SUSPENDED if folder.suspended else CloudState.RUNNING
    return CloudMachine(
        id=folder.name,
        name=folder.name,
        state=state,
        address=network.LOOPBACK if state is CloudState.RUNNING else None,
        ports=status.ports if status and state is CloudState.RUNNING else {},
        isolation=status.isolation if status else "",
        reason=reason,
    )
