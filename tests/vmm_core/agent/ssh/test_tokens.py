"""The file of websockify's tokens: root's alone, whatever lies in its way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmm_core.agent.ssh.tokens import TokenFile


@pytest.fixture
def careless() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_link_in_its_way_leads_nowhere(tmp_path: Path, careless: None) -> None:
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    (tmp_path / "tokens.new").symlink_to(victim)
    path = tmp_path / "tokens"
    tokens = TokenFile(path, "127.0.0.1:5901")
    tokens.prepare()
    tokens.add("t" * 16)
    assert path.read_text() == f"{'t' * 16}: 127.0.0.1:5901\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert victim.read_text() == "as it was"
    assert [each.name for each in tmp_path.iterdir() if each != victim] == ["tokens"]
