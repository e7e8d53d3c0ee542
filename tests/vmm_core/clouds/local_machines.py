"""What the tests of local machines share: which ways work here, and what must be gone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from vmm_core.clouds.base import CloudMachine, MachineSpec
from vmm_core.clouds.local.cloud import LocalCloud
from vmm_core.clouds.local.isolation import Prober
from vmm_core.clouds.local.options import Options
from vmm_core.model import Size

from ...support import servers
from ...support.nobody import let_in
from ...support.waiting import until_async

CHECKOUT = Path(__file__).parents[3]
INSIDE = Path(__file__).parent / "inside.py"
SMALL = Size(name="small", cpus=1, ram_gb=0.5)
M1, M2 = f"m1-{os.getpid()}", f"m2-{os.getpid()}"
"""Machines' names, which no other run of these tests has on this host at the same time."""
WAIT_S = 30
until = partial(until_async, within_s=WAIT_S, every_s=0.02)
"""Waiting for a machine; a look at all processes of the host is not cheap."""
Make = Callable[..., LocalCloud]
_KINDS = ("net", "pid")
QUIETLY = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-x"]
"""Python's arguments that run tests in a checkout which the user cannot write."""


def ways() -> list[str]:
    """Every way that can be tried as who we are."""
    if os.geteuid() == 0:
        return ["namespaces"]
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(Prober(Path(folder)).find("user namespaces"))
    return ["user namespaces", "process"] if found.way else ["process"]


WAYS = ways()


def free_port() -> int:
    """A port whose successor is free, too: a machine of these tests serves both."""
    return servers.free_port(2)


def options(folder: Path, way: str, port: int, **more: object) -> Options:
    values: dict[str, object] = {
        "folder": folder,
        "isolation": way,
        "sizes": {"small": {"cpus": 1, "ram_gb": 0.5}},
        "command": (sys.executable, str(INSIDE), str(port)),
        "stop_timeout_s": 5,
        **more,
    }
    return Options.model_validate(values)


def spec(name: str, port: int, *, owner: str = "tests", user_data: str = "{}") -> MachineSpec:
    return MachineSpec(
        name=name,
        owner=owner,
        image="default",
        size=SMALL,
        user_data=user_data,
        ports=(port, port + 1),
    )


async def call(machine: CloudMachine, port: int, request: bytes) -> bytes:
    """The body of the answer to a whole HTTP/1.0 request, asked until somebody answers."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            reader, writer = await asyncio.open_connection(machine.address, machine.ports[port])
            try:
                writer.write(request)
                answer = await reader.read(-1)
            finally:
                writer.close()
            head, separator, body = answer.partition(b"\r\n\r\n")
            if separator:
                assert b" 200 " in head
                return body
        except ConnectionError:
            pass
        assert time.monotonic() < end, "nothing answers in the machine"
        await asyncio.sleep(0.02)


async def shell(machine: CloudMachine, port: int, command: str) -> str:
    """The output of a command inside the machine."""
    body = command.encode()
    head = f"POST / HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return (await call(machine, port, head + body)).decode().strip()


def processes_of(folder: Path) -> list[str]:
    """Every living process whose command line or root speaks of a machine's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes()
            links = [str((path / name).readlink()) for name in ("root", "cwd")]
        except OSError:
            continue
        ours = str(folder).encode() in line or any(str(folder) in link for link in links)
        if ours and path.name != str(os.getpid()):
            found.append(f"{path.name}: {line.decode(errors='replace')}")
    return found


def namespaces_of(pid: int) -> set[str]:
    """The network and the processes that it sees. (To hold its mounts would keep them busy.)"""
    return {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in _KINDS}


@contextmanager
def own_namespaces(pid: int) -> Iterator[set[str]]:
    """Those of a process that are not ours, held so that their names are not given to others."""
    with ExitStack() as held:
        for kind in _KINDS:
            held.enter_context(Path(f"/proc/{pid}/ns/{kind}").open("rb"))
        yield namespaces_of(pid) - namespaces_of(os.getpid())


def users_of(namespaces: set[str]) -> list[str]:
    """Processes that are in one of these namespaces."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if namespaces_of(int(path.name)) & namespaces:
                found.append(path.name)
        except OSError:
            continue
    return found


def cgroups_of(name: str) -> list[Path]:
    return [p for p in Path("/sys/fs/cgroup").rglob(f"vmm-{name}-*") if p.is_dir()]


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def mounts_of(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(folder) in line]


def assert_gone(folder: Path, name: str) -> None:
    """Nothing of a machine is left: process, mount, cgroup, folder."""
    assert not processes_of(folder / name)
    assert not mounts_of(folder)
    assert not cgroups_of(name)
    assert list(folder.iterdir()) == []


def as_nobody(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments as a normal user who can reach this Python and checkout."""
    lines = [*let_in(), 'exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"']
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", "\n".join(lines), "sh", sys.executable, *arguments],
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
