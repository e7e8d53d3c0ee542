"""Local machines: the contract of a cloud, what is kept apart, and that no end leaves anything."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from vmm_core.clouds.base import (
    Cloud,
    CloudMachine,
    CloudState,
    NoCapacity,
    Refused,
    ResourceKind,
)
from vmm_core.clouds.conformance import CloudConformance, Dial, LeaveSide
from vmm_core.clouds.local.cloud import LocalCloud
from vmm_core.clouds.local.folder import Folder
from vmm_core.clouds.local.isolation import Prober
from vmm_core.clouds.local.trees import remove_tree

from .local_machines import (
    CHECKOUT,
    INSIDE,
    M1,
    M2,
    QUIETLY,
    SMALL,
    WAYS,
    Make,
    as_nobody,
    assert_gone,
    call,
    cgroups_of,
    free_port,
    mode_of,
    names_in,
    options,
    own_namespaces,
    processes_of,
    shell,
    spec,
    until,
    users_of,
)

ONE_CREATE = "tests.vmm_core.clouds.one_create"
APART = [way for way in WAYS if way != "process"]


apart = pytest.mark.parametrize("way", APART, indirect=True)
needs_apart = pytest.mark.skipif(not APART, reason="this host makes no namespaces for this user")


class TestConformance(CloudConformance):
    """The contract of every cloud."""

    @pytest_asyncio.fixture
    async def cloud(self, folder: Path, way: str, port: int) -> AsyncIterator[Cloud]:
        made = LocalCloud("here", options(folder, way, port))
        yield made
        await made.close()

    @pytest.fixture
    def ports(self, way: str, port: int) -> tuple[int, ...]:
        return () if way == "process" else (port,)  # there one port is one machine's

    @pytest.fixture
    def reopen(self, folder: Path, way: str, port: int) -> Callable[[], Cloud]:
        return lambda: LocalCloud("here", options(folder, way, port))

    @pytest.fixture
    def dial(self) -> Dial:
        async def dial(machine: CloudMachine, port: int) -> bool:
            return await call(machine, port, b"GET /5 HTTP/1.0\r\n\r\n") != b""

        return dial

    @pytest.fixture
    def leave_side(self, folder: Path) -> LeaveSide | None:
        """The supervisor is killed and the folder removed by hand: the cgroups stay."""
        if WAYS[0] != "namespaces":
            return None  # a normal user is given none

        async def leave(machine: CloudMachine) -> ResourceKind:
            supervisor = Folder(folder / machine.id).supervisor()
            assert supervisor is not None
            os.kill(supervisor, signal.SIGKILL)
            await until(lambda: not processes_of(folder / machine.id), "its processes die")
            remove_tree(folder / machine.id)
            assert cgroups_of(machine.name)
            return ResourceKind.OTHER

        return leave

    @pytest.fixture
    def deadline_s(self) -> float:
        return 30


async def test_a_machine_comes_and_goes_and_leaves_nothing(
    cloud: LocalCloud, folder: Path, port: int, way: str
) -> None:
    machine = await cloud.create(spec(M1, port))
    assert machine.state is CloudState.RUNNING
    assert machine.isolation.startswith("not isolated" if way == "process" else way)
    supervisor = Folder(folder / M1).supervisor()
    assert supervisor is not None
    status = Folder(folder / M1).status()
    assert status is not None
    first = status.processes[-1][0]
    assert await shell(machine, port, "echo here") == "here"
    assert mode_of(folder) == 0o700
    with own_namespaces(first) as namespaces:
        await cloud.delete(M1)
        assert_gone(folder, M1)
        assert not users_of(namespaces)
    assert bool(namespaces) == (way != "process")


async def test_kill_9_of_the_supervisor_ends_everything(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    machine = await cloud.create(spec(M1, port))
    await shell(machine, port, "setsid sleep 1000 > /dev/null 2>&1 &")
    status = Folder(folder / M1).status()
    assert status is not None
    supervisor = Folder(folder / M1).supervisor()
    assert supervisor is not None
    with own_namespaces(status.processes[-1][0]) as namespaces:
        os.kill(supervisor, signal.SIGKILL)
        await until(lambda: not processes_of(folder / M1), "the machine's processes die")
        await until(lambda: not users_of(namespaces), "the namespaces are empty")
    (left,) = await cloud.list_owned("tests")
    assert left.state is CloudState.FAILED
    assert "supervisor died" in left.reason
    assert (await cloud.create(spec(M1, port))).state is CloudState.FAILED
    await cloud.delete(M1)
    assert_gone(folder, M1)


async def test_a_machine_whose_first_process_ends_is_failed(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    await cloud.create(spec(M1, port))
    status = Folder(folder / M1).status()
    assert status is not None
    os.kill(status.processes[-1][0], signal.SIGKILL)
    await until(lambda: Folder(folder / M1).supervisor() is None, "the supervisor ends, too")
    (left,) = await cloud.list_owned("tests")
    assert left.state is CloudState.FAILED
    await cloud.delete(M1)
    assert_gone(folder, M1)


async def test_a_machine_that_will_not_end_is_killed(make: Make, folder: Path, port: int) -> None:
    command = (sys.executable, str(INSIDE), str(port), "stubborn")
    cloud = make(stop_timeout_s=0.2, command=command)
    machine = await cloud.create(spec(M1, port))
    assert await shell(machine, port, "echo here") == "here"
    await cloud.delete(M1)
    assert_gone(folder, M1)


async def test_kill_9_of_the_vmm_anywhere_in_create(
    make: Make, folder: Path, way: str, port: int
) -> None:
    """At whatever moment the VMM dies: a repeated create finishes it, delete leaves nothing."""
    cloud = make()
    for delay_s in (0, 0.1, 0.2, 0.3):
        vmm = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", ONE_CREATE, str(folder), way, str(port), M1),
            cwd=CHECKOUT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert vmm.stdout is not None
        await vmm.stdout.readexactly(1)
        await asyncio.sleep(delay_s)
        if vmm.returncode is None:
            vmm.kill()
        await vmm.wait()
        machine = await cloud.create(spec(M1, port))
        assert machine.state is CloudState.RUNNING
        assert await shell(machine, port, "echo here") == "here"
        await cloud.delete(M1)
        await until(lambda: not processes_of(folder), "a trial that was under way ends, too")
        assert [name for name in names_in(folder) if not name.startswith(".new-")] == []


async def test_a_record_without_a_supervisor_is_listed_and_deleted(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    await cloud.create(spec(M1, port))
    record = Folder(folder / M1).record()
    assert record is not None
    Folder.create(folder, replace(record, name=M2))
    assert {m.name: m.state for m in await cloud.list_owned("tests")} == {
        M1: CloudState.RUNNING,
        M2: CloudState.BUILDING,
    }
    await cloud.delete(M2)
    await cloud.delete(M1)
    assert_gone(folder, M2)


# -- what is kept apart


@needs_apart
@apart
async def test_the_network_is_loopback_and_what_was_named(make: Make, port: int) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as named,
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.create_server(("127.0.0.1", 0)) as service,
    ):
        known, unknown, vmm = (s.getsockname()[1] for s in (named, other, service))
        cloud = make(reach=(known,))
        user_data = json.dumps({"service": f"http://127.0.0.1:{vmm}/"})
        machine = await cloud.create(spec(M1, port, user_data=user_data))
        devices = await shell(machine, port, "tail -n +3 /proc/net/dev | cut -d: -f1")
        assert devices.strip() == "lo"
        for number, open_ in ((known, True), (vmm, True), (unknown, False)):
            code = f"import socket;socket.create_connection(('127.0.0.1',{number}))"
            said = await shell(machine, port, f'{sys.executable} -c "{code}" && echo yes')
            assert said.endswith("yes" if open_ else "Connection refused"), number


@needs_apart
@apart
async def test_addresses_of_elsewhere_are_reached_through_the_host(make: Make, port: int) -> None:
    """One that answers, and one of another network that does not: the machine holds both."""
    with socket.create_server(("127.83.0.7", 0)) as named:
        number = named.getsockname()[1]
        silent = "198.51.100.7:9"  # TEST-NET-2: nobody is there, so the relay gives up
        cloud = make(reach=(f"127.83.0.7:{number}", silent))
        machine = await cloud.create(spec(M1, port))
        code = "import socket,sys;socket.create_connection((sys.argv[1],int(sys.argv[2])),1)"
        for address in (f"127.83.0.7 {number}", silent.replace(":", " ")):
            said = await shell(machine, port, f'{sys.executable} -c "{code}" {address} && echo yes')
            assert said.endswith("yes"), said
        beside = "198.51.100.8 9"  # an address next to one that is held is not
        said = await shell(machine, port, f'{sys.executable} -c "{code}" {beside} 2>&1 | tail -1')
        assert "unreachable" in said


@needs_apart
@apart
async def test_a_large_download_and_upload_arrive_whole(cloud: LocalCloud, port: int) -> None:
    machine = await cloud.create(spec(M1, port))
    size = 64 << 20
    body = await call(machine, port, f"GET /{size} HTTP/1.0\r\n\r\n".encode())
    assert len(body) == size
    assert body == (bytes(range(256)) * (size // 256))
    head = f"POST /upload HTTP/1.0\r\nContent-Length: {size}\r\n\r\n".encode()
    answer = (await call(machine, port, head + body)).decode()
    assert answer == f"{size} {hashlib.sha256(body).hexdigest()}"


@needs_apart
@apart
async def test_an_end_of_sending_is_passed_on_and_the_answer_comes_back(
    cloud: LocalCloud, port: int
) -> None:
    machine = await cloud.create(spec(M1, port))
    await shell(machine, port, "true")
    reader, writer = await asyncio.open_connection(machine.address, machine.ports[port + 1])
    writer.write(b"x" * 100_000)
    writer.write_eof()
    async with asyncio.timeout(20):
        assert await reader.read() == b"100000"
    writer.close()


@needs_apart
@apart
async def test_a_closed_port_inside_refuses(cloud: LocalCloud, port: int) -> None:
    closed = free_port()
    machine = await cloud.create(replace(spec(M1, port), ports=(closed,)))

    async def knock() -> bytes:
        """The reset may come before or after the caller has seen its connection stand."""
        reader, writer = await asyncio.open_connection(machine.address, machine.ports[closed])
        try:
            return await reader.read()
        finally:
            writer.close()

    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(knock(), 20)


@needs_apart
@apart
async def test_files_of_others_are_not_there_and_writes_stay_inside(
    make: Make, folder: Path, port: int
) -> None:
    secret = CHECKOUT / "pyproject.toml"
    cloud = make(hide=(secret,))
    machine = await cloud.create(spec(M1, port))
    assert await shell(machine, port, "hostname; cat /etc/hostname") == f"{M1}\n{M1}"
    assert await shell(machine, port, f"cat {secret}; ls {folder} 2>&1 | grep -c {M1}") == "0"
    assert await shell(machine, port, "ls -A /home /mnt /media /var/cache | tr -d '\\n'") == (
        "/home:/media:/mnt:/var/cache:"
    )
    mark = f"vmm-test-{os.getpid()}"
    await shell(machine, port, f"touch /etc/{mark} /tmp/{mark} /{mark} /home/{mark}")
    assert len((await shell(machine, port, f"ls /*/{mark} /{mark}")).splitlines()) == 4
    for place in ("/etc", "/tmp", "/", "/home"):
        assert mark not in names_in(Path(place))
    assert await shell(machine, port, "ls /dev | grep -cE '^(vd|sd|nvme|mem|kmsg|loop)'") == "0"
    assert await shell(machine, port, "echo x > /dev/null && head -c 1 /dev/zero | wc -c") == "1"
    assert await shell(machine, port, "stat -c %a /tmp /dev/shm") == "1777\n1777"
    assert int(await shell(machine, port, "ls -d /proc/[0-9]* | wc -l")) < 20
    assert "mknod" in await shell(machine, port, "mknod /tmp/disk b 254 0")
    await cloud.delete(M1)
    assert_gone(folder, M1)


@pytest.mark.root
async def test_users_of_the_machine_can_run_its_python(make: Make, port: int) -> None:
    cloud = make()
    machine = await cloud.create(spec(M1, port))
    code = "import os, vmm_core.model; print(os.getuid())"
    command = f'setpriv --reuid=12345 --clear-groups {sys.executable} -c "{code}"'
    assert await shell(machine, port, command) == "12345"


async def test_limits_hold_where_they_are_said_to(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    machine = await cloud.create(spec(M1, port))
    groups = cgroups_of(M1)
    if "no cgroup limits" in machine.isolation:
        assert groups == []
        return
    values = {
        path.name: path.read_text().strip()
        for group in groups
        for path in group.iterdir()
        if path.name in ("memory.limit_in_bytes", "memory.max", "cpu.cfs_quota_us", "cpu.max")
    }
    if "memory" not in machine.isolation:
        assert str(512 << 20) in values.values()
    if "cpu" not in machine.isolation:
        assert "100000" in " ".join(values.values())
    status = Folder(folder / M1).status()
    assert status is not None
    inside = {pid for group in groups for pid in (group / "cgroup.procs").read_text().split()}
    assert str(status.processes[-1][0]) in inside


# -- what is refused


async def test_sizes_that_this_host_lacks_are_told_and_refused(make: Make, port: int) -> None:
    sizes = {
        "small": {"cpus": 1, "ram_gb": 0.5},
        "huge": {"cpus": 4096, "ram_gb": 1},
        "wide": {"cpus": 1, "ram_gb": 1 << 20},
        "gpu": {"cpus": 1, "ram_gb": 1, "gpus": 99},
    }
    cloud = make(sizes=sizes)
    facts = await cloud.sizes()
    assert facts["small"].unavailable == ""
    assert "4096 CPUs" in facts["huge"].unavailable
    assert "GiB" in facts["wide"].unavailable
    assert "99 GPUs" in facts["gpu"].unavailable
    asked = spec(M1, port)
    for name in ("huge", "wide", "gpu"):
        size = SMALL.model_copy(update={"name": name})
        with pytest.raises(Refused, match=f"size {name} cannot be had here"):
            await cloud.create(replace(asked, size=size))
    assert await cloud.list_owned("tests") == []


async def test_no_more_machines_than_there_is_room_for(make: Make, port: int) -> None:
    cloud = make(machines=1)
    await cloud.create(spec(M1, port))
    with pytest.raises(NoCapacity, match="room for 1 machines"):
        await cloud.create(spec(M2, port))
    assert [m.name for m in await cloud.list_owned("tests")] == [M1]


@pytest.mark.parametrize("name", ["../up", ".hidden", "a b", ""])
async def test_names_that_are_no_names_are_refused(cloud: LocalCloud, port: int, name: str) -> None:
    with pytest.raises(Refused):
        await cloud.create(spec(name, port))
    await cloud.delete(name)


async def test_a_port_cannot_be_both_sides(make: Make, port: int) -> None:
    cloud = make(reach=(port,))
    with pytest.raises(Refused, match=f"port {port} is both"):
        await cloud.create(spec(M1, port))


@pytest.mark.skipif("process" not in WAYS, reason="as root there are no machines without isolation")
@pytest.mark.parametrize("way", ["process"], indirect=True)
async def test_without_isolation_a_port_is_one_machines(
    make: Make, cloud: LocalCloud, folder: Path, port: int
) -> None:
    with tempfile.TemporaryDirectory() as other_folder:
        await cloud.create(spec(M1, port))
        other = make(folder=Path(other_folder))
        refused = await other.create(spec(M2, port))
        assert refused.state is CloudState.FAILED
        assert f"port {port} of this host is in use" in refused.reason
        await other.delete(M2)


@pytest.mark.root
async def test_as_root_no_machine_is_without_isolation(folder: Path) -> None:
    finding = await Prober(folder.parent).find("process")
    assert finding.way is None
    assert "root of this host" in finding.reason


@pytest.mark.root
@pytest.mark.timeout(320)
def test_most_of_this_as_a_normal_user() -> None:
    chosen = "leaves_nothing or kill or anywhere or loopback or files_of or without_isolation"
    done = as_nobody([*QUIETLY, "-k", chosen, __file__])
    assert done.returncode == 0, done.stdout
