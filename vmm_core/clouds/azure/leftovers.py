"""What comes with machines: network interfaces, public addresses, disks. Its list and its end.

Azure deletes it with the machine, most of the time; the rest is deleted here.
"""

from __future__ import annotations

from . import network
from .connection import Connection
from .machines import Seen, Sides, left
from .options import Options


async def sides(connection: Connection, options: Options) -> Seen:
    """All of the resource group; the lists of machines are left empty."""
    interfaces = await network.interfaces(connection, options)
    addresses = []
    if options.public_address:
        addresses = await network.public_addresses(connection, options)
    disks = connection.compute.disks.list_by_resource_group(options.resource_group)
    return Seen(
        interfaces=interfaces,
        addresses=addresses,
        disks=[each async for each in disks],
        public=options.public_address,
    )


async def of(machine: str, connection: Connection, options: Options) -> Sides:
    """What is there of one machine's."""
    return left(await sides(connection, options), machine)


async def begin_delete(found: Sides, connection: Connection, options: Options) -> None:
    """Begin to delete it; an address is free only once its interface is gone."""
    for interface in found.interfaces:
        await network.delete(connection, options, "networkInterfaces", interface)
    for address in () if found.interfaces else found.addresses:
        await network.delete(connection, options, "publicIPAddresses", address)
    for disk in found.disks:
        await connection.compute.disks.begin_delete(options.resource_group, disk, polling=False)
