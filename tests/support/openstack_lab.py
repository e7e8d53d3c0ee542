"""A real OpenStack on loopback for tests, with servers that really run.

The lab itself is a folder of its own (environment variable ``OSLAB``; see its
README): Keystone, Nova, Placement, Glance and Neutron, whose hypervisor is fake.
Here it is given a bridge of this host as its wire and our boot hook, so that
each server runs our agent on its address. ``python -m tests.support.openstack_lab install``
puts what it needs into ``.make/openstack``.

    with Lab() as lab:                      # 20 to 60 s
        options = lab.options("loc-a")      # of `kind: openstack` in a catalogue
        ...                                 # servers dial this host at lab.gateway

A guardian process ends everything when the lab is stopped, or when the process
that started it is gone, however that came.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from . import openstack_guest

CHECKOUT = Path(__file__).parents[2]
ASKED = "OSLAB"
"""Environment variable with the lab's folder; without it nothing of the lab is tried."""
PORTS = 9
_BASE = 21_000  # below the ports that the kernel gives out by itself
_STEP = 20
_MOST = 200
START_S = 400
STOP_S = 90

HOSTS = "a1:loc-a:8:16384:200:0:0:0 b1:loc-b:8:16384:200:2:2:0"
"""The lab's hypervisors: name:zone:vcpus:memory_mb:disk_gb:vgpus:pci_gpus:boot_seconds."""


def venv() -> Path:
    """Where the lab's programs are installed."""
    return Path(os.environ.get("OSLAB_VENV", CHECKOUT / ".make" / "openstack"))


def source() -> Path:
    """The lab's folder."""
    return Path(os.environ.get(ASKED) or CHECKOUT.parent / "shared" / "openstack").absolute()


def why_not() -> str:
    """Why the lab cannot be started; empty if it can."""
    if ASKED not in os.environ:
        return f"the OpenStack lab is not asked for: make test-openstack (or set {ASKED})"
    if not (source() / "up").exists():
        return f"there is no OpenStack lab in {source()}: set {ASKED} to its folder"
    if os.geteuid() != 0:
        return "the OpenStack lab needs root"
    if not (venv() / "share" / "oslab-installed").exists():
        return "the OpenStack lab is not installed: python -m tests.support.openstack_lab install"
    return ""


