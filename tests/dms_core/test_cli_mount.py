"""The commands that ask a mount, over a real one of a real service."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dms_core.client.service import Dms
from dms_core.fuse.mountpoint import is_mounted
from dms_core.model import Status, Transfer

from ..support.waiting import until
from .test_cli import WAIT_S, Command, dms, folder, serving

__all__ = ["dms", "folder"]  # fixtures

SIZE = 3_000_000
RUN = "/archive/NDXSANS2D/Instrument/data/cycle_13_2/SANS2D00033837.nxs"


@pytest.fixture
def mounted(folder: Path, dms: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """``dms mount`` in the background; the mountpoint."""
    user = pwd.getpwuid(os.getuid()).pw_name
    (folder / RUN[1:]).write_bytes(os.urandom(SIZE))
    mountpoint = folder / "data"
    mountpoint.mkdir()
    config = folder / "mount.json"
    with serving(folder) as service:
        with Dms(service.url, (folder / "hub.token").read_text().strip()) as hub:
            token = hub.issue_token(user).token
        config.touch(mode=0o600)
        config.write_text(
            json.dumps(
                {
                    "service": service.url,
                    "mountpoint": str(mountpoint),
                    "user": user,
                    "token": token,
                    "cache": {"folder": str(folder / "cache"), "limit_gb": 1},
                    "socket": str(folder / "socket"),
                }
            )
        )
        started = dms("mount", "--config", config)
        assert started.status == 0, started.stderr
        process = re.search(rf"Mounted at {mountpoint} by process (\d+)", started.stdout)
        assert process is not None, started.stdout
        monkeypatch.setenv("DMS_SOCKET", str(folder / "socket"))
        try:
            yield mountpoint
        finally:
            os.kill(int(process[1]), signal.SIGTERM)
            try:
                until(lambda: not is_mounted(mountpoint), "the mount ends as it was told", WAIT_S)
            finally:
                if is_mounted(mountpoint):
                    subprocess.run(["umount", "--lazy", mountpoint], check=True)
            with suppress(ChildProcessError):  # reaped already by the next one started
                os.waitpid(int(process[1]), 0)


@pytest.mark.mount
def test_from_remote_to_pinned_and_back(
    mounted: Path, dms: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = dms("status")
    assert re.search(rf"mount +{mounted} for", shown.stdout)
    assert re.search(r"service +http://127\.0\.0\.1:\d+ answers", shown.stdout)
    assert re.search(r"^archive/ +remote *$", dms("ls").stdout, re.M)
    listed = json.loads(dms("ls", "--json", str(Path(RUN).parent)).stdout)
    assert [(row["entry"]["path"], row["status"]["state"]) for row in listed] == [(RUN, "remote")]

    fetched = dms("prefetch", "--json", "/archive/NDXSANS2D")
    assert fetched.status == 0, fetched.stderr
    [transfer] = [Transfer.model_validate(one) for one in json.loads(fetched.stdout)]
    assert transfer.state == "done"
    assert transfer.done_bytes == transfer.total_bytes == SIZE + 2048
    assert "/archive/NDXSANS2D" in dms("transfers").stdout
    assert "cached, 2.86 MiB of 2.86 MiB" in dms("status", RUN).stdout

    monkeypatch.chdir((mounted / RUN[1:]).parent)
    for command, state in (("pin", "pinned"), ("unpin", "cached"), ("evict", "remote")):
        ended = dms(command, "--json", Path(RUN).name)
        assert ended.status == 0, ended.stderr
        status = Status.model_validate_json(ended.stdout)
        assert (status.path, status.state) == (RUN, state)
    monkeypatch.chdir("/")


@pytest.mark.mount
def test_what_fails_is_told(mounted: Path, dms: Command, folder: Path) -> None:
    for command in ("status", "ls", "prefetch", "pin", "evict"):
        ended = dms(command, "/archive/absent")
        assert (ended.status, ended.stdout) == (1, "")
        assert re.fullmatch(r"dms: .*/archive/absent.*\n", ended.stderr)
    again = dms("mount", "--config", folder / "mount.json")
    assert again.status == 1
    assert f"{mounted} is a mount already" in again.stderr


@pytest.mark.mount
def test_a_mount_that_cannot_start_is_told_and_leaves_nothing(dms: Command, folder: Path) -> None:
    mountpoint = folder / "data"
    mountpoint.mkdir()
    with serving(folder) as service:
        config = {
            "service": service.url,
            "mountpoint": str(mountpoint),
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "token": "wrong",
            "cache": {"folder": str(folder / "cache")},
            "socket": str(folder / "socket"),
        }
        (folder / "mount.json").write_text(json.dumps(config))
        ended = dms("mount", "--config", folder / "mount.json")
    assert ended.status == 1
    assert re.search(r"^dms: .*does not accept the token", ended.stderr, re.M)
    assert not is_mounted(mountpoint)
    assert not (folder / "socket").exists()
