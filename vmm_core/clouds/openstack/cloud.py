"""OpenStack as the VMM sees it. Nothing that matters is kept in memory.

What Nova does after it said yes is decided in its scheduler: a server without
a host with room for it becomes ERROR a moment later. So ``create`` stays until
a host is chosen, and tells want of room as such; a machine that fails after
that has failed.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import ClassVar
from weakref import WeakValueDictionary

from openstack.compute.v2.server import Server
from openstack.network.v2.port import Port
from pydantic import BaseModel

from ..base import (
    Abilities,
    Cloud,
    CloudError,
    CloudMachine,
    Limits,
    MachineSpec,
    NoCapacity,
    OutcomeUnknown,
    Refused,
    SizeFact,
)
from . import machines, optional
from .account import Account
from .facts import Facts, found
from .options import Options

SCHEDULE_S = 45.0
"""``create`` returns by then, if Nova has not chosen a host yet."""

DELETE_S = 100.0
"""A machine that is not gone by then is told as such; ``delete`` may be called again."""

POLL_S = 0.5
"""Between two looks at a server that is on its way in or out."""


class OpenStackCloud(Cloud):
    """Machines that are servers of one project, in one availability zone."""

    Options: ClassVar[type[BaseModel]] = Options
    abilities = Abilities(suspend=True, console=True)

    def __init__(self, name: str, options: BaseModel) -> None:
        if not isinstance(options, Options):
            raise TypeError(f"the options of {name} are not those of an OpenStack cloud")
        self._name = name
        self._options = options
        self._account = Account(name, options)
        self._facts = Facts(name, options, self._account)
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, spec: MachineSpec) -> CloudMachine:
        """Make the server and its port, or find them, or go on where an attempt was cut short."""
        if not machines.NAME.fullmatch(spec.name):
            raise Refused(f"{spec.name!r} cannot be a server's name: use letters, digits, . _ -")
        async with self._making.setdefault(spec.name, asyncio.Lock()):
            servers, ports = await self._find(spec.owner, spec.name)
            if servers:
                return machines.machine_of(servers[0], spec.owner)
            request = await self._request(spec)
            try:
                server = await self._made(spec, request, ports)
                server = await self._scheduled(server)
            except OutcomeUnknown:
                raise
            except CloudError:  # it is certain that there is no server
                self._facts.forget()
                with suppress(CloudError):
                    await self._remove(spec.owner, spec.name)
                raise
            if machines.no_capacity(server):
                with suppress(CloudError):  # what is left is swept as an orphan
                    await self._remove(spec.owner, spec.name)
                raise NoCapacity(
                    f"cloud {self._name} has no room for size {spec.size.name} in zone "
                    f"{self._options.zone} ({machines.fault_of(server).rstrip('.')}): wait until "
                    f"machines are released, or use another zone or flavor"
                )
            return machines.machine_of(server, spec.owner)

    async def list_owned(self, owner: str) -> list[CloudMachine]:
        """Servers, and ports without one: two calls, however many there are."""
        servers, ports = await self._owned(owner)
        return machines.all_machines(servers, ports, owner, datetime.now(UTC))

    async def delete(self, machine_id: str) -> None:
        """Remove the server, then its port; return when neither is there."""
        parsed = machines.parse_id(machine_id)
        if parsed is not None:
            owner, name, only_port = parsed
            await self._remove(owner, name, only_port=only_port)

    async def suspend(self, machine_id: str) -> None:
        """Nova keeps the memory on the host's disk; the server's quota and place stay taken."""
        await optional.turn("suspend", await self._server(machine_id), self._name, self._account)

    async def resume(self, machine_id: str) -> None:
        """On the host where it was."""
        await optional.turn("resume", await self._server(machine_id), self._name, self._account)

    async def console(self, machine_id: str) -> str:
        """What Nova has of it: the hypervisor keeps the end only."""
        return await optional.console(await self._server(machine_id), self._account)

    async def sizes(self) -> dict[str, SizeFact]:
        """The flavors that may be used."""
        return await self._facts.sizes()

    async def limits(self) -> Limits:
        """The project's quota. Nova has none of GPUs."""
        found = await self._account.call("ask for the limits", lambda c: c.compute.get_limits())
        absolute = found.absolute
        ram_mib = _limit(absolute.total_ram)
        return Limits(
            machines=_limit(absolute.instances),
            cpus=_limit(absolute.total_cores),
            ram_gb=None if ram_mib is None else ram_mib / 1024,
        )

    async def close(self) -> None:
        """Hang up."""
        self._account.close()

    async def _owned(self, owner: str) -> tuple[list[Server], list[Port]]:
        ours = machines.mark(owner, self._name)
        return await asyncio.gather(
            self._account.call("list servers", lambda c: list(c.compute.servers(tags=ours))),
            self._account.call("list ports", lambda c: list(c.network.ports(description=ours))),
        )

    async def _find(self, owner: str, name: str) -> tuple[list[Server], list[Port]]:
        servers, ports = await self._owned(owner)
        return (
            [server for server in servers if server.name == name],
            [port for port in ports if port.name == name],
        )

    async def _server(self, machine_id: str) -> Server:
        """The server of that id.

        Raises:
            Refused: there is none.
        """
        parsed = machines.parse_id(machine_id)
        owner, name, only_port = parsed or ("", "", True)
        if not only_port:
            ours = machines.mark(owner, self._name)
            listed = await self._account.call(
                "look for a server", lambda c: list(c.compute.servers(tags=ours, name=name))
            )
            for server in listed:  # Nova takes a name for a pattern
                if server.name == name:
                    return server
        raise Refused(f"cloud {self._name} has no machine {machine_id}: look at its list")

    async def _request(self, spec: MachineSpec) -> dict[str, object]:
        """What Nova is asked for, but for the port."""
        data = base64.b64encode(spec.user_data.encode()).decode()
        if len(data) > machines.USER_DATA_MOST:
            raise Refused(
                f"the user data of {spec.name} has {len(data)} bytes as base64, more than the "
                f"{machines.USER_DATA_MOST} that OpenStack takes: shorten the environment's preload"
            )
        flavor, image = await asyncio.gather(
            self._facts.flavor(spec.size.name), self._facts.image(spec.image)
        )
        request: dict[str, object] = {
            "name": spec.name,
            "flavor_id": flavor,
            "image_id": image,
            "availability_zone": self._options.zone,
            "config_drive": self._options.config_drive,
            "metadata": machines.metadata(spec, self._name),
            "tags": [machines.mark(spec.owner, self._name)],
            "user_data": data,
        }
        if self._options.key_name is not None:
            request["key_name"] = self._options.key_name
        return request

    async def _made(
        self, spec: MachineSpec, request: dict[str, object], ports: list[Port]
    ) -> Server:
        """The server, with a port that an earlier attempt may have left."""
        ours = {"name": spec.name, "description": machines.mark(spec.owner, self._name)}
        if ports:
            port = ports[0]
        else:
            place = await self._facts.port_place()
            port = await self._account.call(
                "make a port", lambda c: c.network.create_port(**ours, **place), changes=True
            )
        try:
            return await self._account.call(
                "make a server",
                lambda c: c.compute.create_server(**request, networks=[{"port": port.id}]),
                changes=True,
            )
        except OutcomeUnknown as unknown:
            with suppress(CloudError):
                servers, _ = await self._find(spec.owner, spec.name)
                if servers:
                    return servers[0]
            raise unknown from None

    async def _scheduled(self, server: Server) -> Server:
        """The server once a host was chosen for it, or the deadline has passed."""
        seen: Server | None = server

        async def chosen() -> bool:
            nonlocal seen
            with suppress(CloudError):  # it was asked for: who cannot look now looks later
                seen = await self._account.call(
                    "look at a server", lambda c: found(c.compute.find_server, server.id)
                )
            return seen is None or bool(seen.host_id) or seen.status not in (None, "BUILD")

        await _until(chosen, SCHEDULE_S)
        return seen or server

    async def _remove(self, owner: str, name: str, *, only_port: bool = False) -> None:
        """Ask for the end of what is there, and look again, until nothing is."""
        asked: set[str] = set()

        async def gone() -> bool:
            servers, ports = await self._find(owner, name)
            if servers and only_port:
                return True  # the port has found its server
            for server in servers:
                if server.id not in asked:
                    await self._delete_server(server)
                    asked.add(server.id)
            if not servers:
                for port in ports:
                    await self._delete_port(port)
            return not servers and not ports

        if not await _until(gone, DELETE_S):
            raise OutcomeUnknown(
                f"cloud {self._name}: server {name} is still there {DELETE_S:g} s after its "
                f"deletion was asked for; asking again later"
            )

    async def _delete_server(self, server: Server) -> None:
        await self._account.call(
            "delete a server", lambda c: c.compute.delete_server(server), changes=True
        )

    async def _delete_port(self, port: Port) -> None:
        await self._account.call(
            "delete a port", lambda c: c.network.delete_port(port), changes=True
        )


def _limit(value: int | None) -> int | None:
    """A quota; OpenStack says -1 for none."""
    return None if value is None or value < 0 else int(value)


async def _until(condition: Callable[[], Awaitable[bool]], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while not await condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(POLL_S)
    return True
