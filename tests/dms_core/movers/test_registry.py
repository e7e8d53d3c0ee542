"""Kinds of mover by entry point: found, loaded late, told when they cannot be."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from dms_core.errors import ConfigError
from dms_core.movers import registry
from dms_core.movers.gridftp.mover import GridftpMover
from dms_core.movers.http.mover import HttpMover


def test_the_kinds_that_come_with_the_package() -> None:
    assert registry.load("gridftp") is GridftpMover
    assert registry.load("http") is HttpMover


def test_nothing_is_imported_before_it_is_named() -> None:
    program = (
        "import sys; from dms_core import config; from dms_core.movers import registry; "
        "registry.kinds(); sys.exit(any(m.startswith('dms_core.movers.http') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_what_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"no mover of kind 'tape'; choose one of gridftp, http"):
        registry.load("tape")
    points = {
        "tape": EntryPoint("tape", "dms_core_absent_library:Tape", registry.GROUP),
        "path": EntryPoint("path", "pathlib:Path", registry.GROUP),
    }
    monkeypatch.setattr(registry, "kinds", lambda: points)
    with pytest.raises(ConfigError, match=r"Mover 'tape' .*; run: pip install 'tape'"):
        registry.load("tape")
    with pytest.raises(ConfigError, match="is no Mover"):
        registry.load("path")
