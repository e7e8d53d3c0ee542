"""A DMS service as a program, and file systems of its users."""

from __future__ import annotations

import asyncio
import os
import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest

from dms_core.access.frontends import Scope, add
from dms_core.client.service import DmsClient
from dms_core.fs import DmsFileSystem

DEADLINE_S = 30
FILES = {
    "archive/cycle/run1.raw": 3 << 20,
    "archive/cycle/run2.raw": 10,
    "archive/long.raw": 9 << 20,
}
VOLUMES = """\
storages:
  - {name: archive-disk, kind: posix, options: {folder: archive, read_only: true}}
  - {name: home-disk, kind: posix, options: {folder: home}}
  - {name: rb-disk, kind: posix, options: {folder: rb}}
volumes:
  - {name: archive, policy: archive, storage: archive-disk}
  - {name: home, policy: home, storage: home-disk}
  - {name: rb, policy: rb, storage: rb-disk}
membership: membership.yaml
"""
MEMBERSHIP = """\
instruments: {LOQ: {}}
experiments:
  RB1410001: {instrument: LOQ, members: [carol]}
"""


@dataclass(frozen=True)
class Served:
    """A service, its users' token files and the folder it serves."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def token_file(self, user: str) -> Path:
        return self.folder / f"{user}.token"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """``dms serve`` with an archive, homes of alice and bob and an experiment of carol's."""
    folder = tmp_path_factory.mktemp("served")
    for name in ("archive/cycle", "home/alice", "home/bob", "rb/LOQ/RBNumber/RB1410001"):
        (folder / name).mkdir(parents=True)
    for name, size in FILES.items():
        (folder / name).write_bytes(os.urandom(size))
    (folder / "archive/latest.raw").symlink_to("cycle/run1.raw")
    (folder / "archive/last").symlink_to("cycle")
    (folder / "volumes.yaml").write_text(VOLUMES)
    (folder / "membership.yaml").write_text(MEMBERSHIP)
    frontend = add(folder / "frontends.yaml", "hub", [Scope.ISSUE])
    options = [
        f"--DMS.config={folder / 'volumes.yaml'}",
        f"--DMS.frontends_file={folder / 'frontends.yaml'}",
        f"--DMS.key_file={folder / 'key.pem'}",
        "--DMS.port=0",
    ]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dms_core.cli", "serve", *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], DEADLINE_S)
        found = re.search(r"http://[\d.]+:\d+", process.stdout.readline() if ready else "")
        assert found, (folder / "serve.log").read_text()
        asyncio.run(_issue(found.group(), frontend, folder))
        yield Served(found.group(), folder, process)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.communicate()


async def _issue(url: str, frontend: str, folder: Path) -> None:
    async with DmsClient(url, frontend) as dms:
        for user in ("alice", "bob"):
            (folder / f"{user}.token").write_text((await dms.issue_token(user)).token)


@pytest.fixture(scope="session")
def fs_of(served: Served) -> Iterator[Callable[..., DmsFileSystem]]:
    """``fs_of(user)``: the service as that user sees it."""
    made = []

    def of(user: str = "alice", **options: Any) -> DmsFileSystem:
        fs = fsspec.filesystem(
            "dms",
            host=served.host,
            token_file=str(served.token_file(user)),
            skip_instance_cache=True,
            **options,
        )
        made.append(fs)
        return fs

    yield of
    for fs in made:
        fs.close()


@pytest.fixture(scope="session")
def alice(fs_of: Callable[..., DmsFileSystem]) -> DmsFileSystem:
    """The service as alice sees it."""
    return fs_of("alice")
