"""The service refuses what was accepted here: it is kept, the reason is told, then it is sent."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dms_core.client.mount import Mount
from dms_core.model import CacheState, Unsent

from ...support.messages import expected, says
from ...support.waiting import until
from ..fuse.running import Mounted, Service, error_of

pytestmark = pytest.mark.mount


@pytest.fixture
def mounted(service: Service, tmp_path: Path) -> Iterator[Mounted]:
    with Mounted(service, tmp_path / "m") as running:
        assert list(running.home.iterdir()) == []
        yield running


def stuck(mount: Mount, situation: str) -> Unsent:
    """The one file that waits, once it is stuck with the sentences of that situation."""
    until(lambda: mount.info().stuck_files == 1, "the file is stuck")
    [file] = mount.queue().files
    assert says(expected("home", situation).user, f"{file.reason} {file.remedy}"), file
    return file


def ended(mounted: Mounted, situation: str) -> None:
    """End the mount, whose log must have the sentence for the operator."""
    mounted.stop()
    assert mounted.process is not None
    assert mounted.process.stderr is not None
    with mounted.process.stderr as log:
        said = log.read()
    promised = expected("home", situation).operator
    assert any(says(promised, line.split(": ", 1)[-1]) for line in said.splitlines()), said


@pytest.mark.root
def test_a_full_home_keeps_the_file_here_until_there_is_room(
    service: Service, mounted: Mounted
) -> None:
    disk = ["mount", "-t", "tmpfs", "-o", "size=1m", "dms-test", str(service.home)]
    subprocess.run(disk, check=True)
    try:
        (service.home / "filler").write_bytes(b"x" * 900_000)
        path = mounted.home / "result"
        assert error_of(lambda: path.write_bytes(b"y" * 500_000)) == errno.ENOSPC  # at close
        assert path.read_bytes() == b"y" * 500_000
        assert os.getxattr(path, "user.dms.state") == b"stuck"
        with mounted.client() as mount:
            file = stuck(mount, "home full at the service")
            assert file.state is CacheState.STUCK
            status = mount.status(file.path)
            assert (status.reason, status.remedy) == (file.reason, file.remedy)
            assert sorted(one.name for one in service.home.iterdir()) == ["filler", "result"]
            (service.home / "filler").unlink()
            until(lambda: mount.info().unsent_files == 0, "it is sent")
        assert (service.home / "result").read_bytes() == b"y" * 500_000
        ended(mounted, "home full at the service")
    finally:
        service.stop()
        subprocess.run(["umount", str(service.home)], check=True)


def test_a_file_whose_folder_is_gone_waits_for_it(service: Service, mounted: Mounted) -> None:
    folder = mounted.home / "folder"
    folder.mkdir()
    path = folder / "file"
    with path.open("w") as file:
        file.write("kept")
        file.flush()
        shutil.rmtree(service.home / "folder")
        assert error_of(file.close) == errno.ENOENT
    with mounted.client() as mount:
        stuck(mount, "folder gone")
        (service.home / "folder").mkdir()
        until(lambda: mount.info().unsent_files == 0, "it is sent")
    assert (service.home / "folder" / "file").read_text() == "kept"
    ended(mounted, "folder gone")


def test_a_token_that_is_not_taken_any_more(service: Service, mounted: Mounted) -> None:
    service.stop()
    (mounted.home / "file").write_text("kept")
    (service.folder / "key.pem").unlink()
    service.start()
    with mounted.client() as mount:
        stuck(mount, "wrong credentials")
    ended(mounted, "wrong credentials")
    mounted.token = service.token()
    mounted.start()
    with mounted.client() as mount:
        until(lambda: mount.info().unsent_files == 0, "it is sent")
    assert (service.home / "file").read_text() == "kept"
