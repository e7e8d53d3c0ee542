"""What the fake Azure says, as JSON: machines, statuses, sizes, usages, disks, network."""

from __future__ import annotations

import copy
from typing import Any

from .hardware import Size
from .subscription import GROUP, REGION, Machine, Problem, Side, Subscription

_TYPE = "Microsoft.Compute/virtualMachines"


def machine(account: Subscription, each: Machine, *, view: bool = False) -> dict[str, Any]:
    """A machine as it was asked for, without what is write-only."""
    asked = copy.deepcopy(each.asked)
    properties = asked["properties"]
    properties["osProfile"].pop("customData", None)
    properties["networkProfile"] = {
        "networkInterfaces": [
            {"id": interface_id(account, side), "properties": {"primary": True}}
            for side in account.interfaces.values()
            if side.machine == each.name
        ]
    }
    properties |= {"provisioningState": each.state, "vmId": each.vm_id}
    properties["timeCreated"] = "2026-11-22T10:00:00.1234567+00:00"
    if view:
        properties["instanceView"] = {"statuses": statuses(each)}
    return {
        **asked,
        "id": machine_id(account, each.name),
        "name": each.name,
        "type": _TYPE,
        "etag": '"1"',
    }


def status(account: Subscription, each: Machine) -> dict[str, Any]:
    """What the list of statuses says: no tags, and Azure writes the group in capitals."""
    return {
        "id": machine_id(account, each.name, group=GROUP.upper()),
        "name": each.name,
        "type": _TYPE,
        "location": REGION,
        "properties": {
            "provisioningState": each.state,
            "vmId": each.vm_id,
            "instanceView": {"statuses": statuses(each)},
        },
    }


def statuses(each: Machine) -> list[dict[str, Any]]:
    """The lines of an instance view."""
    if each.failure and each.state == "Failed":
        code, message = each.failure
        return [
            {
                "code": f"ProvisioningState/failed/{code}",
                "level": "Error",
                "displayStatus": "Provisioning failed",
                "message": message,
                "time": "2026-11-22T10:01:00.1234567+00:00",
            }
        ]
    built = {
        "code": f"ProvisioningState/{each.state.lower()}",
        "level": "Info",
        "displayStatus": f"Provisioning {each.state.lower()}",
    }
    power = {"code": f"PowerState/{each.power}", "level": "Info"}
    found = [built, {**power, "displayStatus": f"VM {each.power}"}]
    if each.hibernated:
        hibernated = {"code": "HibernationState/Hibernated", "level": "Info"}
        found.append({**hibernated, "displayStatus": "VM hibernated"})
    return found


def sku(size: Size) -> dict[str, Any]:
    """A size; capabilities are strings."""
    able = {"vCPUs": str(size.cpus), "MemoryGB": f"{size.ram_gb:g}", "PremiumIO": "True"}
    if size.gpus:
        able["GPUs"] = str(size.gpus)
    zones = list(size.zones)
    restrictions = []
    if size.closed:
        restrictions.append(_restriction("Location", {"locations": [REGION]}))
    if size.closed_zones:
        restrictions.append(
            _restriction("Zone", {"locations": [REGION], "zones": list(size.closed_zones)})
        )
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": size.name.removeprefix("Standard_"),
        "family": size.family,
        "locations": [REGION],
        "locationInfo": [{"location": REGION, "zones": zones, "zoneDetails": []}],
        "capabilities": [{"name": name, "value": value} for name, value in able.items()],
        "restrictions": restrictions,
    }


def disk_sku() -> dict[str, Any]:
    """The list of sizes has those of other resources as well."""
    return {
        "resourceType": "disks",
        "name": "Premium_LRS",
        "tier": "Premium",
        "size": "P4",
        "locations": [REGION],
        "locationInfo": [{"location": REGION, "zones": ["1", "2", "3"], "zoneDetails": []}],
        "capabilities": [{"name": "MaxSizeGiB", "value": "32"}],
        "restrictions": [],
    }


def usages(account: Subscription) -> list[dict[str, Any]]:
    """Quota and its use."""
    rows = [
        ("cores", "Total Regional vCPUs", account.used_cores(), account.cores),
        ("virtualMachines", "Virtual Machines", len(account.machines), account.most_machines),
    ]
    rows += [
        (family, f"{family} vCPUs", account.used_cores(family), limit)
        for family, limit in account.family_cores.items()
    ]
    return [
        {
            "unit": "Count",
            "currentValue": used,
            "limit": limit,
            "name": {"value": name, "localizedValue": shown},
        }
        for name, shown, used, limit in rows
    ]


def disk(account: Subscription, side: Side) -> dict[str, Any]:
    """A managed disk."""
    found = {
        "id": f"/subscriptions/{account.id}/resourceGroups/{GROUP}"
        f"/providers/Microsoft.Compute/disks/{side.name}",
        "name": side.name,
        "type": "Microsoft.Compute/disks",
        "location": REGION,
        "tags": side.tags,
        "sku": {"name": "StandardSSD_LRS", "tier": "Standard"},
        "properties": {
            "creationData": {"createOption": "FromImage"},
            "diskSizeGB": 30,
            "diskState": "Attached" if side.machine else "Unattached",
            "osType": "Linux",
            "provisioningState": "Succeeded",
        },
    }
    if side.machine:
        found["managedBy"] = machine_id(account, side.machine)
    return found


def interface(account: Subscription, side: Side) -> dict[str, Any]:
    """A network interface."""
    setting = {
        "primary": True,
        "privateIPAddress": side.address,
        "privateIPAllocationMethod": "Dynamic",
        "subnet": {"id": account.subnet},
        "provisioningState": "Succeeded",
    }
    if side.public:
        setting["publicIPAddress"] = {"id": f"{account.network}/publicIPAddresses/{side.public}"}
    properties = {
        "ipConfigurations": [{"name": "first", "properties": setting}],
        "primary": True,
        "provisioningState": "Succeeded",
    }
    if side.machine:
        properties["virtualMachine"] = {"id": machine_id(account, side.machine)}
    return {
        "id": interface_id(account, side),
        "name": side.name,
        "type": "Microsoft.Network/networkInterfaces",
        "location": REGION,
        "tags": side.tags,
        "properties": properties,
    }


def address(account: Subscription, side: Side) -> dict[str, Any]:
    """A public address."""
    return {
        "id": f"{account.network}/publicIPAddresses/{side.name}",
        "name": side.name,
        "type": "Microsoft.Network/publicIPAddresses",
        "location": REGION,
        "tags": side.tags,
        "sku": {"name": "Standard", "tier": "Regional"},
        "properties": {
            "ipAddress": side.address,
            "publicIPAllocationMethod": "Static",
            "provisioningState": "Succeeded",
        },
    }


def problem(error: Problem) -> dict[str, Any]:
    """An error as Resource Manager writes it."""
    found: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details:
        found["details"] = [{"code": code, "message": error.message} for code in error.details]
    return {"error": found}


def machine_id(account: Subscription, name: str, *, group: str = GROUP) -> str:
    return f"/subscriptions/{account.id}/resourceGroups/{group}/providers/{_TYPE}/{name}"


def interface_id(account: Subscription, side: Side) -> str:
    return f"{account.network}/networkInterfaces/{side.name}"


def _restriction(kind: str, info: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": kind,
        "values": [REGION],
        "restrictionInfo": info,
        "reasonCode": "NotAvailableForSubscription",
    }
