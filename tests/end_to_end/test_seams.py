"""Every system together, as a scientist meets them in a browser.

A GPU machine of a real OpenStack, data by GridFTP, a result saved at home, and
the same home on a machine elsewhere. `make test-openstack` runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from examples.demo.archive import CYCLE, lay_out
from examples.demo.stack import Settings, Stack, until
from vmm_core.model import Needs

from ..support import pages
from ..support.gridftp import GridftpServer, gridftp_server
from ..support.messages import says
from ..support.openstack_lab import Lab
from .notebook import run_in_notebook

pytestmark = [
    pytest.mark.openstack,
    pytest.mark.browser,
    pytest.mark.mount,
    pytest.mark.root,
    pytest.mark.timeout(600),
]

ENVIRONMENT = "tomography-recommended"
EVERYWHERE = "sans-for-sans2d"
PLACE = "cloud"
ARCHIVE = f"/data/archive/NDXSANS2D/{CYCLE}/SANS2D00033837.h5"
RESULT = "/data/home/alice/transmission.txt"
WORK = f"""
import h5py, os, socket
print('machine:', socket.gethostname())
print('experiments:', sorted(os.listdir('/data/rb/SANS2D/RBNumber')))
try:
    print(os.listdir('/data/rb/SANS2D/RBNumber/RB1310456'))
except OSError as error:
    print('of others:', error.strerror)
with h5py.File('{ARCHIVE}') as run:
    q = run['sasentry01/sasdata/Q'][:]
print('Q:', q.shape[0])
with open('{RESULT}', 'w') as result:
    print('mean Q %.6f' % q.mean(), file=result)
print('saved')
"""
AGAIN = f"""
import socket
print('machine:', socket.gethostname())
print(open('{RESULT}').read())
"""
FROM_THE_OTHER = (
    "ISIS Neutron and Muon Source cannot give such machines (it needs 1 rtx4000 GPU and this host "
    "has none), so you have machine … with 2 CPUs, 4 GiB, 1 GPU at Research cloud"
)


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, GridftpServer]]:
    """The facility's data, its archive behind a GridFTP server that asks for certificates."""
    data = tmp_path_factory.mktemp("far") / "data"
    lay_out(data, events_gb=0.1)
    with gridftp_server(data / "archive", gsi=True) as server:
        yield data, server


