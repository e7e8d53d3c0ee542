"""Azure as the VMM sees it.

A create is one request that Azure takes only if there is no such machine yet;
what became of it is read from lists, by this process or another. Nothing is
kept here that matters but lists and sizes a few seconds old.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from json import JSONDecodeError
from typing import Any, ClassVar, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.mgmt.compute.models import VirtualMachine
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BaseModel

from ..base import (
    Abilities,
    Cloud,
    CloudError,
    CloudMachine,
    CloudState,
    Limits,
    MachineSpec,
    OutcomeUnknown,
    Refused,
    SizeFact,
)
from . import leftovers, machines, names, optional, request, sizes
from .connection import Connection
from .errors import not_azure, told
from .options import Options

_Found = TypeVar("_Found")


class AzureCloud(Cloud):
    """Machines in one resource group of one subscription, in one region and, if told, one zone."""

    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, name: str, options: BaseModel) -> None:
        if not isinstance(options, Options):
            raise TypeError(f"the options of {name} are not those of an Azure cloud")
        self.name = name
        self.abilities = Abilities(suspend=options.hibernate, console=options.boot_diagnostics)
        self._options = options
        self._group = options.resource_group
        self._opened: Connection | None = None
        self._key = options.ssh_public_key
        self._lists: dict[str, tuple[float, list[CloudMachine]]] = {}
        self._sizes: tuple[float, dict[str, SizeFact]] | None = None
        self._writes = 0
        """Counts what may have changed a list; one that was begun before is not kept."""

    async def create(self, spec: MachineSpec) -> CloudMachine:
        """Ask for the machine, unless it is there. It is building when this returns."""
        fact = (await self.sizes()).get(spec.size.name)
        if fact is None or fact.unavailable:
            why = fact.unavailable if fact else f"region {self._options.region} has no such size"
            raise Refused(f"cloud {self.name}: size {spec.size.name!r} cannot be had: {why}")
        wanted = request.machine(spec, self._options, await self._ssh_public_key())
        async with self._asking(f"make {spec.name}", writes=True) as connection:
            try:
                poller = await connection.compute.virtual_machines.begin_create_or_update(
                    self._group,
                    spec.name,
                    wanted,
                    etag="*",
                    match_condition=MatchConditions.IfMissing,
                    polling=False,
                )
                made: VirtualMachine = await poller.result()
            except HttpResponseError as error:
                if error.status_code != 412:
                    raise
            else:
                return machines.machine(made, (), None)
        return await self._existing(spec)

    async def list_owned(self, owner: str) -> list[CloudMachine]:
        """Every machine of the owner, and what is left of those that are gone."""
        now = time.monotonic()
        if owner in self._lists and now - self._lists[owner][0] < self._options.list_every_s:
            return list(self._lists[owner][1])
        writes = self._writes
        async with self._asking("list the machines", writes=False) as connection:
            seen = await self._seen(connection)
        found = machines.owned(seen, owner)
        if writes == self._writes:
            self._lists[owner] = (now, found)
        return list(found)

    async def delete(self, machine_id: str) -> None:
        """Delete the machine, wait until it is gone, then see that nothing of it is left."""
        if (side := names.parse_side(machine_id)) is not None:
            await self._delete_side(*side)
        if not names.is_name(machine_id):
            return
        end = time.monotonic() + self._options.delete_timeout_s
        async with self._asking(f"delete {machine_id}", writes=True) as connection:
            if (found := await self._get(connection, machine_id)) is not None:
                if (found.tags or {}).get(names.MACHINE) != machine_id:
                    raise Refused(
                        f"cloud {self.name}: {machine_id} in {self._group} was not made by a VMM "
                        f"(it has no tag {names.MACHINE}): use a resource group of its own"
                    )
                await self._begin_delete(connection, machine_id, found)
            while await self._get(connection, machine_id) is not None:
                await self._pause(machine_id, end)
            if await leftovers.of(machine_id, connection, self._options):
                await self._pause(machine_id, end)  # Azure deletes it with the machine
            while left := await leftovers.of(machine_id, connection, self._options):
                await leftovers.begin_delete(left, connection, self._options)
                await self._pause(machine_id, end)

    async def suspend(self, machine_id: str) -> None:
        """Hibernate: memory goes to the disk, which must be able to hold it, and the CPUs back."""
        if not self.abilities.suspend:
            await super().suspend(machine_id)
        await self._turn("suspend", machine_id)

    async def resume(self, machine_id: str) -> None:
        """Start it from what it hibernated with. Azure may have no room for it now."""
        if not self.abilities.suspend:
            await super().resume(machine_id)
        await self._turn("resume", machine_id)

    async def console(self, machine_id: str) -> str:
        """The serial console, from Azure's boot diagnostics."""
        if not self.abilities.console:
            await super().console(machine_id)
        async with self._asking(f"read the console of {machine_id}", writes=False) as connection:
            optional.known(await self._named(connection, machine_id), machine_id, self.name)
            return await optional.console(self.name, self._group, machine_id, connection)

    async def sizes(self) -> dict[str, SizeFact]:
        """The sizes of the region, asked anew when what is known is old."""
        now = time.monotonic()
        if self._sizes is None or now - self._sizes[0] >= self._options.sizes_every_s:
            region = self._options.region
            async with self._asking("list the sizes", writes=False) as connection:
                compute = connection.compute
                usages = [each async for each in compute.usage.list(region)]
                skus = [
                    each
                    async for each in compute.resource_skus.list(filter=f"location eq '{region}'")
                ]
            self._sizes = (now, sizes.facts(skus, usages, self._options))
        return dict(self._sizes[1])

    async def limits(self) -> Limits:
        """The subscription's quota in the region."""
        async with self._asking("read the quota", writes=False) as connection:
            usage = connection.compute.usage
            return sizes.limits([each async for each in usage.list(self._options.region)])

    async def close(self) -> None:
        """Close the connections; a later call opens them again."""
        connection, self._opened = self._opened, None
        if connection is not None:
            await connection.close()

    @asynccontextmanager
    async def _asking(self, doing: str, *, writes: bool) -> AsyncIterator[Connection]:
        """The connection; what goes wrong comes out as one of the six errors."""
        if self._opened is None:
            self._opened = Connection(self._options)
        if writes:
            self._changed()
        try:
            yield self._opened
        except AzureError as error:
            raise told(error, cloud=self.name, doing=doing, writes=writes) from error
        except JSONDecodeError as error:  # the SDK lets it through
            raise not_azure(cloud=self.name, doing=doing, writes=writes) from error
        finally:
            if writes:
                self._changed()

    def _changed(self) -> None:
        self._writes += 1
        self._lists.clear()

    async def _existing(self, spec: MachineSpec) -> CloudMachine:
        """The machine that an earlier create made."""
        try:
            async with self._asking(f"look up {spec.name}", writes=False) as connection:
                found = await self._get(connection, spec.name, expand="instanceView")
        except CloudError as error:  # whatever it is, the machine is there
            raise OutcomeUnknown(str(error)) from error
        if found is None:
            raise OutcomeUnknown(
                f"cloud {self.name}: {spec.name} was there and is gone: it is looked up"
            )
        if (found.tags or {}).get(names.OWNER) != spec.owner:
            raise Refused(
                f"cloud {self.name}: {self._group} has a machine {spec.name} of somebody else: "
                f"use a resource group of its own"
            )
        return machines.machine(found, machines.states(found), None)

    async def _seen(self, connection: Connection) -> machines.Seen:
        """All lists. Sides come first: whose machine is not in the later list is left over."""
        compute = connection.compute
        seen = await leftovers.sides(connection, self._options)
        listed = [each async for each in compute.virtual_machines.list(self._group)]
        statuses = [each async for each in compute.virtual_machines.list_all(status_only="true")]
        return replace(seen, machines=listed, statuses=statuses)

    async def _get(self, connection: Connection, name: str, **how: Any) -> VirtualMachine | None:
        return await _unless_gone(
            lambda: connection.compute.virtual_machines.get(self._group, name, **how)
        )

    async def _named(self, connection: Connection, name: str, **how: Any) -> VirtualMachine | None:
        """The same of any text, which may be no name."""
        return await self._get(connection, name, **how) if names.is_name(name) else None

    async def _turn(self, wish: optional.Wish, name: str) -> None:
        end = time.monotonic() + self._options.delete_timeout_s
        async with self._asking(f"{wish} {name}", writes=True) as connection:
            if await optional.is_to_do(
                wish,
                name,
                self.name,
                lambda: self._named(connection, name, expand="instanceView"),
                lambda: self._pause(name, end, "done with what it is at"),
            ):
                compute = connection.compute.virtual_machines
                if wish == "suspend":
                    await compute.begin_deallocate(self._group, name, hibernate=True, polling=False)
                else:
                    await compute.begin_start(self._group, name, polling=False)

    async def _delete_side(self, what: str, name: str) -> None:
        """Delete what is left of a machine, and wait until it is gone."""
        end = time.monotonic() + self._options.delete_timeout_s
        async with self._asking(f"delete {name}", writes=True) as connection:
            while True:
                seen = await leftovers.sides(connection, self._options)
                machine = machines.machine_of_side(seen, what, name)
                if machine is None or await self._named(connection, machine) is not None:
                    return  # it is gone, or its machine is not
                left = machines.left(seen, machine).only(what, name)
                await leftovers.begin_delete(left, connection, self._options)
                await self._pause(name, end)

    async def _begin_delete(self, connection: Connection, name: str, found: VirtualMachine) -> None:
        if machines.machine(found, (), None).state is not CloudState.DELETING:
            await _unless_gone(
                lambda: connection.compute.virtual_machines.begin_delete(
                    self._group, name, force_deletion=self._options.force_delete, polling=False
                )
            )

    async def _pause(self, name: str, end: float, awaited: str = "gone") -> None:
        if time.monotonic() + self._options.poll_s > end:
            raise OutcomeUnknown(
                f"cloud {self.name}: {name} is not {awaited} after "
                f"{self._options.delete_timeout_s:g} s: it is looked at again"
            )
        await asyncio.sleep(self._options.poll_s)

    async def _ssh_public_key(self) -> str:
        """The operator's key, or one whose private half nobody has: Azure wants one."""
        if self._key is None:
            self._key = await asyncio.to_thread(_lost_key)
        return self._key


async def _unless_gone(ask: Callable[[], Awaitable[_Found]]) -> _Found | None:
    """What was asked for, or None if Azure says that there is no such machine."""
    try:
        return await ask()
    except HttpResponseError as error:
        code = error.error.code if error.error else None
        if error.status_code == 404 and code in ("ResourceNotFound", "NotFound"):
            return None
        raise


def _lost_key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=3072).public_key()
    return made.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode()
