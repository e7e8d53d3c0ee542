"""Machines with several people at each: mount namespaces with accounts of their own.

A machine has its own ``/etc/passwd`` and an empty ``/mnt``, in which every
person gets a real mount of one real service. All of it is gone when the
machine's ``with`` ends, and with the test's process if that is killed.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dms_core import errors
from dms_core.client.mount import Mount
from dms_core.client.service import Dms

from ...support.waiting import until
from ..fuse.running import SECONDS, Service, gone

PEOPLE = ("alice", "bob", "sarah", "root-of-data")
"""Two members of experiments, an instrument's scientist, an administrator."""

ARCHIVE, HOME, OWN, OTHERS, OLD = (
    *("archive/run.nxs", "home"),
    *("rb/SANS2D/RBNumber/RB1310123", "rb/SANS2D/RBNumber/RB1310124"),
    "old/SANS2D/RBNumber/RB1310123",
)
VOLUMES = """\
storages:
  - {name: archive-disk, kind: posix, options: {folder: archive, read_only: true}}
  - {name: home-disk, kind: posix, options: {folder: home}}
  - {name: rb-disk, kind: posix, options: {folder: rb}}
  - {name: old-disk, kind: posix, options: {folder: old, read_only: true}}
volumes:
  - {name: archive, policy: archive, storage: archive-disk}
  - {name: home, policy: home, storage: home-disk}
  - {name: rb, policy: rb, storage: rb-disk}
  - {name: old, policy: rb, storage: old-disk}
"""
MEMBERSHIP = """\
administrators: [root-of-data]
instruments:
  SANS2D: {scientists: [sarah]}
  LOQ: {}
experiments:
  RB1310123: {instrument: SANS2D, members: [alice, bob]}
  RB1310124: {instrument: SANS2D, members: [bob]}
  RB1410001: {instrument: LOQ, members: []}
"""


class Facility(Service):
    """A service with an archive, homes, experiments and read-only experiments of old.

    Its memberships are in a file until :meth:`ask_directory`.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.folder / "volumes.yaml").write_text(f"{VOLUMES}membership: membership.yaml\n")
        self.write_members(MEMBERSHIP)
        for volume in ("rb", "old"):
            for number in ("SANS2D/RBNumber/RB1310123", "SANS2D/RBNumber/RB1310124"):
                (self.folder / volume / number).mkdir(parents=True)
                (self.folder / volume / number / "data.txt").write_text(number)
        (self.folder / "rb/SANS2D/calibration").mkdir()
        (self.folder / "rb/SANS2D/calibration/mask.xml").write_text("<mask/>")
        (self.folder / "rb/LOQ/RBNumber/RB1410001").mkdir(parents=True)
        (self.folder / ARCHIVE).write_text("for all")

    def ask_directory(self, kind: str, options: dict[str, object]) -> None:
        """Have the memberships from elsewhere; before it starts."""
        membership = json.dumps({"kind": kind, "options": options})  # which is YAML, too
        (self.folder / "volumes.yaml").write_text(f"{VOLUMES}membership: {membership}\n")

    def write_members(self, text: str) -> None:
        """Replace the membership file at once, as an editor does."""
        fresh = self.folder / "membership.new"
        fresh.write_text(text)
        fresh.replace(self.folder / "membership.yaml")

    def token_of(self, user: str) -> str:
        with Dms(self.url, self._frontend) as dms:
            return dms.issue_token(user).token


class Person:
    """Somebody with a mount at ``/mnt/NAME``; see ``person.py`` for the verbs."""

    def __init__(self, name: str, uid: int, within: list[str]) -> None:
        self.name = name
        script = Path(__file__).with_name("person.py")
        self._process = subprocess.Popen(
            [*within, sys.executable, "-I", "-S", str(script), str(uid), str(uid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, verb: str, path: str | None = None, *more: object) -> Any:
        """The verb's value; a path is one below the person's mount unless it is absolute.

        Raises:
            OSError: with the errno the person got.
            EOFError: the person's process ended, which a memory map can do to it.
        """
        args = [] if path is None else [str(Path(f"/mnt/{self.name}") / path), *more]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": verb, "args": args}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"{self.name} ended with {gone(self._process)}")
        answer = json.loads(line)
        if "errno" in answer:
            raise OSError(answer["errno"], f"{self.name}: {verb} {path}")
        return answer["value"]

    def end(self) -> int:
        """Go away; the status of the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        status = gone(self._process)
        self._process.stdout.close()
        return status


@dataclass
class Machine:
    """One machine; ``folder`` keeps the caches."""

    folder: Path
    first_uid: int
    driver: str = "auto"

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self._uids = {name: self.first_uid + number for number, name in enumerate(PEOPLE)}
        self._stack = contextlib.ExitStack()
        self._within: list[str] = []

    def __enter__(self) -> Machine:
        passwd = self.folder / "passwd"
        rows = [f"{name}:x:{uid}:{uid}::/:/bin/sh" for name, uid in self._uids.items()]
        passwd.write_text("\n".join(["root:x:0:0::/root:/bin/sh", *rows, ""]))
        passwd.chmod(0o644)
        script = (
            f"mount --bind {passwd} /etc/passwd && mount -t tmpfs none /mnt && echo && exec cat"
        )
        keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert keeper.stdout is not None
        assert keeper.stdin is not None
        self._stack.callback(gone, keeper)
        self._stack.callback(keeper.stdin.close)
        self._stack.callback(keeper.stdout.close)
        assert keeper.stdout.readline() == "\n"
        self._within = ["nsenter", f"--target={keeper.pid}", "--mount", "--"]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def person(self, name: str) -> Person:
        """Somebody at this machine; need not have a mount."""
        person = Person(name, self._uids[name], self._within)
        self._stack.callback(person.end)
        return person

    def join(self, service: Facility, *names: str) -> dict[str, Person]:
        """Mount for each of them, at the same time."""
        for wait in [self._begin_mount(service, name) for name in names]:
            wait()
        return {name: self.person(name) for name in names}

    def _begin_mount(self, service: Facility, name: str) -> Callable[[], None]:
        folder = self.folder / name
        folder.mkdir()
        socket = folder / "control.sock"
        config = folder / "mount.json"
        config.touch(mode=0o600)
        config.write_text(
            json.dumps(
                {
                    "service": service.url,
                    "mountpoint": f"/mnt/{name}",
                    "user": name,
                    "token": service.token_of(name),
                    "cache": {"folder": str(folder / "cache"), "limit_gb": 1},
                    "socket": str(socket),
                    "driver": self.driver,
                }
            )
        )
        daemon = subprocess.Popen(
            [
                *(*self._within, sys.executable, "-m", "dms_core.cli", "mount"),
                *("--foreground", "--config", str(config)),
            ]
        )
        self._stack.callback(_stop, daemon)
        mounts = Path(f"/proc/{daemon.pid}/mountinfo")

        def is_up() -> bool:
            try:
                with Mount(socket) as mount:
                    mount.info()
            except errors.Unreachable:
                return False
            return f" /mnt/{name} " in mounts.read_text()

        def wait() -> None:
            until(lambda: daemon.poll() is not None or is_up(), f"{name}'s mount")
            assert daemon.poll() is None, f"{name}'s mount ended"

        return wait


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    assert daemon.wait(SECONDS) == 0
