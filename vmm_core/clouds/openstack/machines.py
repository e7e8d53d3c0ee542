"""What a server, or a port without one, is as a machine. Pure.

The machine's id is ``OWNER/NAME``, known before anything is made and the same
for server and port. Ownership is one mark, a hash of the installation and the
cloud's name in the catalogue: the server's tag and the port's description,
which both services filter by.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from openstack.compute.v2.server import Server
from openstack.network.v2.port import Port

from ..base import CloudMachine, CloudState, MachineSpec, ResourceKind

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
"""What a machine may be called: it becomes a host name."""

USER_DATA_MOST = 65535
"""Bytes of base64 that Nova takes."""

PORT_ALONE_S = 180
"""A port without a server may be one whose server is being made, for so long."""

_PORT = "#port"
_ISOLATION = "virtual machine of OpenStack"
_STATES = {
    "BUILD": CloudState.BUILDING,
    "REBUILD": CloudState.BUILDING,
    "ERROR": CloudState.FAILED,
    "DELETED": CloudState.DELETING,
    "SOFT_DELETED": CloudState.DELETING,
    "SHUTOFF": CloudState.STOPPED,
    "STOPPED": CloudState.STOPPED,
    "PAUSED": CloudState.STOPPED,
    "SUSPENDED": CloudState.SUSPENDED,
    "SHELVED": CloudState.STOPPED,
    "SHELVED_OFFLOADED": CloudState.STOPPED,
}


def mark(owner: str, cloud: str) -> str:
    """Names whose something is; fits a server's tag (60 characters)."""
    return "vmm-" + hashlib.sha256(f"{owner}\0{cloud}".encode()).hexdigest()[:40]


def machine_id(owner: str, name: str) -> str:
    """The id of a machine."""
    return f"{owner}/{name}"


def parse_id(text: str) -> tuple[str, str, bool] | None:
    """Owner, name and whether just a port is meant; None if it is no id of ours."""
    owner, slash, name = text.rpartition("/")
    bare = name.removesuffix(_PORT)
    return (owner, bare, bare != name) if slash and NAME.fullmatch(bare) else None


def metadata(spec: MachineSpec, cloud: str) -> dict[str, str]:
    """What is written on the server for people and for :func:`machine_of`."""
    facts = {
        "vmm-owner": spec.owner,
        "vmm-cloud": cloud,
        "vmm-machine": spec.name,
        "vmm-ports": json.dumps(spec.ports),
        **{f"vmm-{key}": value for key, value in spec.tags.items()},
    }
    return {key: value[:255] for key, value in facts.items()}


def state_of(server: Server) -> CloudState:
    """The state of a server; what is not about its life counts as running."""
    if server.task_state == "deleting":
        return CloudState.DELETING
    return _STATES.get(server.status or "BUILD", CloudState.RUNNING)


def no_capacity(server: Server) -> bool:
    """Whether the scheduler found no host with room for it."""
    return server.status == "ERROR" and "No valid host" in fault_of(server)


def fault_of(server: Server) -> str:
    """Nova's sentence on a server in ERROR."""
    fault = server.fault or {}
    return str(fault.get("message") or "no reason is given")


def machine_of(server: Server, owner: str) -> CloudMachine:
    """The machine of a server."""
    state = state_of(server)
    reason = ""
    if state is CloudState.FAILED:
        reason = f"OpenStack could not make server {server.id}: {fault_of(server)}"
    running = state is CloudState.RUNNING
    ports = _ports(server.metadata or {})
    return CloudMachine(
        id=machine_id(owner, server.name),
        name=server.name,
        state=state,
        address=address_of(server.addresses or {}) if running else None,
        ports={port: port for port in ports} if running else {},
        isolation=_ISOLATION,
        reason=reason,
    )


def address_of(addresses: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    """The address to dial: a fixed one, of version 4 if there is one."""
    fixed = [
        (int(each["version"]), str(each["addr"]))
        for network in addresses.values()
        for each in network
        if each.get("OS-EXT-IPS:type", "fixed") == "fixed"
    ]
    return min(fixed)[1] if fixed else None


def machine_of_port(port: Port, owner: str, now: datetime) -> CloudMachine:
    """The machine of a port that has no server: one to come, or what is left of one."""
    alone_since = _time(port.created_at)
    if now - alone_since < timedelta(seconds=PORT_ALONE_S):
        return CloudMachine(
            id=machine_id(owner, port.name), name=port.name, state=CloudState.BUILDING
        )
    return CloudMachine(  # under a name of its own: the machine itself is missing
        id=machine_id(owner, port.name) + _PORT,
        name=port.name + _PORT,
        state=CloudState.FAILED,
        reason=f"only its port {port.id} is left",
        kind=ResourceKind.PORT,
        of=port.name,
    )


def all_machines(
    servers: Sequence[Server], ports: Sequence[Port], owner: str, now: datetime
) -> list[CloudMachine]:
    """The machines of these servers, and of the ports that have none."""
    named = {server.name for server in servers}
    lone = [port for port in ports if port.name not in named]
    return [
        *(machine_of(server, owner) for server in servers),
        *(machine_of_port(port, owner, now) for port in lone),
    ]


def _ports(metadata: Mapping[str, str]) -> tuple[int, ...]:
    try:
        return tuple(int(port) for port in json.loads(metadata.get("vmm-ports", "[]")))
    except (ValueError, TypeError):  # somebody else changed it
        return ()


def _time(text: str | None) -> datetime:
    """OpenStack's time of day, which is UTC whether it says so or not."""
    if not text:
        return datetime.fromtimestamp(0, UTC)
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)
