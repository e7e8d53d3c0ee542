"""Servers and ports as machines: states, addresses, ids, and what is written on a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from openstack.compute.v2.server import Server
from openstack.network.v2.port import Port

from vmm_core.clouds.base import CloudState, MachineSpec, ResourceKind
from vmm_core.clouds.openstack.machines import (
    PORT_ALONE_S,
    address_of,
    all_machines,
    machine_id,
    machine_of,
    mark,
    metadata,
    no_capacity,
    parse_id,
    state_of,
)
from vmm_core.model import Size

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPEC = MachineSpec(
    name="vmm-1",
    owner="me",
    image="default",
    size=Size(name="m1", cpus=1, ram_gb=1),
    user_data="{}",
    ports=(8888, 5901),
    tags={"pool": "mantid@ral/m1", "long": "x" * 300},
)
ADDRESSES = {
    "vmm": [
        {"addr": "fd00::7", "version": 6, "OS-EXT-IPS:type": "fixed"},
        {"addr": "10.1.2.3", "version": 4, "OS-EXT-IPS:type": "fixed"},
        {"addr": "9.9.9.9", "version": 4, "OS-EXT-IPS:type": "floating"},
    ]
}


def server(**more: object) -> Server:
    facts = {"id": "s-1", "name": "vmm-1", "status": "ACTIVE", "metadata": metadata(SPEC, "ral")}
    return Server(**{**facts, "addresses": ADDRESSES, **more})


def port(age_s: float, name: str = "vmm-1") -> Port:
    made = (NOW - timedelta(seconds=age_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Port(id="p-1", name=name, created_at=made)


def test_a_running_server() -> None:
    machine = machine_of(server(), "me")
    assert machine.state is CloudState.RUNNING
    assert (machine.id, machine.name, machine.address) == ("me/vmm-1", "vmm-1", "10.1.2.3")
    assert machine.ports == {8888: 8888, 5901: 5901}


def test_a_server_that_failed_tells_why() -> None:
    fault = {"code": 500, "message": "Build of instance s-1 aborted: no disk"}
    machine = machine_of(server(status="ERROR", fault=fault), "me")
    assert machine.state is CloudState.FAILED
    assert "s-1" in machine.reason
    assert "no disk" in machine.reason
    assert machine.address is None


@pytest.mark.parametrize(
    ("status", "task", "state"),
    [
        (None, None, CloudState.BUILDING),
        ("BUILD", "spawning", CloudState.BUILDING),
        ("ACTIVE", None, CloudState.RUNNING),
        ("ACTIVE", "deleting", CloudState.DELETING),
        ("REBOOT", None, CloudState.RUNNING),
        ("UNKNOWN", None, CloudState.RUNNING),
        ("SHUTOFF", None, CloudState.STOPPED),
        ("ACTIVE", "suspending", CloudState.RUNNING),
        ("SUSPENDED", None, CloudState.SUSPENDED),
        ("SUSPENDED", "resuming", CloudState.SUSPENDED),
        ("ERROR", None, CloudState.FAILED),
        ("SOFT_DELETED", None, CloudState.DELETING),
    ],
)
def test_states(status: str | None, task: str | None, state: CloudState) -> None:
    assert state_of(server(status=status, task_state=task)) is state


def test_want_of_room_is_told_apart_from_failure() -> None:
    full = {"message": "No valid host was found. There are not enough hosts available."}
    assert no_capacity(server(status="ERROR", fault=full))
    assert not no_capacity(server(status="ERROR", fault={"message": "aborted"}))
    assert not no_capacity(server(status="BUILD", fault=None))


def test_addresses() -> None:
    assert address_of({}) is None
    assert address_of({"six": ADDRESSES["vmm"][:1]}) == "fd00::7"
    assert address_of({"out": ADDRESSES["vmm"][2:]}) is None


def test_a_port_without_a_server_is_a_machine_to_come_and_later_what_is_left_of_one() -> None:
    (young,) = all_machines([], [port(PORT_ALONE_S - 1)], "me", NOW)
    assert (young.id, young.name, young.state) == ("me/vmm-1", "vmm-1", CloudState.BUILDING)
    assert (young.kind, young.of) == (ResourceKind.MACHINE, "")
    (old,) = all_machines([], [port(PORT_ALONE_S + 1)], "me", NOW)
    assert old.name != "vmm-1", "the machine itself is missing, and must be seen to be"
    assert old.state is CloudState.FAILED
    assert (old.kind, old.of) == (ResourceKind.PORT, "vmm-1")
    assert parse_id(old.id) == ("me", "vmm-1", True)


def test_a_port_with_its_server_is_no_machine_of_its_own() -> None:
    assert len(all_machines([server()], [port(9999)], "me", NOW)) == 1


def test_ids() -> None:
    assert parse_id(machine_id("me", "vmm-1")) == ("me", "vmm-1", False)
    for wrong in ("", "vmm-1", "me/", "me/a b", "me/../x y"):
        assert parse_id(wrong) is None


def test_marks_fit_a_tag_and_differ_by_installation_and_cloud() -> None:
    marks = {mark(owner, cloud) for owner in ("a", "b") for cloud in ("x", "y")}
    assert len(marks) == 4
    assert all(len(one) <= 60 and not set("/,") & set(one) for one in marks)


def test_what_is_written_on_a_server_fits_and_says_whose_it_is() -> None:
    written = metadata(SPEC, "ral")
    assert written["vmm-owner"] == "me"
    assert written["vmm-pool"] == "mantid@ral/m1"
    assert all(len(value) <= 255 for value in written.values())


def test_metadata_that_somebody_spoilt_costs_the_ports_only() -> None:
    assert machine_of(server(metadata={"vmm-ports": "{]"}), "me").ports == {}
