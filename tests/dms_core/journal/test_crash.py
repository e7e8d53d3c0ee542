"""What ``fsync`` accepted is at the service in the end, whenever the mount is killed.

The manifest of what was accepted lies outside the mount. At the end the local
cache is wiped, so that what is compared came from the service and nowhere else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from ...support.waiting import until
from ..fuse.running import SECONDS, Mounted, Service
from . import writer

pytestmark = pytest.mark.mount

ROUNDS = 4


def accepted(manifest: Path) -> dict[tuple[str, str], int]:
    """The newest version accepted of each file; a torn last line was not."""
    newest: dict[tuple[str, str], int] = {}
    for line in manifest.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            what, name, number = line.split()
            newest[what, name] = int(number)
    return newest


def test_kill_9_at_any_moment_loses_nothing_that_was_accepted(
    service: Service, tmp_path: Path
) -> None:
    random = Random(20131024)
    manifest = tmp_path / "manifest"
    manifest.touch()
    with Mounted(service, tmp_path / "m") as mounted:
        for turn in range(ROUNDS):
            list(mounted.home.iterdir())
            writing = subprocess.Popen(
                [sys.executable, writer.__file__, str(mounted.home), str(manifest), str(turn)],
                stderr=subprocess.PIPE,
                text=True,
            )
            before = len(manifest.read_text().splitlines())

            def grew(by: int, since: int = before) -> bool:
                return len(manifest.read_text().splitlines()) >= since + by

            wanted = random.randint(3, 40)
            until(lambda by=wanted: grew(by), "writing")  # type: ignore[misc]
            if turn % 2:
                service.stop()
                since = len(manifest.read_text().splitlines())
                until(lambda at=since: grew(5, at), "writing while away")  # type: ignore[misc]
            mounted.kill()
            _, said = writing.communicate(timeout=SECONDS)
            assert writing.returncode == 0, said
            if service.process is None:
                service.start()
            mounted.start()
        with mounted.client() as mount:
            until(lambda: mount.info().unsent_files == 0, "everything is sent")
            assert mount.queue().conflicts == ()
        mounted.stop()
        shutil.rmtree(mounted.cache)
        assert list((mounted.config().parent / "cache-journal" / "files").iterdir()) == []
        newest = accepted(manifest)
        assert len(newest) > 3 * ROUNDS, "the test proves nothing"
        for (what, name), number in newest.items():
            found = (service.home / name).read_bytes()
            if what == "file":
                assert found == writer.content(name, number), name
            elif what == "log":
                assert found.startswith(writer.lines(number)), name
                assert writer.lines(number + 2).startswith(found), name
            else:
                assert found in [writer.content("state", n) for n in (number, number + 1)], name
        hidden = [path.name for path in service.home.iterdir() if path.name.startswith(".")]
        assert hidden == []
