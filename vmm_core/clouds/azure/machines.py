"""What Azure's lists say of our machines. Pure.

One list has the tags and how far a machine was built, another whether it runs;
addresses are the network interfaces'. What is left of a machine that is gone
is shown by its kind, each under an id of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from azure.mgmt.compute.models import Disk, InstanceViewStatus, VirtualMachine

from ..base import CloudMachine, CloudState, ResourceKind
from . import names
from .errors import reason
from .network import Interface, PublicAddress

ISOLATION = "virtual machine in Azure"

_KINDS = {
    names.INTERFACE: ResourceKind.PORT,
    names.ADDRESS: ResourceKind.ADDRESS,
    names.DISK: ResourceKind.DISK,
}


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

    def only(self, what: str, name: str) -> Sides:
        """One of them; with an address the interfaces that hold it."""
        if what == names.INTERFACE:
            return Sides(interfaces=tuple(each for each in self.interfaces if each == name))
        if what == names.DISK:
            return Sides(disks=tuple(each for each in self.disks if each == name))
        mine = tuple(each for each in self.addresses if each == name)
        return Sides(interfaces=self.interfaces if mine else (), addresses=mine)


def owned(seen: Seen, owner: str) -> list[CloudMachine]:
    """The owner's machines, and what is left of those that are gone."""
    statuses = {(each.id or "").lower(): states(each) for each in seen.statuses}
    address = _addresses(seen)
    found = {}
    for each in seen.machines:
        tagged = each.tags or {}
        if tagged.get(names.OWNER) == owner:
            key = (each.id or "").lower()
            found[each.name or ""] = machine(each, statuses.get(key, []), address.get(key))
    rest = [
        CloudMachine(
            id=names.side_id(name, what),
            name=names.side_id(name, what),
            state=CloudState.FAILED,
            reason=f"machine {machine_name} is gone, but not {name}",
            kind=_KINDS[what],
            of=machine_name,
        )
        for what, name, tagged in _sides(seen)
        if (machine_name := names.machine_of(name, tagged, owner, what))
        and machine_name not in found
    ]
    return [*found.values(), *rest]


def machine_of_side(seen: Seen, what: str, name: str) -> str | None:
    """The machine that a resource came with, whoever its owner; None if it is not there."""
    tags = {(each, called): tagged for each, called, tagged in _sides(seen)}
    if (what, name) not in tags:
        return None
    return names.made_with(name, tags[what, name], what)


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
    state = state_of(listed, statuses)
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


def power_of(statuses: Iterable[InstanceViewStatus]) -> str:
    """``running``, ``starting``, ``deallocating``, ``deallocated``, ...; empty if not said."""
    codes = (code for code in map(_code, statuses) if code.startswith("powerstate/"))
    return next(codes, "").partition("/")[2]


def state_of(listed: VirtualMachine, statuses: Iterable[InstanceViewStatus]) -> CloudState:
    """The state of a machine, as if it had an address."""
    statuses = list(statuses)
    built = (listed.properties.provisioning_state if listed.properties else None) or ""
    able = listed.properties.additional_capabilities if listed.properties else None
    hibernates = bool(able and able.hibernation_enabled)
    hibernated = any(_code(each) == "hibernationstate/hibernated" for each in statuses)
    match built.lower(), power_of(statuses):
        case "deleting", _:
            return CloudState.DELETING
        case "failed", _:
            return CloudState.FAILED
        case "updating", "stopping" | "deallocating" if hibernates:
            return CloudState.RUNNING  # until it is suspended
        case "updating", "starting" if hibernates:
            return CloudState.SUSPENDED  # until it runs
        case _, "deallocated" if hibernated:
            return CloudState.SUSPENDED
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
