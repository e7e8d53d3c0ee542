"""Archives behind a GridFTP server (anonymous, GSI) and nginx, read through the real mount."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dms_core.client.mount import Mount
from dms_core.model import Transfer
from dms_core.storage.conformance import SAMPLE, lay_out
from tests.dms_core.fuse.running import Mounted, Service, error_of
from tests.dms_core.movers.conftest import ASCII, need_gridftp, need_nginx, pattern
from tests.support.gridftp import GridftpServer, gridftp_server
from tests.support.nginx import Nginx, nginx
from tests.support.servers import Server
from tests.support.waiting import until

pytestmark = [pytest.mark.mount, pytest.mark.root]

LARGE = 24 << 20
VOLUMES = """\
storages:
  - {{name: grid-far, kind: gridftp, options: {{url: "{grid}", immutable: true, timeout_s: 2}}}}
  - name: secure-far
    kind: gridftp
    options: {{url: "{gsi}", ca: "{ca}", certificate: "{certificate}", key: "{key}"}}
  - {{name: web-far, kind: http, options: {{url: "{web}", immutable: true, timeout_s: 2}}}}
volumes:
  - {{name: grid, policy: archive, storage: grid-far}}
  - {{name: secure, policy: archive, storage: secure-far}}
  - {{name: web, policy: archive, storage: web-far}}
membership: membership.yaml
"""


class Site:
    """The three servers over one folder, the service before them, and a mount."""

    def __init__(self, folder: Path, grid: GridftpServer, gsi: GridftpServer, web: Nginx) -> None:
        self.files, self.grid, self.web = folder / "files", grid, web
        self.service = Service(folder / "service")
        (self.service.folder / "volumes.yaml").write_text(
            VOLUMES.format(grid=grid.url, gsi=gsi.url, web=web.url, **gsi.credentials)
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need_gridftp()
    need_nginx()
    folder = tmp_path_factory.mktemp("site")
    (folder / "files").mkdir()
    lay_out(folder / "files")
    pattern(folder / "files" / "large.nxs", LARGE)
    with (
        gridftp_server(folder / "files") as grid,
        gridftp_server(folder / "files", gsi=True) as gsi,
        nginx(folder / "files") as web,
    ):
        site = Site(folder, grid, gsi, web)
        with site.service:
            yield site


@pytest.fixture(scope="module")
def mounted(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with Mounted(site.service, tmp_path_factory.mktemp("mount"), block_kib=256) as running:
        yield running


def _transfer(client: Mount, transfer: str) -> Transfer:
    return next(one for one in client.transfers() if one.id == transfer)


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@pytest.mark.parametrize("volume", ["grid", "secure", "web"])
def test_the_tree_is_the_far_one(site: Site, mounted: Mounted, volume: str) -> None:
    top = mounted.path / volume
    sample = ASCII if volume == "grid" else SAMPLE
    for folder in {str(Path(path).parent) for path in sample}:
        names = {path.name for path in (site.files / folder).iterdir()}
        assert {path.name for path in (top / folder).iterdir()} == names
    for path in sample:
        here, there = (top / path).stat(), (site.files / path).stat()
        assert (here.st_size, int(here.st_mtime)) == (there.st_size, int(there.st_mtime))
        assert digest(top / path) == digest(site.files / path), path
    assert digest(top / "large.nxs") == digest(site.files / "large.nxs")
    assert error_of((top / "absent").stat) == errno.ENOENT
    assert error_of((top / "new").touch) == errno.EROFS


@pytest.mark.parametrize("volume", ["grid", "secure", "web"])
def test_any_range_is_the_truth(site: Site, mounted: Mounted, volume: str) -> None:
    chance = random.Random(volume)
    (site.files / f"{volume}.bin").write_bytes(chance.randbytes(3_000_001))
    truth = (site.files / f"{volume}.bin").read_bytes()
    until(lambda: (mounted.path / volume / f"{volume}.bin").exists(), "it is seen")
    with (mounted.path / volume / f"{volume}.bin").open("rb", buffering=0) as file:
        for _ in range(40):
            offset, length = chance.randrange(len(truth)), chance.choice((1, 4096, 100_000))
            assert os.pread(file.fileno(), length, offset) == truth[offset : offset + length]


@pytest.mark.parametrize("volume", ["grid", "web"])
def test_a_server_that_dies_while_it_is_read_and_comes_back(
    site: Site, tmp_path: Path, volume: str
) -> None:
    """What was read stays readable, the rest fails clearly, and all is well again by itself."""
    server: Server = site.grid if volume == "grid" else site.web
    with Mounted(site.service, tmp_path, block_kib=256) as mounted:
        file, truth = mounted.path / volume / "large.nxs", (site.files / "large.nxs").read_bytes()
        with file.open("rb", buffering=0) as opened:
            first = os.pread(opened.fileno(), 4096, 0)
            assert first == truth[:4096]
            server.kill()
            try:
                failed = error_of(lambda: os.pread(opened.fileno(), 4096, LARGE - 4096))
                assert failed == errno.EHOSTUNREACH
                assert os.pread(opened.fileno(), 4096, 0) == first
                with mounted.client() as client:
                    assert client.info().reachable, "the service and the other volumes are"
                    started = client.prefetch(f"/{volume}/large.nxs").id
                    until(lambda: _transfer(client, started).state == "failed", "it failed")
                    told = f"/{volume}/large.nxs cannot be reached now: its storage is away"
                    assert told in _transfer(client, started).reason
                assert digest(mounted.path / "secure" / "greeting.txt")
            finally:
                server.start()
            until(
                lambda: not error_of(lambda: os.pread(opened.fileno(), 4096, LARGE - 4096)),
                "it recovers by itself",
            )
        assert digest(file) == digest(site.files / "large.nxs")


@pytest.mark.parametrize("volume", ["grid", "web"])
def test_a_server_that_hangs_and_goes_on(site: Site, tmp_path: Path, volume: str) -> None:
    server: Server = site.grid if volume == "grid" else site.web
    with Mounted(site.service, tmp_path, block_kib=256) as mounted:
        file = mounted.path / volume / "large.nxs"
        with file.open("rb", buffering=0) as opened:
            server.freeze()
            try:
                failed = error_of(lambda: os.pread(opened.fileno(), 4096, LARGE // 2))
                assert failed == errno.EHOSTUNREACH
                assert digest(mounted.path / "secure" / "greeting.txt")
            finally:
                server.thaw()
            until(
                lambda: not error_of(lambda: os.pread(opened.fileno(), 4096, LARGE // 2)),
                "it recovers by itself",
            )
        assert digest(file) == digest(site.files / "large.nxs")
