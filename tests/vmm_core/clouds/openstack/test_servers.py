"""What the contract does not say and OpenStack does: zones, GPUs, ports, quotas, lost answers."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmm_core.clouds.base import (
    CloudMachine,
    CloudState,
    MachineSpec,
    NoCapacity,
    OutcomeUnknown,
    QuotaExceeded,
    Refused,
    Throttled,
    Unreachable,
)
from vmm_core.clouds.openstack.cloud import OpenStackCloud
from vmm_core.clouds.openstack.machines import mark
from vmm_core.clouds.openstack.options import Options

from ....support.messages import expected, says
from ....support.openstack_lab import Lab
from . import clouds_files
from .between import Between
from .conftest import Make
from .reader import user_reads

pytestmark = [pytest.mark.openstack, pytest.mark.root, pytest.mark.timeout(600)]

Spec = Callable[..., MachineSpec]
FORM = "openstack"


@pytest.fixture
def admin(openstack_lab: Lab) -> Iterator[Any]:
    with openstack_lab.connect() as connection:
        yield connection


@pytest.fixture
def quota(openstack_lab: Lab, admin: Any) -> Iterator[Callable[..., None]]:
    """Sets the project's quota of Nova; as before in the end."""
    project = admin.identity.find_project("demo", ignore_missing=False).id
    before = admin.compute.get_quota_set(project)

    def change(**limits: int) -> None:
        admin.compute.update_quota_set(project, **limits)

    yield change
    change(instances=before.instances, cores=before.cores, ram=before.ram)


async def settled(cloud: OpenStackCloud, owner: str) -> CloudMachine:
    """The owner's only machine, once it is not building any more."""
    async with asyncio.timeout(90):
        while True:
            (machine,) = await cloud.list_owned(owner)
            if machine.state is not CloudState.BUILDING:
                return machine
            await asyncio.sleep(0.2)


def left_of(admin: Any, owner: str) -> list[str]:
    """Servers and ports of an owner's, and what Placement still has of servers that are gone."""
    ours = mark(owner, "lab")
    servers = [s.id for s in admin.compute.servers(all_projects=True)]
    found = [s.id for s in admin.compute.servers(all_projects=True, tags=ours)]
    found += [port.id for port in admin.network.ports(description=ours)]
    for provider in admin.placement.resource_providers():
        held = admin.placement.get(f"/resource_providers/{provider.id}/allocations").json()
        found += [one for one in held["allocations"] if one not in servers]
    return found


# -- what is made


async def test_a_server_carries_what_is_needed_to_know_it(
    make: Make, spec: Spec, owner: str, admin: Any
) -> None:
    cloud = make()
    await cloud.create(spec(user_data='{"machine": "vmm-1"}'))
    machine = await settled(cloud, owner)
    assert machine.state is CloudState.RUNNING
    (server,) = admin.compute.servers(all_projects=True, tags=mark(owner, "lab"))
    assert server.name == machine.name
    assert server.metadata["vmm-owner"] == owner
    assert server.metadata["vmm-pool"] == "mantid@lab/small"
    assert server.availability_zone == "loc-a"
    assert str(server.has_config_drive) == "True"
    user_data = admin.compute.get_server(server.id).user_data
    assert base64.b64decode(user_data) == b'{"machine": "vmm-1"}'
    (port,) = admin.network.ports(device_id=server.id)
    assert port.fixed_ips[0]["ip_address"] == machine.address
    await cloud.delete(machine.id)
    assert left_of(admin, owner) == []


async def test_two_zones_of_one_account_do_not_see_each_other(
    make: Make, spec: Spec, owner: str, admin: Any
) -> None:
    here, there = make("loc-a"), make("loc-b", name="other")
    await here.create(spec())
    made = await there.create(spec())
    assert len(await here.list_owned(owner)) == 1
    assert [m.id for m in await there.list_owned(owner)] == [made.id]
    assert (await settled(there, owner)).state is CloudState.RUNNING
    (server,) = admin.compute.servers(all_projects=True, tags=mark(owner, "other"))
    assert server.availability_zone == "loc-b"
    await there.delete(made.id)
    assert len(await here.list_owned(owner)) == 1


async def test_sizes_are_flavors_with_their_gpus(make: Make) -> None:
    sizes = await make(gpu_models={"lab.vgpu": "A16-4Q"}).sizes()
    small = sizes["lab.small"].size
    assert (small.cpus, small.ram_gb, small.gpus) == (1, 2, 0)
    assert sizes["lab.pcigpu"].size.gpus == 1
    vgpu = sizes["lab.vgpu"].size
    assert (vgpu.gpus, vgpu.gpu_model) == (1, "A16-4Q")
    assert sizes["lab.gputrait"].size.gpus == 1
    assert list(await make(flavors=["lab.tiny", "lab.none"]).sizes()) == ["lab.tiny"]


