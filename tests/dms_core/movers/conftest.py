"""The real servers, one of each for the tests that leave them alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dms_core.storage.conformance import SAMPLE, lay_out
from tests.support import gridftp, nginx

ASCII = {path: content for path, content in SAMPLE.items() if path.isascii()}
"""What a clear-text control channel can name."""


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the conformance sample."""
    folder = tmp_path_factory.mktemp("sample")
    lay_out(folder)
    return folder


def pattern(file: Path, size: int) -> Path:
    """Fill a file so that every 16 bytes tell where they are."""
    file.write_bytes(b"".join(b"%015d\n" % at for at in range(0, size, 16))[:size])
    return file


def need_gridftp() -> None:
    if gridftp.PROGRAM is None:
        pytest.skip(gridftp.MISSING)


def need_nginx() -> None:
    if nginx.PROGRAM is None:
        pytest.skip(nginx.MISSING)


@pytest.fixture(scope="session")
def anonymous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gridftp.GridftpServer]:
    need_gridftp()
    folder = tmp_path_factory.mktemp("ascii")
    for path, content in ASCII.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    with gridftp.gridftp_server(folder) as server:
        yield server


@pytest.fixture(scope="session")
def gsi(sample: Path) -> Iterator[gridftp.GridftpServer]:
    need_gridftp()
    with gridftp.gridftp_server(sample, gsi=True) as server:
        yield server


@pytest.fixture(scope="session")
def web(sample: Path) -> Iterator[nginx.Nginx]:
    need_nginx()
    with nginx.nginx(sample) as server:
        yield server


@pytest.fixture(scope="session")
def secure_web(sample: Path) -> Iterator[nginx.Nginx]:
    need_nginx()
    with nginx.nginx(sample, tls=True, token="s3cr3t") as server:
        yield server
