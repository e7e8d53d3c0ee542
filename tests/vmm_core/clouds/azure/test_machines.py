"""Machines at the fake Azure: made once, seen as they are, gone without a trace."""

from __future__ import annotations

import asyncio
import base64

import pytest
from azure.mgmt.compute.aio import ComputeManagementClient

from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.base import CloudState, OutcomeUnknown, Refused, ResourceKind

from .conftest import OpenCloud, machine
from .fake import FakeAzure
from .subscription import Side


async def running(cloud: AzureCloud, looks: int = 10):
    for _ in range(looks):
        (seen,) = await cloud.list_owned("vmm-a")
        if seen.state is CloudState.RUNNING:
            return seen
    raise AssertionError(seen)


async def test_one_request_makes_all_of_a_machine(azure: FakeAzure, cloud: AzureCloud) -> None:
    await cloud.create(machine(user_data='{"token": "t"}'))
    (put,) = [each for each in azure.exchanges if each.operation.name == "put machine"]
    assert put.headers["If-None-Match"] == "*"
    assert put.body["tags"]["daaas-owner"] == "vmm-a"
    assert put.body["tags"]["daaas-tag-pool"] == "mantid@lab/small"
    properties = put.body["properties"]
    assert base64.b64decode(properties["osProfile"]["customData"]) == b'{"token": "t"}'
    assert properties["storageProfile"]["osDisk"]["deleteOption"] == "Delete"
    network = properties["networkProfile"]
    assert network["networkApiVersion"] == "2022-11-01"
    (interface,) = network["networkInterfaceConfigurations"]
    assert interface["properties"]["deleteOption"] == "Delete"
    assert "get operation" not in azure.requests
    seen = await running(cloud)
    assert (seen.address or "").startswith("10.0.")
    assert seen.ports == {8888: 8888}
    assert seen.isolation == "virtual machine in Azure"


async def test_a_public_address_is_the_one_to_dial(azure: FakeAzure, open_cloud: OpenCloud) -> None:
    cloud = open_cloud(public_address=True)
    made = await cloud.create(machine())
    seen = await running(cloud)
    assert (seen.address or "").startswith("20.0.")
    await cloud.delete(made.id)
    assert not azure.account.addresses


async def test_many_at_once_make_one(azure: FakeAzure, open_cloud: OpenCloud) -> None:
    clouds = [open_cloud() for _ in range(3)]
    made = await asyncio.gather(*(each.create(machine()) for each in clouds for _ in range(2)))
    assert {each.id for each in made} == {"vmm-1"}
    assert azure.account.made["vmm-1"] == 1


