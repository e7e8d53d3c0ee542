"""What the fake Azure has: a subscription with sizes, quota and machines, without HTTP.

Nothing depends on time: a machine is built, and goes, after it was looked at
so many times. ``deleteOption`` is honoured as Azure does it: what has none is
left behind.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from . import hardware

REGION = "uksouth"
GROUP = "daaas"


class Problem(Exception):
    """An answer other than success."""

    def __init__(
        self, status: int, code: str, message: str, *, details: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details


@dataclass
class Machine:
    """A machine and how far it is."""

    name: str
    asked: dict[str, Any]
    state: str = "Creating"
    looks: int = 0
    """How often it was looked at in this state."""
    failure: tuple[str, str] | None = None
    power: str = "starting"
    hibernated: bool = False
    console: bytes = b""
    vm_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    operation: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def size(self) -> str:
        return str(self.asked["properties"]["hardwareProfile"]["vmSize"])


@dataclass
class Side:
    """A disk, a network interface or a public address."""

    name: str
    tags: dict[str, str]
    machine: str | None
    goes_along: bool
    address: str = ""
    public: str | None = None
    """An interface's public address, by name."""


@dataclass
class Subscription:
    """The account. Everything may be set by a test."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    build_looks: int = 2
    delete_looks: int = 1
    sizes: dict[str, hardware.Size] = field(default_factory=hardware.sizes)
    cores: int = 100
    most_machines: int = 25_000
    family_cores: dict[str, int] = field(
        default_factory=lambda: {
            "standardDSv5Family": 64,
            "Standard NCASv3_T4 Family": 8,
            "StandardNCADSA100v4Family": 0,
        }
    )
    images: set[str] = field(default_factory=lambda: {"Canonical:ubuntu-24_04-lts:server:latest"})
    machines: dict[str, Machine] = field(default_factory=dict)
    disks: dict[str, Side] = field(default_factory=dict)
    interfaces: dict[str, Side] = field(default_factory=dict)
    addresses: dict[str, Side] = field(default_factory=dict)
    keep_disks: bool = False
    """Whether disks are forgotten when a machine goes, as happens."""
    disk_tags: bool = True
    """Whether a disk gets its machine's tags."""
    made: Counter[str] = field(default_factory=Counter)
    _numbers: Any = field(default_factory=lambda: itertools.count(4))

    @property
    def network(self) -> str:
        return f"/subscriptions/{self.id}/resourceGroups/{GROUP}/providers/Microsoft.Network"

    @property
    def subnet(self) -> str:
        return f"{self.network}/virtualNetworks/lab/subnets/machines"

    def put(self, name: str, asked: dict[str, Any], *, only_new: bool) -> Machine:
        """Accept a machine, or say why not."""
        if name in self.machines:
            if only_new:
                raise Problem(412, "PreconditionFailed", "The condition If-None-Match is not met.")
            raise Problem(
                409, "PropertyChangeNotAllowed", "Changing property 'osProfile' is not allowed."
            )
        self._check(asked)
        size = self._size(asked)
        self._check_quota(size)
        machine = self.machines[name] = Machine(name, asked)
        self.made[name] += 1
        if size.allocation_fails:
            zoned = "Zonal" if asked.get("zones") else ""
            machine.failure = (
                f"{zoned}AllocationFailed",
                "Allocation failed. We do not have sufficient capacity for the requested VM size.",
            )
        self._make_sides(machine)
        return machine

    def look(self, name: str) -> Machine:
        """The machine, a look further; it is not found once it is gone."""
        machine = self.machines.get(name)
        if machine is None:
            raise Problem(404, "ResourceNotFound", f"The Resource '{name}' was not found.")
        machine.looks += 1
        if machine.state == "Creating" and machine.looks > self.build_looks:
            machine.state = "Failed" if machine.failure else "Succeeded"
            machine.power = "running"
            machine.console += f"{name} login: ".encode()
        if machine.state == "Updating" and machine.looks > self.build_looks:
            machine.state = "Succeeded"
            machine.hibernated = machine.power == "deallocating"
            machine.power = "deallocated" if machine.hibernated else "running"
        if machine.state == "Deleting" and machine.looks > self.delete_looks:
            del self.machines[name]
            self._remove_sides(name)
            raise Problem(404, "ResourceNotFound", f"The Resource '{name}' was not found.")
        return machine

    def look_at_all(self) -> list[Machine]:
        """All machines, a look further."""
        found = []
        for name in list(self.machines):
            try:
                found.append(self.look(name))
            except Problem:
                continue
        return found

    def delete(self, name: str) -> bool:
        """Begin to delete; False if there is none."""
        if name not in self.machines:
            return False
        machine = self.machines[name]
        if machine.state != "Deleting":
            machine.state, machine.looks, machine.operation = "Deleting", 0, str(uuid.uuid4())
        return True

    def turn(self, name: str, power: str, *, hibernate: bool = False) -> None:
        """Begin to deallocate or to start a machine, or say why not."""
        machine = self.machines.get(name)
        if machine is None:
            raise Problem(404, "ResourceNotFound", f"The Resource '{name}' was not found.")
        able = machine.asked["properties"].get("additionalCapabilities") or {}
        if hibernate and not able.get("hibernationEnabled"):
            raise Problem(409, "OperationNotAllowed", "The VM is not enabled for hibernation.")
        if machine.state != "Succeeded":
            raise Problem(409, "Conflict", f"'{name}' is {machine.state.lower()}.")
        machine.state, machine.looks, machine.power = "Updating", 0, power

    def used_cores(self, family: str | None = None) -> int:
        sizes = [self.sizes[machine.size] for machine in self.machines.values()]
        return sum(size.cpus for size in sizes if family in (None, size.family))

    def _size(self, asked: dict[str, Any]) -> hardware.Size:
        name = asked["properties"]["hardwareProfile"]["vmSize"]
        size, zones = self.sizes.get(name), asked.get("zones") or []
        if size is None:
            raise Problem(400, "InvalidParameter", f"The value {name} for the VM size is invalid.")
        gone = size.closed or any(zone in size.closed_zones for zone in zones)
        if gone or size.capacity == 0 or not set(zones) <= set(size.zones):
            raise Problem(
                409,
                "SkuNotAvailable",
                f"The requested VM size '{name}' is currently not available in '{REGION}'.",
            )
        if size.capacity is not None:
            size.capacity -= 1
        return size

    def _check_quota(self, size: hardware.Size) -> None:
        for what, used, limit in (
            ("Total Regional Cores", self.used_cores(), self.cores),
            (
                f"{size.family} Cores",
                self.used_cores(size.family),
                self.family_cores.get(size.family, self.cores),
            ),
        ):
            if used + size.cpus > limit:
                raise Problem(
                    409,
                    "OperationNotAllowed",
                    f"Operation could not be completed as it results in exceeding approved "
                    f"{what} quota. Current Limit: {limit}, Current Usage: {used}, "
                    f"Additional Required: {size.cpus}.",
                )
        if len(self.machines) >= self.most_machines:
            raise Problem(409, "QuotaExceeded", "The quota of virtual machines is exceeded.")

    def _check(self, asked: dict[str, Any]) -> None:
        """What Azure's prose forbids and no schema does."""
        properties = asked["properties"]
        if asked["location"] != REGION:
            raise Problem(400, "LocationNotAvailableForResourceType", "There is no such location.")
        system = properties.get("osProfile") or {}
        linux = system.get("linuxConfiguration") or {}
        if not system.get("adminUsername") or not system.get("computerName"):
            raise Problem(400, "InvalidParameter", "adminUsername and computerName are required.")
        keys = (linux.get("ssh") or {}).get("publicKeys") or []
        if linux.get("disablePasswordAuthentication") and not keys:
            raise Problem(400, "InvalidParameter", "A key is required without a password.")
        home = f"/home/{system['adminUsername']}/.ssh/authorized_keys"
        if any(key.get("path") != home for key in keys):
            raise Problem(400, "InvalidParameter", f"The path of a key must be {home}.")
        try:
            data = base64.b64decode(system.get("customData") or "", validate=True)
        except binascii.Error:
            raise Problem(400, "InvalidParameter", "customData is not base64.") from None
        if len(data) > 65_535:
            raise Problem(400, "InvalidParameter", "customData is longer than 65535 bytes.")
        self._check_image(properties["storageProfile"]["imageReference"])
        network = properties["networkProfile"]
        if not network.get("networkApiVersion"):
            raise Problem(400, "InvalidParameter", "networkApiVersion is required.")
        for each in network["networkInterfaceConfigurations"]:
            for setting in each["properties"]["ipConfigurations"]:
                if setting["properties"]["subnet"]["id"].lower() != self.subnet.lower():
                    raise Problem(400, "InvalidResourceReference", "The subnet was not found.")

    def _check_image(self, image: dict[str, str]) -> None:
        parts = [image.get(part, "") for part in ("publisher", "offer", "sku", "version")]
        name = image.get("id") or ":".join(parts)
        if name not in self.images:
            code = "GalleryImageNotFound" if "id" in image else "PlatformImageNotFound"
            raise Problem(404, code, f"The image '{name}' was not found.")

    def _make_sides(self, machine: Machine) -> None:
        properties = machine.asked["properties"]
        disk = properties["storageProfile"]["osDisk"]
        tags = dict(machine.asked.get("tags") or {}) if self.disk_tags else {}
        along = disk.get("deleteOption", "Detach") == "Delete" and not self.keep_disks
        self.disks[disk["name"]] = Side(disk["name"], tags, machine.name, along)
        for each in properties["networkProfile"]["networkInterfaceConfigurations"]:
            number = next(self._numbers)
            name = f"{each['name']}-{number:08x}"  # Azure appends something of its own
            made = Side(
                name,
                dict(each.get("tags") or {}),
                machine.name,
                each["properties"].get("deleteOption", "Detach") == "Delete",
                f"10.0.{number // 250}.{number % 250 + 4}",
            )
            first = each["properties"]["ipConfigurations"][0]["properties"]
            if public := first.get("publicIPAddressConfiguration"):
                made.public = public["name"]
                self.addresses[made.public] = Side(
                    made.public,
                    dict(public.get("tags") or {}),
                    machine.name,
                    public["properties"].get("deleteOption", "Detach") == "Delete",
                    f"20.0.{number // 250}.{number % 250 + 4}",
                )
            self.interfaces[name] = made

    def _remove_sides(self, machine: str) -> None:
        for kind in (self.disks, self.interfaces, self.addresses):
            for side in [each for each in kind.values() if each.machine == machine]:
                if side.goes_along:
                    del kind[side.name]
                else:
                    side.machine = None