@pytest.fixture(scope="module")
def stack(
    openstack_lab: Lab,
    far: tuple[Path, GridftpServer],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """The demo's system with one more location: an OpenStack zone with GPUs."""
    data, server = far

    def add_openstack(catalogue: dict[str, Any]) -> None:
        catalogue["locations"].append({"name": PLACE, "title": "Research cloud"})
        options = openstack_lab.options(openstack_lab.gpu_zone)
        catalogue["clouds"].append(
            {"name": "openstack", "kind": "openstack", "location": PLACE, "options": options}
        )
        size, spare = openstack_lab.gpu_flavors
        for environment, flavor, ready in (
            (ENVIRONMENT, size, 1),
            (ENVIRONMENT, spare, 0),
            (EVERYWHERE, openstack_lab.flavor, 1),
        ):
            pool = {"environment": environment, "size": flavor, "ready": ready}
            catalogue["pools"].append({**pool, "cloud": "openstack", "maximum": 2})

    def archive_by_gridftp(volumes: dict[str, Any]) -> None:
        (archive,) = (one for one in volumes["storages"] if one["name"] == "archive")
        archive["kind"] = "gridftp"
        archive["location"] = PLACE
        archive["options"] = {"url": server.url, "immutable": True, **server.credentials}

    folder = tmp_path_factory.mktemp("seams")
    stack = Stack(
        Settings(
            state=folder / "state",
            data=data,
            events_gb=0.1,
            address=openstack_lab.gateway,
            change_catalogue=add_openstack,
            change_volumes=archive_by_gridftp,
        )
    )
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def page(browser: Browser, trace_folder: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    yield page
    page.screenshot(path=trace_folder / "seams-last.png")  # what a failed test saw
    context.close()


def wait_for_machine(stack: Stack, environment: str, location: str = PLACE) -> None:
    """Return when a machine is ready: it is there before anyone asks."""
    with stack.vmm() as vmm:
        for _ in until(180):
            if any(
                (m.environment, m.location, m.state) == (environment, location, "vacant")
                for m in vmm.machines()
            ):
                return
        pytest.fail(f"no machine of {environment} at {location}: {vmm.pools()}")


def test_a_gpu_in_the_cloud_data_from_afar_and_the_result_at_home(
    stack: Stack,
    openstack_lab: Lab,
    far: tuple[Path, GridftpServer],
    page: Page,
    trace_folder: Path,
) -> None:
    wait_for_machine(stack, ENVIRONMENT)
    pages.log_in(page, stack.hub_url, "alice", stack.settings.password)

    # A GPU size at the OpenStack: the same environment is not to be had here.
    pages.open_spawn_page(page, stack.hub_url, "alice")
    pages.choose(page, ENVIRONMENT, PLACE)
    page.screenshot(path=trace_folder / "seams-1-gpu-in-the-cloud.png")
    pages.press_start(page)
    pages.wait_for_lab(page)
    with stack.vmm() as vmm:
        (lease,) = vmm.leases(owner="alice")
    machine = lease.machine
    assert machine is not None
    assert (machine.location, machine.size.gpus) == (PLACE, 1)
    assert machine.address is not None
    assert machine.address.startswith(openstack_lab.gateway.rpartition(".")[0])
    with openstack_lab.connect() as admin:
        (server_id,) = [
            each.id for each in admin.compute.servers(all_projects=True) if each.name == machine.id
        ]

    # The archive by GridFTP, her experiments only, a result at home.
    panel = pages.open_data_panel(page)
    expect(panel).to_contain_text("archive")
    data, server = far
    sent_before = server.sent_bytes()
    said = run_in_notebook(page, WORK)
    page.screenshot(path=trace_folder / "seams-2-notebook-there.png")
    assert f"machine: {server_id}" in said
    assert "experiments: ['RB1310123']" in said
    assert "of others: No such file or directory" in said
    assert "Q: " in said
    assert "saved" in said
    size = (data / ARCHIVE.removeprefix("/data/")).stat().st_size
    assert server.sent_bytes() - sent_before >= size

    # The machine goes, and all that came with it.
    pages.stop_server(page, stack.hub_url)
    with openstack_lab.connect() as admin:
        for _ in until(180):  # it stays until its session's files are sent
            left = [each.id for each in admin.compute.servers(all_projects=True)]
            if server_id not in left:
                break
        assert server_id not in left
        assert [each.id for each in admin.network.ports(device_id=server_id)] == []

    # Another machine elsewhere has the same home.
    pages.open_spawn_page(page, stack.hub_url, "alice")
    pages.choose(page, EVERYWHERE, "isis")
    page.screenshot(path=trace_folder / "seams-3-elsewhere.png")
    pages.press_start(page)
    # JupyterLab's layout is at home, too: the notebook is open and asks for a kernel here.
    page.click(".jp-Dialog .jp-mod-accept", timeout=pages.START_TIMEOUT_MS)
    said = run_in_notebook(page, AGAIN, new=False)
    page.screenshot(path=trace_folder / "seams-4-the-result-is-there.png")
    with stack.vmm() as vmm:
        (lease,) = vmm.leases(owner="alice")
    assert lease.machine is not None
    assert lease.machine.location == "isis"
    assert "mean Q" in said
    pages.stop_server(page, stack.hub_url)


def test_what_one_place_cannot_give_comes_from_the_other_and_says_why(stack: Stack) -> None:
    wait_for_machine(stack, ENVIRONMENT)
    with stack.vmm() as vmm:
        lease = vmm.acquire(Needs(environment=ENVIRONMENT, prefer=("isis", PLACE)), owner="bob")
        try:
            assert lease.machine is not None
            assert lease.machine.location == PLACE
            assert says(FROM_THE_OTHER, lease.explanation.summary), lease.explanation.summary
        finally:
            vmm.release(lease.id)


@pytest.mark.parametrize(
    ("near", "location", "summary"),
    [
        ("", "isis", "you have machine … with … at ISIS Neutron and Muon Source"),
        (ARCHIVE, PLACE, "you have machine … with … at Research cloud, where the data is"),
    ],
    ids=["anywhere", "near"],
)
def test_a_start_goes_where_the_data_is(
    stack: Stack, page: Page, trace_folder: Path, near: str, location: str, summary: str
) -> None:
    """The same link twice: the archive's storage is at the cloud, and that decides."""
    wait_for_machine(stack, EVERYWHERE)
    wait_for_machine(stack, EVERYWHERE, "isis")
    pages.log_in(page, stack.hub_url, "bob", stack.settings.password)
    link = f"{stack.hub_url}/hub/spawn/bob?opt-environment={EVERYWHERE}"
    page.goto(f"{link}&opt-near={near.removeprefix('/data')}" if near else link)
    told = page.get_by_text("Got a machine at").or_(page.locator(".jp-LauncherCard"))
    told.first.wait_for(timeout=pages.START_TIMEOUT_MS)  # a fast start is not told
    page.screenshot(path=trace_folder / f"seams-5-starts-at-{location}.png")
    pages.wait_for_lab(page)
    with stack.vmm() as vmm:
        (lease,) = vmm.leases(owner="bob")
    assert lease.machine is not None
    assert lease.machine.location == location, lease.explanation
    assert says(summary, lease.explanation.summary), lease.explanation.summary
    pages.stop_server(page, stack.hub_url)
