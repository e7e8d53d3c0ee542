"""Kinds of storage by entry point: found, loaded late, told when they cannot be."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import ValidationError

from dms_core.errors import ConfigError
from dms_core.storage import registry
from dms_core.storage.posix import PosixStorage
from dms_core.storage.remote import RemoteStorage


def test_the_kinds_that_come_with_the_package() -> None:
    assert registry.load("posix") is PosixStorage
    assert registry.load("remote") is RemoteStorage


def test_nothing_is_imported_before_it_is_named() -> None:
    program = (
        "import sys; from dms_core.storage import registry; registry.kinds(); "
        "sys.exit('dms_core.storage.posix' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_an_unknown_kind_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no storage of kind 'tape'; choose one of .*posix"):
        registry.load("tape")


def test_a_missing_library_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("tape", "dms_core_absent_library:Tape", registry.GROUP)
    monkeypatch.setattr(registry, "kinds", lambda: {"tape": point})
    with pytest.raises(ConfigError, match=r"No module named .*; run: pip install 'tape'"):
        registry.load("tape")


def test_what_is_no_storage_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("path", "pathlib:Path", registry.GROUP)
    monkeypatch.setattr(registry, "kinds", lambda: {"path": point})
    with pytest.raises(ConfigError, match="no Storage"):
        registry.load("path")


async def test_a_storage_is_made_from_its_options(tmp_path: Path) -> None:
    checked = registry.options("posix", {"folder": str(tmp_path), "read_only": True})
    storage = registry.make("posix", checked)
    assert not storage.writable
    await storage.close()
    remote = registry.make("remote", registry.options("remote", {"url": "https://dms.example.org"}))
    assert isinstance(remote, RemoteStorage)
    await remote.close()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("posix", {}),
        ("posix", {"folder": "/", "threads": 0}),
        ("posix", {"folder": "/", "other": 1}),
        ("remote", {"url": "dms.example.org"}),
        ("remote", {"url": "https://dms.example.org?x"}),
    ],
)
def test_wrong_options_are_refused(kind: str, options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        registry.options(kind, options)
