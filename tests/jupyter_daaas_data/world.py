"""A DMS service and a mount of it, as programs, over folders of the test's own."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dms_core.access.frontends import Scope, add
from dms_core.client.service import DmsClient
from dms_core.fuse.mountpoint import is_mounted

from ..support.waiting import until

USER = getpass.getuser()
CYCLE = "archive/NDXSANS2D/Instrument/data/cycle_13_2"
EXPERIMENT = "rb/SANS2D/RBNumber/RB1310123"
MIB = 2**20
DEADLINE_S = 30

VOLUMES = """\
storages:
  - {name: archive-disk, kind: posix, options: {folder: archive, read_only: true}}
  - {name: home-disk, kind: posix, options: {folder: home}}
  - {name: rb-disk, kind: posix, options: {folder: rb}}
volumes:
  - {name: archive, policy: archive, storage: archive-disk, title: Experiment archive}
  - {name: home, policy: home, storage: home-disk}
  - {name: rb, policy: rb, storage: rb-disk, title: Experiments}
membership: membership.yaml
"""

MEMBERSHIP = f"""\
instruments:
  SANS2D: {{}}
  LOQ: {{}}
experiments:
  RB1310123: {{instrument: SANS2D, members: [{USER}], title: Micelles in flow}}
  RB1310999: {{instrument: LOQ, members: [somebody-else], title: Not yours}}
"""


@dataclass(frozen=True)
class World:
    """Where things are: what the service serves, what the mount shows."""

    served: Path
    mountpoint: Path
    socket: Path
    service_pid: int
    mount_pid: int

    @property
    def home(self) -> Path:
        """The user's home in the mount."""
        return self.mountpoint / "home" / USER


def lay_out(folder: Path) -> None:
    """Files of every kind that the panel treats in a way of its own."""
    cycle = folder / CYCLE
    cycle.mkdir(parents=True)
    for number in range(22041, 22052):
        (cycle / f"SANS2D000{number}.nxs").write_bytes(os.urandom(2 * MIB))
    for number in (33837, 33838):
        (cycle / f"SANS2D000{number}_events.nxs").write_bytes(os.urandom(24 * MIB))
    (cycle / "journal.txt").write_text("22041 direct beam\n")
    (cycle / "binary.txt").write_bytes(b"text\0no more")
    (cycle / "café 100%.log").write_text("names are names\n")
    (cycle / "latest").symlink_to(".")
    (folder / "archive/many").mkdir()
    for number in range(1250):
        (folder / f"archive/many/RUN{number:05}.raw").touch()
    (folder / EXPERIMENT).mkdir(parents=True)
    (folder / EXPERIMENT / "reduced.txt").write_text("q I\n")
    (folder / "rb/LOQ/RBNumber/RB1310999").mkdir(parents=True)
    (folder / "home" / USER).mkdir(parents=True)
    (folder / "home" / USER / "notes.txt").write_text("mine\n")
    (folder / "volumes.yaml").write_text(VOLUMES)
    (folder / "membership.yaml").write_text(MEMBERSHIP)


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """A world in ``folder``; nothing of it is left afterwards."""
    served = folder / "served"
    served.mkdir(parents=True)
    lay_out(served)
    frontend = add(folder / "frontends.yaml", "hub", [Scope.ISSUE])
    with _program(folder, "serve", *_serve_options(folder, served)) as service:
        url = _url(service)
        token = asyncio.run(_user_token(url, frontend))
        config = folder / "mount.json"
        mountpoint, socket = folder / "data", folder / "control.sock"
        mountpoint.mkdir()
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            json.dump(
                {
                    "service": url,
                    "mountpoint": str(mountpoint),
                    "user": USER,
                    "token": token,
                    "cache": {"folder": str(folder / "cache"), "limit_gb": 0.5},
                    "socket": str(socket),
                },
                out,
            )
        with _program(folder, "mount", "--foreground", "--config", str(config)) as mount:
            _wait_for_mount(mount, mountpoint, socket)
            yield World(served, mountpoint, socket, service.pid, mount.pid)
        if is_mounted(mountpoint):
            raise AssertionError(f"{mountpoint} is still mounted")


def _serve_options(folder: Path, served: Path) -> list[str]:
    return [
        f"--DMS.config={served / 'volumes.yaml'}",
        f"--DMS.frontends_file={folder / 'frontends.yaml'}",
        f"--DMS.key_file={folder / 'key.pem'}",
        "--DMS.port=0",
    ]


@contextmanager
def _program(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``dms ARGUMENTS``, ended with SIGTERM, then without mercy."""
    with (folder / f"{arguments[0]}.log").open("w") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", "dms_core.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield program
        finally:
            program.terminate()
            with suppress(subprocess.TimeoutExpired):
                program.wait(10)
            program.kill()
            program.communicate()


def _url(service: subprocess.Popen[str]) -> str:
    """The service's address, as it prints it."""
    assert service.stdout is not None
    ready, _, _ = select.select([service.stdout], [], [], DEADLINE_S)
    line = service.stdout.readline() if ready else ""
    assert "http://" in line, f"dms serve printed {line!r}"
    return line.split()[-1].removesuffix("/dms/api/v1")


async def _user_token(url: str, frontend: str) -> str:
    async with DmsClient(url, frontend) as dms:
        return (await dms.issue_token(USER)).token


def _wait_for_mount(mount: subprocess.Popen[str], mountpoint: Path, socket: Path) -> None:
    def ready() -> bool:
        assert mount.poll() is None, "dms mount ended"
        return is_mounted(mountpoint) and socket.exists()

    until(ready, "dms mount is ready", DEADLINE_S)
