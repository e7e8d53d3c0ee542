"""The operations of Azure that the fake serves, and what each may take and give."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from azure.mgmt.compute import models

_SUBSCRIPTION = "/subscriptions/{subscriptionId}"
_GROUP = f"{_SUBSCRIPTION}/resourceGroups/{{resourceGroupName}}"
_COMPUTE = "providers/Microsoft.Compute"
_NETWORK = "providers/Microsoft.Network"


@dataclass(frozen=True)
class Operation:
    """One operation; ``None`` for a body that the SDK has no model of, or that there is not."""

    name: str
    method: str
    path: str
    """As OpenAPI writes it."""
    version: str
    """The version of the API that the installed SDK or our own request asks for."""
    takes: Any = None
    gives: Any = None
    pages: bool = False
    """Whether the answer is a page of ``gives``."""
    statuses: tuple[int, ...] = (200,)
    query: frozenset[str] = field(default_factory=frozenset)
    """Parameters beside ``api-version``."""

    def match(self, method: str, path: str) -> re.Match[str] | None:
        """The parts of a path that is this operation's."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        return re.fullmatch(pattern, path, re.I) if method == self.method else None


_COMPUTE_RP, _DISK_RP, _SKUS, _NETWORK_RP = "2026-04-01", "2026-03-02", "2021-07-01", "2023-04-01"
_VM = f"{_GROUP}/{_COMPUTE}/virtualMachines/{{vmName}}"

OPERATIONS = (
    Operation(
        *("put machine", "PUT", _VM, _COMPUTE_RP, models.VirtualMachine, models.VirtualMachine),
        statuses=(200, 201),
    ),
    Operation(
        *("get machine", "GET", _VM, _COMPUTE_RP, None, models.VirtualMachine),
        query=frozenset({"$expand"}),
    ),
    Operation(
        *("delete machine", "DELETE", _VM, _COMPUTE_RP),
        statuses=(200, 202, 204),
        query=frozenset({"forceDeletion"}),
    ),
    Operation(
        *("deallocate machine", "POST", f"{_VM}/deallocate", _COMPUTE_RP),
        statuses=(200, 202),
        query=frozenset({"hibernate", "forceDeallocate"}),
    ),
    Operation(
        *("start machine", "POST", f"{_VM}/start", _COMPUTE_RP),
        statuses=(200, 202),
    ),
    Operation(
        *("boot diagnostics", "POST", f"{_VM}/retrieveBootDiagnosticsData", _COMPUTE_RP),
        gives=models.RetrieveBootDiagnosticsDataResult,
        query=frozenset({"sasUriExpirationTimeInMinutes"}),
    ),
    Operation(
        "list machines",
        "GET",
        f"{_GROUP}/{_COMPUTE}/virtualMachines",
        _COMPUTE_RP,
        gives=models.VirtualMachine,
        pages=True,
        query=frozenset({"$expand", "$filter"}),
    ),
    Operation(
        "list statuses",
        "GET",
        f"{_SUBSCRIPTION}/{_COMPUTE}/virtualMachines",
        _COMPUTE_RP,
        gives=models.VirtualMachine,
        pages=True,
        query=frozenset({"$expand", "$filter", "statusOnly"}),
    ),
    Operation(
        "list sizes",
        "GET",
        f"{_SUBSCRIPTION}/{_COMPUTE}/skus",
        _SKUS,
        gives=models.ResourceSku,
        pages=True,
        query=frozenset({"$filter", "includeExtendedLocations"}),
    ),
    Operation(
        "list usages",
        "GET",
        f"{_SUBSCRIPTION}/{_COMPUTE}/locations/{{location}}/usages",
        _COMPUTE_RP,
        gives=models.Usage,
        pages=True,
    ),
    Operation(
        "list disks",
        "GET",
        f"{_GROUP}/{_COMPUTE}/disks",
        _DISK_RP,
        gives=models.Disk,
        pages=True,
    ),
    Operation(
        "delete disk",
        "DELETE",
        f"{_GROUP}/{_COMPUTE}/disks/{{diskName}}",
        _DISK_RP,
        statuses=(200, 202, 204),
    ),
    Operation(
        "list interfaces", "GET", f"{_GROUP}/{_NETWORK}/networkInterfaces", _NETWORK_RP, pages=True
    ),
    Operation(
        "delete interface",
        "DELETE",
        f"{_GROUP}/{_NETWORK}/networkInterfaces/{{networkInterfaceName}}",
        _NETWORK_RP,
        statuses=(200, 202, 204),
    ),
    Operation(
        "list addresses", "GET", f"{_GROUP}/{_NETWORK}/publicIPAddresses", _NETWORK_RP, pages=True
    ),
    Operation(
        "delete address",
        "DELETE",
        f"{_GROUP}/{_NETWORK}/publicIPAddresses/{{publicIpAddressName}}",
        _NETWORK_RP,
        statuses=(200, 202, 204),
    ),
    Operation(
        "get operation",
        "GET",
        f"{_SUBSCRIPTION}/{_COMPUTE}/locations/{{location}}/operations/{{operationId}}",
        _COMPUTE_RP,
        query=frozenset({"p"}),
    ),
)
