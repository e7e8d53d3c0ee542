"""What the TopCAT plugin's Java does, from the list of types to the deleted machine."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import uuid
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image

from vmm_core.model import LeaseState, Machine, MachineState
from vmm_core.store import Store
from vmm_core.topcat.handlers import BASE

from ...support.messages import expected, says
from ...support.topcat import SshClient
from .. import service as services
from ..clouds.local_machines import assert_gone
from .wired import WAIT_S, Site, VmmClient, running

eventually = partial(services.eventually, within_s=WAIT_S)

pytestmark = [
    pytest.mark.skipif(shutil.which("Xtigervnc") is None, reason="needs Xtigervnc"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    Image.new("RGB", (8, 8), "red").save(made.logo)
    return made


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest_asyncio.fixture
async def ledger(site: Site) -> AsyncIterator[Store]:
    store = Store(site.settings().database)
    yield store
    await store.close()


async def test_from_the_list_of_types_to_the_deleted_machine(
    site: Site, http: aiohttp.ClientSession, ledger: Store
) -> None:
    async with running(site) as service:
        await ledger.open()
        vmm = VmmClient(http, f"{service.url}{BASE}", "topcat", site.password)
        (kind,) = await eventually(
            vmm.get_machine_types, lambda seen: seen[0]["number_available"] == 1
        )
        assert kind == {
            "id": kind["id"],
            "cloud_id": kind["cloud_id"],
            "cloud_name": "here",
            "name": "Mantid desktop",
            "description": "For SANS2D",
            "description_id": kind["id"],
            "pool_size": 1,
            "number_available": 1,
            "parameters": {"group": "octopus"},
        }
        shown = json.loads((await vmm.send("GET", f"descriptions?id={kind['id']}"))[1])
        assert shown.keys() == {"id", "name", "description", "logo"}
        assert Image.open(io.BytesIO(base64.b64decode(shown["logo"]))).size == (8, 8)

        machine = await vmm.acquire_machine(kind["id"])
        assert machine.keys() == {"id", "state", "machine_type_id", "hostname"}
        assert 0 < machine["id"] < 1 << 31
        assert machine["machine_type_id"] == kind["id"]
        with pytest.raises(LookupError, match="No more machines"):
            await vmm.acquire_machine(kind["id"])
        (lease,) = await ledger.leases.all()
        assert (lease.owner, lease.frontend, lease.state) == (
            "topcat",
            "topcat",
            LeaseState.ACQUIRED,
        )
        assert lease.machine is not None

        ssh = SshClient(
            machine["hostname"],
            "vmm",
            site.key,
            more=("-p", str(lease.machine.ports[site.ssh_port])),
        )
        token = str(uuid.uuid4())
        for command in ("add_primary_user jane.doe@stfc.ac.uk", f"add_websockify_token {token}"):
            said = await asyncio.to_thread(ssh.exec, command)
            assert (said.status, said.output) == (0, ""), said
        said = await asyncio.to_thread(ssh.exec, "get_screenshot")
        assert Image.open(io.BytesIO(base64.b64decode(said.output))).size == (320, 200)

        async def owned() -> str:
            return (await ledger.leases.get(lease.id)).owner

        assert await eventually(owned, lambda seen: seen != "topcat") == "jane.doe@stfc.ac.uk"
        stages = [event.stage for event in await ledger.leases.events(lease.id, 0)]
        assert stages[-1] == "ready", "so its end is told to the machine, too"
        await asyncio.to_thread(ssh.exec, "add_secondary_user bob")

        async def members() -> list[str]:
            return [member.user for member in await ledger.members.living(lease.id)]

        assert await eventually(members) == ["bob"]
        await asyncio.to_thread(ssh.exec, "remove_secondary_user bob")
        await eventually(members, lambda seen: seen == [])

        await vmm.delete_machine(machine["id"])
        await vmm.delete_machine(machine["id"])
        assert (await ledger.leases.get(lease.id)).state is LeaseState.RELEASED
        (after,) = await eventually(
            vmm.get_machine_types, lambda seen: seen[0]["number_available"] == 1
        )
        assert after["id"] == kind["id"], "a number means the same for ever"
        second = await vmm.acquire_machine(kind["id"])
        assert second["id"] != machine["id"]

    async with running(site) as service:
        vmm = VmmClient(http, f"{service.url}{BASE}", "topcat", site.password)
        (again,) = await vmm.get_machine_types()
        assert (again["id"], again["cloud_id"]) == (kind["id"], kind["cloud_id"])
    if (folder := site.folder / "machines").exists():
        assert_gone(folder, "")
    assert token not in "".join(_logs(site.folder))


def _logs(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.rglob("*.log")]


async def test_a_machine_that_was_taken_without_a_lease_is_given_to_nobody(
    site: Site, ledger: Store
) -> None:
    async with running(site):
        await ledger.open()

        async def vacant() -> list[Machine]:
            machines = await ledger.machines.all()
            return [machine for machine in machines if machine.state is MachineState.VACANT]

        (taken,) = await eventually(vacant)
        port = str(taken.ports[site.ssh_port])
        ssh = SshClient(taken.address or "", "vmm", site.key, more=("-p", port))
        assert (await asyncio.to_thread(ssh.exec, "add_primary_user mallory")).status == 0
        (other,) = await eventually(vacant, lambda seen: bool(seen) and seen[0].id != taken.id)
        assert other.id != taken.id


async def test_wrong_calls_have_json_bodies(site: Site, http: aiohttp.ClientSession) -> None:
    text = site.catalogue.read_text().replace("ready: 1", "ready: 0")
    site.catalogue.write_text(text)
    async with running(site) as service:
        host = f"{service.url}{BASE}"
        for user, password in (
            ("topcat", "wrong"),
            ("hub", site.password),
            ("hub", site.other),
            ("topcat", site.other),
            ("", ""),
        ):
            stranger = VmmClient(http, host, user, password)
            for method, offset, body in (
                ("GET", "machinetypes", None),
                ("POST", "machines", '{"machine_type_id": 1}'),
                ("DELETE", "machines?id=1", None),
                ("GET", "descriptions?id=1", None),
            ):
                code, said = await stranger.send(method, offset, body)
                assert code == 401
                assert says(
                    expected("topcat", "wrong credentials").operator, json.loads(said)["detail"]
                )
        vmm = VmmClient(http, host, "topcat", site.password)
        (kind,) = await vmm.get_machine_types()
        with pytest.raises(LookupError, match="No more machines"):
            await vmm.acquire_machine(kind["id"])
        with pytest.raises(LookupError, match="doesn't seem to exist"):
            await vmm.get_machine_type(987654)
        code, said = await vmm.send("POST", "machines", '{"machine_type_id": 987654}')
        assert (code, "987654" in json.loads(said)["detail"]) == (404, True)
        with pytest.raises(LookupError, match="Could not delete"):
            await vmm.delete_machine(987654)
        for method, offset, body in (
            ("GET", "machinetypes?id=x", None),
            ("GET", f"descriptions?id={1 << 31}", None),
            ("DELETE", "machines", None),
            ("POST", "machines", "{}"),
            ("POST", "machines", '{"machine_type_id": "1; drop"}'),
            ("POST", "machines", "x" * 9999),
        ):
            code, said = await vmm.send(method, offset, body)
            assert code == 400, offset
            assert json.loads(said)["detail"]
        code, said = await vmm.send("PUT", "machines")
        assert code == 405
        assert json.loads(said)
        site.logo.write_text("no picture")
        code, said = await vmm.send("GET", f"descriptions?id={kind['id']}")
        logo = base64.b64decode(json.loads(said)["logo"])
        assert Image.open(io.BytesIO(logo)).size == (1, 1)
