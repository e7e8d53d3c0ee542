"""A mount by an ordinary user: no root, no allow_other, fusermount3 does the mounting."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...support.nobody import let_in
from ...support.waiting import until
from .running import SECONDS, USER, Mounted, Service, error_of, gone

pytestmark = [pytest.mark.mount, pytest.mark.root]

BECOME = """
import os, pwd, sys
import dms_core.mount
account = pwd.getpwnam(sys.argv[1])
os.setgroups([]); os.setgid(account.pw_gid); os.setuid(account.pw_uid)
"""
MOUNT = BECOME + "dms_core.mount.run(dms_core.mount.load(dms_core.mount.Path(sys.argv[2])))"
READ = BECOME + "sys.stdout.write(open(sys.argv[2]).read())"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder the user can reach; pytest's own are root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="dms-as-user-"))
    yield folder
    shutil.rmtree(folder)


def test_an_ordinary_user_mounts_without_root(service: Service, folder: Path) -> None:
    """Where /dev/fuse is open to all, as most distributions have it."""
    if shutil.which("fusermount3") is None:
        pytest.skip("needs fusermount3")
    (service.archive / "for-a-user").write_text("read without root")
    mounted = Mounted(service, folder)
    mounted.path.mkdir()
    config = mounted.config()
    for path in (folder, mounted.path, config):
        shutil.chown(path, USER)
    device = folder / "fuse"
    os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(10, 229))
    device.chmod(0o666)
    lines = [*let_in(), f"mount --bind {device} /dev/fuse", 'exec "$0" -c "$1" "$2" "$3"']
    daemon = subprocess.Popen(
        [
            *("unshare", "--mount", "sh", "-c", "\n".join(lines)),
            *(sys.executable, MOUNT, USER, str(config)),
        ]
    )
    mounts = Path(f"/proc/{daemon.pid}/mountinfo")
    try:
        until(
            lambda: daemon.poll() is not None or f" {mounted.path} " in mounts.read_text(),
            "mounted",
        )
        assert daemon.poll() is None
        read = subprocess.run(
            [
                *("nsenter", f"--target={daemon.pid}", "--mount"),
                *(sys.executable, "-c", READ, USER, str(mounted.archive / "for-a-user")),
            ],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        assert read.stdout == "read without root"
        inside = Path(f"/proc/{daemon.pid}/root{mounted.path}")
        assert error_of((inside / "archive").stat) == errno.EACCES  # not even root
        assert mounted.cache.stat().st_mode & 0o777 == 0o700
        daemon.terminate()
        assert gone(daemon) == 0
        assert not mounted.socket.exists()
    finally:
        if daemon.poll() is None:
            daemon.kill()
            gone(daemon)
