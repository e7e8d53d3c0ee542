"""A mount by an ordinary user: no root, no allow_other, fusermount3 does the mounting."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dms_core.fuse import mountpoint as mountpoints

from .running import SECONDS, USER, Mounted, Service, gone, until

pytestmark = [pytest.mark.mount, pytest.mark.root]


def test_an_ordinary_user_can_mount(service: Service, tmp_path: Path) -> None:
    if shutil.which("fusermount3") is None:
        pytest.skip("needs fusermount3")
    (service.archive / "for-user").write_text("read without root")
    mounted = Mounted(service, tmp_path / "m", driver="mfusepy")
    mounted.path.mkdir()
    command = ["setpriv", "--reuid", USER, "--clear-groups", "--", *mounted.command()]
    for path in (mounted.folder, mounted.path, mounted.folder / "mount.json"):
        shutil.chown(path, USER)
    # The folders above are root's alone; a namespace of its own shows this one elsewhere.
    outside = Path("/mnt")
    script = (
        f"mount --make-rprivate / && mount --bind {mounted.folder} {outside} && cd {Path.cwd()} && "
        + " ".join(command).replace(str(mounted.folder), str(outside))
    )
    config = mounted.folder / "mount.json"
    config.write_text(config.read_text().replace(str(mounted.folder), str(outside)))
    daemon = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stderr=subprocess.PIPE)
    try:
        inside = Path(f"/proc/{daemon.pid}/root/{outside}/data")
        until(lambda: daemon.poll() is not None or (inside / "archive").exists(), "mounted")
        assert daemon.poll() is None, daemon.stderr and daemon.stderr.read()
    finally:
        daemon.terminate()
        gone(daemon)