async def test_user_data_as_long_as_azure_takes(azure: FakeAzure, cloud: AzureCloud) -> None:
    await cloud.create(machine("vmm-1", user_data="x" * 65_535))
    with pytest.raises(Refused, match="65536 bytes, Azure takes 65535"):
        await cloud.create(machine("vmm-2", user_data="x" * 65_536))
    assert azure.requests.count("put machine") == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image": "nowhere"}, "image 'nowhere' is not known here"),
        ({"name": "vmm_1"}, "cannot be a machine's name in Azure"),
        ({"tags": {"a/b": "c"}}, "cannot be a tag in Azure"),
        ({"tags": {"pool": "x" * 257}}, "Azure takes 256"),
    ],
)
async def test_what_cannot_be_said_to_azure_is_refused_before(
    azure: FakeAzure, cloud: AzureCloud, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        await cloud.create(machine(**change))
    assert "put machine" not in azure.requests


@pytest.mark.parametrize(
    "image",
    ["/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/x", "a:b:c:d"],
)
async def test_an_image_by_its_own_name(azure: FakeAzure, cloud: AzureCloud, image: str) -> None:
    azure.account.images.add(image)
    await cloud.create(machine(image=image))
    with pytest.raises(Refused, match="ImageNotFound"):
        await cloud.create(machine("vmm-2", image=image + "x"))


async def test_without_an_operators_key_nobody_has_one(
    azure: FakeAzure, open_cloud: OpenCloud
) -> None:
    await open_cloud(ssh_public_key=None).create(machine())
    system = azure.account.machines["vmm-1"].asked["properties"]["osProfile"]
    assert system["linuxConfiguration"]["ssh"]["publicKeys"][0]["keyData"].startswith("ssh-rsa ")
    assert system["linuxConfiguration"]["disablePasswordAuthentication"] is True
    assert "adminPassword" not in system


async def test_a_machine_of_somebody_else_is_left_alone(
    azure: FakeAzure, cloud: AzureCloud
) -> None:
    await cloud.create(machine(owner="vmm-b"))
    with pytest.raises(Refused, match="of somebody else"):
        await cloud.create(machine(owner="vmm-a"))
    azure.account.machines["vmm-1"].asked["tags"] = {}
    with pytest.raises(Refused, match="was not made by a VMM"):
        await cloud.delete("vmm-1")
    assert "delete machine" not in azure.requests


async def test_what_azure_leaves_behind_is_listed_and_deleted(
    azure: FakeAzure, cloud: AzureCloud
) -> None:
    azure.account.keep_disks = True
    made = await cloud.create(machine())
    await cloud.delete(made.id)
    assert not azure.account.disks
    assert await cloud.list_owned("vmm-a") == []


@pytest.mark.parametrize("tags", [True, False])
async def test_leftovers_of_a_machine_deleted_by_hand(
    azure: FakeAzure, cloud: AzureCloud, tags: bool
) -> None:
    account = azure.account
    account.keep_disks, account.disk_tags, account.delete_looks = True, tags, 0
    await cloud.create(machine())
    for each in account.interfaces.values():
        each.goes_along = False
    account.delete("vmm-1")
    account.look_at_all()
    found = {each.kind: each for each in await cloud.list_owned("vmm-a")}
    assert set(found) == {ResourceKind.PORT, ResourceKind.DISK}
    for each in found.values():
        assert (each.of, each.state) == ("vmm-1", CloudState.FAILED)
        assert each.id != "vmm-1"
    assert "machine vmm-1 is gone, but not vmm-1-nic-" in found[ResourceKind.PORT].reason
    assert await cloud.list_owned("vmm-b") == []
    await cloud.delete(found[ResourceKind.DISK].id)
    assert not account.disks
    assert account.interfaces
    await cloud.delete("vmm-1")  # all of it, also by the machine's own name
    assert not account.interfaces


async def test_an_address_that_is_left_goes_with_the_interface_that_holds_it(
    azure: FakeAzure, open_cloud: OpenCloud
) -> None:
    cloud, account = open_cloud(public_address=True), azure.account
    account.delete_looks = 0
    await cloud.create(machine())
    for each in (*account.interfaces.values(), *account.addresses.values()):
        each.goes_along = False
    account.delete("vmm-1")
    account.look_at_all()
    found = {each.kind: each for each in await cloud.list_owned("vmm-a")}
    assert set(found) == {ResourceKind.PORT, ResourceKind.ADDRESS}
    await cloud.delete(found[ResourceKind.ADDRESS].id)
    assert not account.addresses
    assert await cloud.list_owned("vmm-a") == []


async def test_what_came_with_a_machine_that_is_there_is_not_deleted_alone(
    azure: FakeAzure, cloud: AzureCloud
) -> None:
    await cloud.create(machine())
    (disk,) = azure.account.disks
    await cloud.delete(f"disk:{disk}")
    assert "delete disk" not in azure.requests
    assert "vmm-1" in azure.account.machines


async def test_what_a_vmm_did_not_make_is_neither_shown_nor_deleted(
    azure: FakeAzure, cloud: AzureCloud
) -> None:
    account = azure.account
    account.disks["data"] = Side("data", {}, None, False)
    account.interfaces["vmm-1-nic"] = Side("vmm-1-nic", {"team": "a"}, None, False)
    assert await cloud.list_owned("vmm-a") == []
    await cloud.delete("disk:data")
    await cloud.delete("nic:vmm-1-nic")
    assert account.disks
    assert account.interfaces


async def test_a_delete_that_takes_too_long_ends(azure: FakeAzure, open_cloud: OpenCloud) -> None:
    cloud = open_cloud(delete_timeout_s=0.2, poll_s=0.05)
    made = await cloud.create(machine())
    azure.account.delete_looks = 1_000_000
    with pytest.raises(OutcomeUnknown, match=r"is not gone after 0\.2 s"):
        await cloud.delete(made.id)
    (seen,) = await cloud.list_owned("vmm-a")
    assert seen.state is CloudState.DELETING
    azure.account.delete_looks = 0
    await cloud.delete(made.id)
    assert azure.requests.count("delete machine") == 1  # it was deleting already


async def test_a_list_is_kept_for_a_while_and_not_across_a_change(
    azure: FakeAzure, open_cloud: OpenCloud
) -> None:
    cloud = open_cloud(list_every_s=3600)
    for _ in range(3):
        assert await cloud.list_owned("vmm-a") == []
    assert azure.requests.count("list machines") == 1
    await cloud.create(machine())
    assert len(await cloud.list_owned("vmm-a")) == 1


async def test_the_sdks_own_waiting_understands_the_fake(
    azure: FakeAzure, open_cloud: OpenCloud
) -> None:
    """The long-running operations are the protocol's, not something only we understand."""
    cloud = open_cloud()
    await cloud.create(machine())
    assert cloud._opened is not None
    compute: ComputeManagementClient = cloud._opened.compute
    asked = azure.account.machines["vmm-1"].asked
    poller = await compute.virtual_machines.begin_create_or_update(
        "daaas", "vmm-2", asked | {"tags": {}}, polling_interval=0
    )
    assert (await poller.result()).properties.provisioning_state == "Succeeded"
    deleting = await compute.virtual_machines.begin_delete("daaas", "vmm-2", polling_interval=0)
    await deleting.result()
    assert "vmm-2" not in azure.account.machines
    assert azure.requests.count("get operation") >= 2