class Lab:
    """One lab, in a folder, a range of ports and an address range of its own."""

    zones = ("loc-a", "loc-b")
    gpu_zone = "loc-b"
    network = "lab-guests"
    image = "lab-image"
    flavor = "lab.small"
    """1 CPU, 2 GiB."""
    gpu_flavors = ("lab.pcigpu", "lab.vgpu")
    """Each with one GPU; there are two of each kind, in ``gpu_zone``."""
    cloud = "oslab-demo"
    """A member of an ordinary project: what a VMM's account is."""
    administrator = "oslab-admin"

    def __init__(self, hosts: str = HOSTS) -> None:
        self._hosts = hosts
        self._guardian: subprocess.Popen[bytes] | None = None
        self.folder = Path()
        self.number = 0

    @property
    def clouds_file(self) -> Path:
        """The ``clouds.yaml`` with ``cloud`` and ``administrator``."""
        return self.folder / "clouds.yaml"

    @property
    def gateway(self) -> str:
        """This host's address on the lab's network: where servers reach it."""
        return f"10.213.{self.number}.1"

    @property
    def subnet(self) -> str:
        """The range of the servers' addresses."""
        return f"10.213.{self.number}.0/24"

    @property
    def bridge(self) -> str:
        """The lab's wire on this host."""
        return f"oslab{self.number}"

    @property
    def auth_url(self) -> str:
        """Keystone."""
        return f"http://127.0.0.1:{self.port_base}/v3"

    @property
    def port_base(self) -> int:
        """The first of the lab's ports; see its README for which is whose."""
        return _BASE + _STEP * self.number

    def options(self, zone: str, **more: object) -> dict[str, Any]:
        """Options of an OpenStack cloud in a catalogue, as plain data."""
        return {
            "cloud": self.cloud,
            "clouds_file": str(self.clouds_file),
            "zone": zone,
            "network": self.network,
            "images": {"default": self.image},
            "timeout_s": 30,  # on a loaded machine
            **more,
        }

    def connect(self, cloud: str | None = None) -> Any:
        """An openstacksdk connection; without a name the administrator's."""
        from openstack.config import OpenStackConfig
        from openstack.connection import Connection

        config = OpenStackConfig(config_files=[str(self.clouds_file)], load_envvars=False)
        return Connection(config=config.get_one(cloud=cloud or self.administrator))

    def start(self) -> None:
        """Start everything; on failure nothing is left."""
        claim = self._claim()
        self.folder = Path(tempfile.mkdtemp(prefix="oslab-"))
        command = [sys.executable, "-m", __name__, "guard", str(self.folder), self.bridge]
        self._guardian = subprocess.Popen(
            [*command, str(source())],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is not for it
            pass_fds=[claim.fileno()],  # the claim ends when all is clean
        )
        claim.close()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything; return when nothing is left."""
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            assert self._guardian.wait(STOP_S) == 0, f"the lab in {self.folder} is not clean"
            self._guardian = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _claim(self) -> socket.socket:
        """Take the first number that no other lab of this host has, with its ports free."""
        for number in range(_MOST):
            claim = socket.socket(socket.AF_UNIX)
            self.number = number
            try:
                claim.bind(f"\0jupyter-daaas-openstack-lab-{number}")
            except OSError:
                claim.close()
                continue
            ports = range(self.port_base, self.port_base + PORTS)
            if all(map(_free, ports)) and not Path("/sys/class/net", self.bridge).exists():
                return claim
            claim.close()
        raise RuntimeError("too many OpenStack labs run on this host: stop some")

    def _start(self) -> None:
        bits = self.subnet.partition("/")[2]
        for command in (
            f"ip link add {self.bridge} type bridge",
            f"ip link set {self.bridge} addrgenmode none",  # see the guests' cables
            f"ip address add {self.gateway}/{bits} dev {self.bridge}",
            f"ip link set {self.bridge} up",
        ):
            subprocess.run(command.split(), check=True, timeout=20)
        hook = self.folder / "boot-hook"
        guest = Path(openstack_guest.__file__)
        hook.write_text(
            f"#!/bin/sh\nunset PYTHONPATH\nexec '{sys.executable}' -P '{guest}' "
            f"'{self.folder}' {self.bridge} {self.gateway}/{bits} \"$@\"\n"
        )
        hook.chmod(0o700)
        up = subprocess.run(
            [source() / "up", self.folder],
            env={
                **os.environ,
                "OSLAB_VENV": str(venv()),
                "OSLAB_PORT_BASE": str(self.port_base),
                "OSLAB_HOSTS": self._hosts,
                "OSLAB_BOOT_HOOK": str(hook),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_S,
            check=False,
        )
        if up.returncode:
            raise RuntimeError(f"the OpenStack lab does not start:\n{up.stdout[-3000:]}")
        with self.connect() as admin:
            network = admin.network.create_network(name=self.network, is_shared=True)
            admin.network.create_subnet(
                network_id=network.id,
                ip_version=4,
                cidr=self.subnet,
                gateway_ip=self.gateway,
                is_dhcp_enabled=False,
            )


def _free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return trial.connect_ex(("127.0.0.1", port)) != 0


def guard(folder: Path, bridge: str, lab: Path) -> int:
    """Wait until whoever started us is done or gone, then leave nothing of the lab."""
    sys.stdin.buffer.read()
    if (folder / "run").is_dir():
        environment = {**os.environ, "OSLAB_VENV": str(venv())}
        subprocess.run(
            [lab / "down", folder, "now"],
            env=environment,
            stdout=subprocess.DEVNULL,
            timeout=STOP_S,
            check=False,
        )
    asyncio.run(openstack_guest.stop_all(folder))
    subprocess.run(["ip", "link", "delete", bridge], capture_output=True, check=False)
    end = time.monotonic() + STOP_S
    while folder.exists() and time.monotonic() < end:  # who was killed may still be writing
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)
    return int(folder.exists())


def install() -> int:
    """Install the lab's programs, which takes minutes the first time and seconds after."""
    lab = source()
    if not (lab / "install").exists():
        print(f"there is no OpenStack lab in {lab}: its tests will be skipped")
        return 0
    if shutil.which("ip") is None:
        subprocess.run(["apt-get", "install", "-y", "-q", "iproute2"], check=True)
    environment = {**os.environ, "OSLAB_VENV": str(venv())}
    return subprocess.run([lab / "install"], env=environment, check=False).returncode


_SHARED = pytest.StashKey["Lab"]()


@pytest.fixture(scope="session")
def openstack_lab(request: pytest.FixtureRequest) -> Lab:
    """The lab of this run of the tests; skips, with the reason, where it cannot be had.

    One for all: wherever this fixture is imported, it is the same lab.
    """
    if reason := why_not():
        pytest.skip(reason)
    stash = request.config.stash
    if _SHARED not in stash:
        lab = Lab()
        lab.start()
        request.config.add_cleanup(lab.stop)  # also after a failure and Ctrl-C
        stash[_SHARED] = lab
    return stash[_SHARED]


def deselect(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the lab's tests out of a run that does not ask for the lab."""
    if ASKED in os.environ:
        return
    lab = [item for item in items if item.get_closest_marker("openstack")]
    if lab:
        config.hook.pytest_deselected(items=lab)
        items[:] = [item for item in items if item not in lab]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["install"]:
            sys.exit(install())
        case ["guard", folder, bridge, lab]:
            sys.exit(guard(Path(folder), bridge, Path(lab)))
        case _:
            sys.exit("usage: python -m tests.support.openstack_lab install")
