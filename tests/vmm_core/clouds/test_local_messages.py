"""docs/messages/local.yaml: a real service whose local cloud is on a host in each situation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from vmm_core.catalogue import parse
from vmm_core.client import VmmClient
from vmm_core.clouds.local import host
from vmm_core.clouds.local.cloud import LocalCloud
from vmm_core.clouds.local.folder import Folder
from vmm_core.errors import CatalogueError, Impossible
from vmm_core.model import LeaseState, MachineState, Needs
from vmm_core.pools.policy import Policy
from vmm_core.tokens import Scope, add_token

from ...support.messages import Row, expected, says
from ..service import eventually, serving, settings_in
from .local_machines import M1, free_port, options, spec, ways

READ_S = 60
WAY = ways()[0]
MANTID = Needs(environment="mantid")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: overlays have a limit of a page for their options."""
    with tempfile.TemporaryDirectory(prefix="vmm-said-") as path:
        yield Path(path)


@asynccontextmanager
async def vmm(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    /,
    *,
    preload: tuple[str, ...] = (),
    ready: int = 0,
    boot_deadline_s: float = 600,
    **more: object,
) -> AsyncIterator[VmmClient]:
    """A service with one pool of local machines; they are gone in the end."""
    given = {
        "folder": str(folder / "machines"),
        "isolation": WAY,
        "sizes": {"small": {"cpus": 1, "ram_gb": 0.5}},
        "stop_timeout_s": 1,
        **more,
    }
    catalogue = {
        "locations": [{"name": "ral", "title": "Rutherford"}],
        "clouds": [{"name": "here", "kind": "local", "location": "ral", "options": given}],
        "environments": [{"name": "mantid", "title": "Mantid", "preload": list(preload)}],
        "pools": [{"environment": "mantid", "cloud": "here", "size": "small", "ready": ready}],
    }
    (folder / "environments.yaml").write_text(json.dumps(catalogue, indent=1))  # JSON is YAML
    token = add_token(folder / "tokens.yaml", "hub", (Scope.LEASE_ANY, Scope.OPERATE))
    policy = partial(
        Policy,
        boot_deadline_s=boot_deadline_s,
        backoff_first_s=600,
        interval_s=0.1,
        busy_interval_s=0.1,
        ports=(free_port(),),
    )
    monkeypatch.setattr("vmm_core.service.Policy", policy)
    settings = settings_in(folder, delete_machines_on_stop=True)
    async with serving(settings, 2 * READ_S) as service, VmmClient(service.url, token) as client:
        yield client


async def check(client: VmmClient, row: Row, owner: str = "alice") -> None:
    """What ``owner`` reads who asks, and the operator of the only pool, once it is that."""

    async def user() -> str:
        try:
            lease = await client.acquire(MANTID, owner=owner, key="1")
        except Impossible as error:
            return str(error)
        return lease.explanation.summary

    async def operator() -> str:
        return (await client.pools())[0].hold

    await eventually(user, lambda text: says(row.user, text), READ_S)
    await eventually(operator, lambda text: says(row.operator, text), READ_S)


@pytest.mark.parametrize(
    "situation",
    ["wrong address", "wrong credentials", "full: a size that is larger than the host"],
)
async def test_what_is_read_when_no_machine_can_be_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, situation: str
) -> None:
    more: dict[str, object] = {}
    if situation == "wrong address":
        (folder / "file").touch()
        more["folder"] = str(folder / "file" / "machines")
    elif situation == "wrong credentials":
        more["isolation"] = "process" if os.geteuid() == 0 else "namespaces"
    else:
        more["sizes"] = {"small": {"cpus": 4096, "ram_gb": 1}}
    async with vmm(folder, monkeypatch, **more) as client:
        await check(client, expected("local", situation))


def test_an_endpoint_that_is_none() -> None:
    row = expected("local", "wrong address: reach")
    for wrong in ("999.1.1.1:80", "10.0.0.1:99999", "dms.example.org:443", "10.0.0.1"):
        given = {"folder": "/m", "sizes": {"s": {"cpus": 1, "ram_gb": 1}}, "reach": [8000, wrong]}
        cloud = {"name": "here", "kind": "local", "location": "ral", "options": given}
        text = {"locations": [{"name": "ral", "title": "RAL"}], "clouds": [cloud]}
        with pytest.raises(CatalogueError) as told:
            parse(json.dumps({**text, "environments": [], "pools": []}, indent=1), "the.yaml")
        assert any(says(row.operator, line) for line in str(told.value).splitlines()), told.value
        assert wrong in str(told.value)


@pytest.mark.parametrize("scarce", ["cpus", "ram", "machines"])
async def test_full(folder: Path, monkeypatch: pytest.MonkeyPatch, scarce: str) -> None:
    this = host.look()
    factors = {"cpus": 1.5 / this.cpus, "ram": 0.75 / this.ram_gb}
    more: dict[str, object] = {"overcommit": {scarce: factors.get(scarce)}}
    if scarce == "machines":
        more = {"machines": 1}
    async with vmm(folder, monkeypatch, **more) as client:
        bobs = await client.acquire(MANTID, owner="bob", key="1")
        await eventually(  # or alice would be told of him who waits before her
            partial(client.lease, bobs.id), lambda lease: lease.state is LeaseState.ACQUIRED, READ_S
        )
        await check(client, expected("local", "full: CPUs, memory or machines"))


async def test_full_of_machines_of_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    chosen = options(folder / "machines", WAY, port)
    cloud = LocalCloud("here", chosen)
    await cloud.create(spec(M1, port, owner="others"))
    try:
        async with vmm(folder, monkeypatch, machines=1) as client:
            await check(client, expected("local", "full: machines of another installation"))
    finally:
        await cloud.delete(M1)


@pytest.fixture
def full_disk(folder: Path) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True, timeout=30
    )
    yield disk
    subprocess.run(["umount", str(disk)], check=True, timeout=30)


@pytest.mark.root
async def test_a_full_disk(folder: Path, full_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with vmm(folder, monkeypatch, folder=str(full_disk / "machines")) as client:
        await check(client, expected("local", "full: disk"))


async def test_slow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preload = ("tests.vmm_core.clouds.slow_module",)
    async with vmm(folder, monkeypatch, preload=preload, boot_deadline_s=3) as client:
        await check(client, expected("local", "slow"))


async def test_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with vmm(folder, monkeypatch, ready=1) as client:
        vacant = await eventually(
            client.machines, lambda all_: [m for m in all_ if m.state is MachineState.VACANT]
        )
        supervisor = Folder(folder / "machines" / vacant[0].id).supervisor()
        assert supervisor is not None
        os.kill(supervisor, signal.SIGKILL)
        await eventually(client.pools, lambda all_: bool(all_[0].hold), READ_S)
        await check(client, expected("local", "gone"))
