"""What Azure's lists say of our machines. Pure.

One list has the tags and how far a machine was built, another whether it runs;
addresses are the network interfaces'. What is left of a machine that is gone
is shown under its name, so that it is deleted as machines are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from azure.mgmt.compute.models import Disk, InstanceViewStatus, VirtualMachine

from ..base import CloudMachine, CloudState
from . import names
from .errors import reason
from .network import Interface, PublicAddress

ISOLATION = "virtual machine in Azure"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the lists of one resource group said; sides are listed before machines."""

    machines: Iterable[VirtualMachine] = ()
    """With tags, without what they do now."""
    statuses: Iterable[VirtualMachine] = ()
    """With what they do now, without tags; of the whole subscription."""
    interfaces: Iterable[Interface] = ()
    addresses: Iterable[PublicAddress] = ()
    disks: Iterable[Disk] = ()
    public: bool = field(default=False)
    """Whether machines are dialled at their public addresses."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Names of what belongs to one machine."""

    interfaces: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.interfaces or self.addresses or self.disks)


def owned(seen: Seen, owner: str) -> list[CloudMachine]:
    """The owner's machines, and under their names what is left of those that are gone."""
    statuses = {(each.id or "").lower(): states(each) for each in seen.statuses}
    address = _addresses(seen)
    found = {}
    for each in seen.machines:
        tagged = each.tags or {}
        if tagged.get(names.OWNER) == owner:
            key = (each.id or "").lower()
            found[each.name or ""] = machine(each, statuses.get(key, []), address.get(key))
    for name, rest in sides(seen, owner).items():
        if name not in found:
            what = ", ".join((*rest.interfaces, *rest.addresses, *rest.disks))
            found[name] = CloudMachine(
                id=name,
                name=name,
                state=CloudState.FAILED,
                isolation=ISOLATION,
                reason=f"the machine is gone, but not {what}",
            )
    return list(found.values())


def sides(seen: Seen, owner: str) -> dict[str, Sides]:
    """What came with each of the owner's machines, by the machine's name."""
    found: dict[str, dict[str, list[str]]] = {}
    for what, name, tagged in _sides(seen):
        if machine_name := names.machine_of(name, tagged, owner, what):
            found.setdefault(machine_name, {}).setdefault(what, []).append(name)
    return {name: _as_sides(lists) for name, lists in found.items()}


def left(seen: Seen, machine_name: str) -> Sides:
    """What came with one machine, whoever its owner."""
    found: dict[str, list[str]] = {}
    for what, name, tagged in _sides(seen):
        if names.came_with(machine_name, name, tagged, what):
            found.setdefault(what, []).append(name)
    return _as_sides(found)


def machine(
    listed: VirtualMachine, statuses: Iterable[InstanceViewStatus], address: str | None
) -> CloudMachine:
    """One machine; without an address, or as long as it is not known to run, it is building."""
    statuses = list(statuses)
    state = _state(listed, statuses)
    if state is CloudState.RUNNING and not address:
        state = CloudState.BUILDING
    tagged = listed.tags or {}
    return CloudMachine(
        id=listed.name or "",
        name=listed.name or "",
        state=state,
        address=address if state is CloudState.RUNNING else None,
        ports=names.ports_of(tagged),
        isolation=ISOLATION,
        reason=_why(statuses) if state is CloudState.FAILED else "",
    )


def states(listed: VirtualMachine) -> list[InstanceViewStatus]:
    """What an instance view says, if there is one."""
    view = listed.properties.instance_view if listed.properties else None
    return list(view.statuses or ()) if view else []


def _state(listed: VirtualMachine, statuses: list[InstanceViewStatus]) -> CloudState:
    built = (listed.properties.provisioning_state if listed.properties else None) or ""
    power = next(
        (code.partition("/")[2] for code in map(_code, statuses) if code.startswith("powerstate/")),
        "",
    )
    match built.lower(), power:
        case "deleting", _:
            return CloudState.DELETING
        case "failed", _:
            return CloudState.FAILED
        case _, "stopping" | "stopped" | "deallocating" | "deallocated":
            return CloudState.STOPPED
        case "succeeded" | "updating" | "migrating", "running":
            return CloudState.RUNNING
    return CloudState.BUILDING


def _why(statuses: Iterable[InstanceViewStatus]) -> str:
    """Azure's words for a failure: ``ProvisioningState/failed/AllocationFailed``."""
    for status in statuses:
        if _code(status).startswith("provisioningstate/failed"):
            code = (status.code or "").split("/")
            return reason(code[2] if len(code) > 2 else "", status.message or "")
    return "Azure could not build it; the activity log of the resource group has the reason"


def _code(status: InstanceViewStatus) -> str:
    return (status.code or "").lower()


def _addresses(seen: Seen) -> dict[str, str]:
    """Azure's id of each machine -> the address to dial."""
    public = {each.id.lower(): each.address for each in seen.addresses}
    return {
        each.machine_id.lower(): public.get(each.public_id.lower(), "")
        if seen.public
        else each.private
        for each in seen.interfaces
        if each.machine_id
    }


def _sides(seen: Seen) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """What each is, its name, its tags."""
    for interface in seen.interfaces:
        yield names.INTERFACE, interface.name, interface.tags
    for address in seen.addresses:
        yield names.ADDRESS, address.name, address.tags
    for disk in seen.disks:
        yield names.DISK, disk.name or "", disk.tags or {}


def _as_sides(found: Mapping[str, list[str]]) -> Sides:
    kinds = (names.INTERFACE, names.ADDRESS, names.DISK)
    return Sides(*(tuple(found.get(what, ())) for what in kinds))