@pytest.mark.parametrize("flavor", Lab.gpu_flavors)
async def test_gpus_are_given_while_there_are_any(
    make: Make, spec: Spec, owner: str, admin: Any, flavor: str
) -> None:
    cloud = make(Lab.gpu_zone)
    made = [await cloud.create(spec(flavor)) for _ in range(2)]
    with pytest.raises(NoCapacity) as full:
        await cloud.create(spec(flavor))
    assert says(expected(FORM, "full: no capacity").operator, str(full.value)), full.value
    assert {m.id for m in await cloud.list_owned(owner)} == {m.id for m in made}
    for machine in made:
        await cloud.delete(machine.id)
    assert left_of(admin, owner) == []
    await cloud.create(spec(flavor))  # there is room again


async def test_a_server_that_cannot_start_has_failed_and_says_why(
    aborting: OpenStackCloud, spec: Spec, owner: str
) -> None:
    await aborting.create(spec())
    machine = await settled(aborting, owner)
    assert machine.state is CloudState.FAILED
    assert "aborted" in machine.reason


async def test_a_list_is_two_calls_however_many_machines(
    spoilt: OpenStackCloud, between: Between, spec: Spec, owner: str
) -> None:
    await asyncio.gather(*(spoilt.create(spec("lab.tiny")) for _ in range(3)))
    between.seen.clear()
    assert len(await spoilt.list_owned(owner)) == 3
    assert {key: n for key, n in between.seen.items() if key[1] != "v2.1"} == {("GET", "detail"): 1}


# -- what is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"images": {"default": "no-image"}}, "has no image 'no-image'"),
        ({"network": "no-net"}, "has no network 'no-net'"),
        ({"security_groups": ["no-group"]}, "has no security group 'no-group'"),
        ({"key_name": "no-key"}, "Invalid key_name"),
        ({"zone": "mars"}, "availability zone"),
    ],
)
async def test_what_is_not_there_is_named_and_nothing_is_left(
    make: Make, spec: Spec, owner: str, admin: Any, options: dict[str, Any], said: str
) -> None:
    cloud = make(**options)
    with pytest.raises(Refused, match=said):
        await cloud.create(spec())
    assert left_of(admin, owner) == []


async def test_a_zone_that_is_not_there_is_told_with_those_that_are(make: Make) -> None:
    with pytest.raises(Refused, match="loc-a, loc-b"):
        await make("mars").sizes()


async def test_user_data_that_is_too_long(make: Make, spec: Spec, owner: str) -> None:
    cloud = make()
    with pytest.raises(Refused, match="more than the 65535"):
        await cloud.create(spec(user_data="x" * 50_000))
    assert await cloud.list_owned(owner) == []


@pytest.mark.parametrize("limits", [{"instances": 0}, {"cores": 0}, {"ram": 256}])
async def test_quotas(
    make: Make,
    spec: Spec,
    owner: str,
    quota: Callable[..., None],
    admin: Any,
    limits: dict[str, int],
) -> None:
    cloud = make()
    quota(**limits)
    with pytest.raises(QuotaExceeded) as full:
        await cloud.create(spec())
    assert says(expected(FORM, "full: quota").operator, str(full.value)), full.value
    assert left_of(admin, owner) == []
    told = await cloud.limits()
    assert {"instances": told.machines, "cores": told.cpus, "ram": (told.ram_gb or 0) * 1024}[
        next(iter(limits))
    ] == next(iter(limits.values()))


async def test_no_quota_is_no_limit(make: Make, quota: Callable[..., None]) -> None:
    quota(cores=-1)
    assert (await make().limits()).cpus is None


async def test_wrong_credentials(
    openstack_lab: Lab, make: Make, tmp_path: Path, spec: Spec
) -> None:
    file = clouds_files.write(tmp_path, openstack_lab.auth_url, password="wrong")
    cloud = make(cloud=clouds_files.NAME, clouds_file=file)
    for call in (cloud.sizes(), cloud.create(spec()), cloud.list_owned("me")):
        with pytest.raises(Refused) as refused:
            await call
        assert says(expected(FORM, "wrong credentials").operator, str(refused.value))
    clouds_files.write(tmp_path, openstack_lab.auth_url)
    await cloud.sizes()  # the file is read again


@pytest.mark.parametrize(
    "situation", ["wrong credentials", "full: quota", "full: no capacity", "slow: throttled"]
)
async def test_what_a_user_reads(
    situation: str,
    openstack_lab: Lab,
    between: Between,
    quota: Callable[..., None],
    tmp_path: Path,
    admin: Any,
) -> None:
    promised = expected(FORM, situation).user
    password = "wrong" if situation == "wrong credentials" else "oslab-secret"
    url = f"{between.url}/v2.1"
    file = clouds_files.write(
        tmp_path, openstack_lab.auth_url, password=password, compute_endpoint_override=url
    )
    options = openstack_lab.options("loc-a", cloud=clouds_files.NAME, clouds_file=str(file))
    size = Lab.flavor
    if situation == "full: quota":
        quota(instances=0)
    elif situation == "full: no capacity":
        size = Lab.gpu_flavors[0]  # of another zone
    elif situation == "slow: throttled":
        between.lasting["POST", "servers"] = "throttle"
    said = await user_reads(tmp_path, options, size, promised)
    assert says(promised, said), said


