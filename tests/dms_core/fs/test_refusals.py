"""What dms:// says when something is wrong, as docs/messages/fsspec.yaml promises."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from dms_core.fs import DmsFileSystem

from ...support.messages import Row, expected, says
from .conftest import Served


def compare(situation: str, error: OSError, log: Path | None = None) -> None:
    """The user's sentence is the error's; the operator's the log's, else the same."""
    row: Row = expected("fsspec", situation)
    assert says(row.user, str(error)), str(error)
    lines = log.read_text().splitlines() if log else [error.strerror or ""]
    assert any(says(row.operator, line) for line in lines), lines[-3:]


def opened(host: str, **options: object) -> DmsFileSystem:
    return fsspec.filesystem("dms", host=host, skip_instance_cache=True, **options)


def test_wrong_address() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        fs = opened(f"127.0.0.1:{taken.getsockname()[1]}", token="t")
        with pytest.raises(ConnectionError) as caught:
            fs.ls("/archive")
    compare("wrong address", caught.value)
    fs.close()


def test_wrong_credentials(served: Served) -> None:
    fs = opened(served.host, token="made.up.token")
    with pytest.raises(PermissionError) as caught:
        fs.ls("/archive")
    compare("wrong credentials", caught.value, served.folder / "serve.log")
    fs.close()


def test_no_credentials(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DMS_URL", raising=False)
    with pytest.raises(PermissionError) as caught:
        fsspec.open(f"dms://{served.host}/archive/long.raw")
    compare("no credentials", caught.value)


def test_not_allowed(alice: DmsFileSystem, served: Served) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        alice.ls("/rb/LOQ/RBNumber/RB1410001")
    compare("not allowed", caught.value, served.folder / "serve.log")


def test_read_only(alice: DmsFileSystem, served: Served) -> None:
    before = sorted((served.folder / "archive").rglob("*"))
    with pytest.raises(PermissionError) as caught:
        alice.open("/archive/new.raw", "wb")
    compare("read-only", caught.value, served.folder / "serve.log")
    with pytest.raises(PermissionError):
        alice.pipe("/archive/new/deep.raw", b"x")
    with pytest.raises(PermissionError):
        alice.rm("/archive/long.raw")
    with pytest.raises(PermissionError):
        alice.mv("/archive/long.raw", "/archive/other.raw")
    assert sorted((served.folder / "archive").rglob("*")) == before


def test_slow(fs_of: Callable[..., DmsFileSystem], served: Served) -> None:
    fs = fs_of("alice", timeout_s=0.3)
    os.kill(served.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(ConnectionError) as caught:
            fs.info("/archive")
    finally:
        os.kill(served.process.pid, signal.SIGCONT)
    compare("slow", caught.value)


def test_no_mount(tmp_path: Path) -> None:
    fs = opened("", socket=str(tmp_path / "no.sock"))
    with pytest.raises(ConnectionError) as caught:
        fs.ls("/archive")
    compare("no mount", caught.value)
