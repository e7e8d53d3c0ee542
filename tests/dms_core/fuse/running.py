"""A real service and real mounts, as processes, that are gone when their ``with`` ends."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dms_core import errors
from dms_core.client.mount import Mount
from dms_core.client.service import Dms
from dms_core.fuse import mountpoint as mountpoints

from ...support.waiting import until

SECONDS = 30
USER = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "nobody"
VOLUMES = """\
storages:
  - {name: archive-disk, kind: posix, options: {folder: archive, read_only: true}}
  - {name: home-disk, kind: posix, options: {folder: home}}
volumes:
  - {name: archive, policy: archive, storage: archive-disk}
  - {name: home, policy: home, storage: home-disk}
membership: membership.yaml
"""


def gone(process: subprocess.Popen[str], seconds: float = SECONDS) -> int:
    """Wait for the end of a process; kill it if it does not end."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(seconds)
        raise


@dataclass
class Service:
    """``dms serve`` over an archive and a home in ``folder``."""

    folder: Path
    url: str = ""
    process: subprocess.Popen[str] | None = None
    tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("archive", f"home/{USER}"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "volumes.yaml").write_text(VOLUMES)
        (self.folder / "membership.yaml").write_text("{}\n")
        add = [sys.executable, "-m", "dms_core.cli", "token", "test", "--file", "frontends.yaml"]
        self._frontend = subprocess.run(
            add, cwd=self.folder, check=True, capture_output=True, text=True, timeout=SECONDS
        ).stdout.strip()

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def home(self) -> Path:
        return self.folder / "home" / USER

    def start(self) -> None:
        port = self.url.rsplit(":", 1)[1] if self.url else "0"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dms_core.cli", "serve", "--config", "volumes.yaml"),
                *("--frontends-file", "frontends.yaml", "--key-file", "key.pem"),
                *("--port", port, "--log-level", "WARN"),
            ],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert " at http" in line, line
        self.url = line.split(" at ")[1].split("/dms/")[0]

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            gone(self.process)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def token(self) -> str:
        with Dms(self.url, self._frontend) as dms:
            return dms.issue_token(USER).token

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass
class Mounted:
    """``dms mount`` of a service below ``folder``."""

    service: Service
    folder: Path
    driver: str = "auto"
    limit_gb: float = 1
    block_kib: int = 1024
    token: str = ""
    journal: dict[str, object] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "data"
        self.socket = self.folder / "control.sock"
        self.cache = self.folder / "cache"
        self.token = self.token or self.service.token()

    @property
    def archive(self) -> Path:
        return self.path / "archive"

    @property
    def home(self) -> Path:
        return self.path / "home" / USER

    def config(self, **changes: object) -> Path:
        config = {
            "service": self.service.url,
            "mountpoint": str(self.path),
            "user": USER,
            "token": self.token,
            "cache": {
                "folder": str(self.cache),
                "limit_gb": self.limit_gb,
                "block_kib": self.block_kib,
            },
            "journal": self.journal,
            "socket": str(self.socket),
            "driver": self.driver,
            **changes,
        }
        file = self.folder / "mount.json"
        file.write_text(json.dumps(config))
        file.chmod(0o600)
        return file

    def command(self, **changes: object) -> list[str]:
        return [
            *(sys.executable, "-m", "dms_core.cli", "mount", "--foreground"),
            *("--config", str(self.config(**changes))),
        ]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command(), text=True, stderr=subprocess.PIPE)
        until(lambda: self.process.poll() is not None or self._is_up(), "mounted")
        assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
        self.path.stat()

    def _is_up(self) -> bool:
        """The socket answers before the mount stands, and after a dead one was taken off."""
        try:
            with self.client() as mount:
                mount.info()
        except errors.Unreachable:
            return False
        return mountpoints.is_mounted(self.path)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert gone(self.process) == 0

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        gone(self.process)

    def client(self) -> Mount:
        return Mount(self.socket)

    def fetched(self) -> int:
        """Bytes fetched since the mount started."""
        with self.client() as mount:
            return mount.info().fetched_bytes

    def __enter__(self) -> Mounted:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
        finally:
            if self.process is not None and self.process.stderr is not None:
                self.process.stderr.close()
            mountpoints.unmount(self.path)


def error_of(call: Callable[[], object]) -> int:
    """The errno ``call`` fails with; 0 if it does not."""
    try:
        call()
    except OSError as error:
        return error.errno or 0
    return 0


def forget_pages(path: Path) -> None:
    """Drop what the kernel keeps of a file, so that the mount is asked."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