async def test_an_application_credential_and_its_end(
    openstack_lab: Lab, make: Make, tmp_path: Path
) -> None:
    with openstack_lab.connect(Lab.cloud) as account:
        user = account.current_user_id
        credential = account.identity.create_application_credential(user, tmp_path.name)
        secret = tmp_path / "secret"
        secret.write_text(credential.secret + "\n")
        plain = openstack_lab.options("loc-a")
        options = Options(
            auth_url=openstack_lab.auth_url,
            credential_id=credential.id,
            credential_secret_file=secret,
            region="RegionOne",
            **{key: plain[key] for key in ("zone", "network", "images", "timeout_s")},
        )
        cloud = OpenStackCloud("lab", options)
        assert "lab.small" in await cloud.sizes()
        await cloud.close()
        account.identity.delete_application_credential(user, credential)
        with pytest.raises(Refused, match="credentials are refused"):
            await cloud.sizes()
        await cloud.close()


# -- what goes wrong on the way


async def test_a_lost_answer_to_create_is_looked_up(
    spoilt: OpenStackCloud, between: Between, spec: Spec, owner: str
) -> None:
    between.faults["POST", "servers"] = "lose-answer"
    asked = spec()
    made = await spoilt.create(asked)
    assert made.name == asked.name
    assert [m.id for m in await spoilt.list_owned(owner)] == [made.id]
    assert (await settled(spoilt, owner)).state is CloudState.RUNNING


async def test_a_lost_request_is_of_unknown_outcome_and_can_be_repeated(
    spoilt: OpenStackCloud, between: Between, spec: Spec, owner: str, admin: Any
) -> None:
    between.faults["POST", "servers"] = "lose-request"
    asked = spec()
    with pytest.raises(OutcomeUnknown):
        await spoilt.create(asked)
    (port,) = await spoilt.list_owned(owner)
    assert (port.name, port.state) == (asked.name, CloudState.BUILDING)
    made = await spoilt.create(asked)  # takes the port that is there
    assert [m.id for m in await spoilt.list_owned(owner)] == [made.id]
    await spoilt.delete(made.id)
    assert left_of(admin, owner) == []


async def test_a_port_alone_is_deleted_by_its_machines_id(
    spoilt: OpenStackCloud, between: Between, spec: Spec, owner: str, admin: Any
) -> None:
    between.faults["POST", "servers"] = "lose-request"
    with pytest.raises(OutcomeUnknown):
        await spoilt.create(spec())
    (port,) = await spoilt.list_owned(owner)
    await spoilt.delete(port.id)
    assert left_of(admin, owner) == []


async def test_throttled(
    spoilt: OpenStackCloud, between: Between, spec: Spec, owner: str, admin: Any
) -> None:
    between.faults["POST", "servers"] = "throttle"
    with pytest.raises(Throttled) as throttled:
        await spoilt.create(spec())
    assert throttled.value.retry_after_s == 7
    assert says(expected(FORM, "slow: throttled").operator, str(throttled.value))
    assert left_of(admin, owner) == []


async def test_an_error_of_novas_own(
    spoilt: OpenStackCloud, between: Between, spec: Spec, owner: str
) -> None:
    between.faults["GET", "detail"] = "error"
    with pytest.raises(Unreachable, match="oops"):
        await spoilt.list_owned(owner)
    between.faults["DELETE", "never"] = "error"
    made = await spoilt.create(spec())
    await spoilt.delete(made.id)


async def test_gone(make: Make, spec: Spec, owner: str, admin: Any) -> None:
    """Somebody else deletes the server: the machine is missing from the list, its port is told."""
    cloud = make()
    made = await cloud.create(spec())
    await settled(cloud, owner)
    (server,) = admin.compute.servers(all_projects=True, tags=mark(owner, "lab"))
    admin.compute.delete_server(server)
    admin.compute.wait_for_delete(server, interval=0.2, wait=60)
    names = [m.name for m in await cloud.list_owned(owner)]
    assert names in ([made.name], [])  # a young port may still be one whose server is made
    await cloud.delete(made.id)
    assert left_of(admin, owner) == []


async def test_a_server_is_deleted_while_it_is_being_built(
    make: Make, spec: Spec, owner: str, admin: Any
) -> None:
    cloud = make(Lab.gpu_zone)
    made = await cloud.create(spec("lab.pcigpu"))  # its host takes seconds to boot it
    assert made.state is CloudState.BUILDING
    await cloud.delete(made.id)
    assert left_of(admin, owner) == []


async def test_creates_of_one_name_at_the_same_time_make_one(
    make: Make, spec: Spec, owner: str
) -> None:
    cloud = make()
    asked = spec()
    made = await asyncio.gather(*(cloud.create(replace(asked)) for _ in range(3)))
    assert len({m.id for m in made}) == 1
    assert len(await cloud.list_owned(owner)) == 1
