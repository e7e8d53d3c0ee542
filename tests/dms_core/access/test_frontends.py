"""Frontends and their tokens: added once, kept as hashes, checked in full."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dms_core.access.frontends import Frontends, Scope, add
from dms_core.errors import ConfigError, NotAllowed, NotAuthenticated


def test_a_token_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    file = tmp_path / "frontends.yaml"
    tokens = {name: add(file, name, [Scope.ISSUE]) for name in ("hub", "vmm")}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    frontends = Frontends(file)
    for name, token in tokens.items():
        assert token not in file.read_text()
        assert frontends.check(token, Scope.ISSUE) == name
    assert [path.name for path in tmp_path.iterdir()] == ["frontends.yaml"]


@pytest.mark.parametrize("token", ["", "dms_", "x" * 100, "é\udc80"])
def test_other_tokens_are_refused(tmp_path: Path, token: str) -> None:
    add(tmp_path / "frontends.yaml", "hub", [Scope.ISSUE])
    with pytest.raises(NotAuthenticated):
        Frontends(tmp_path / "frontends.yaml").check(token, Scope.ISSUE)
    with pytest.raises(NotAuthenticated):
        Frontends(None).check(token, Scope.ISSUE)


def test_a_scope_is_needed(tmp_path: Path) -> None:
    token = add(tmp_path / "frontends.yaml", "hub", [])
    with pytest.raises(NotAllowed, match="lacks the scope issue"):
        Frontends(tmp_path / "frontends.yaml").check(token, Scope.ISSUE)


def test_comments_in_the_file_stay(tmp_path: Path) -> None:
    file = tmp_path / "frontends.yaml"
    add(file, "hub", [Scope.ISSUE])
    file.write_text("# ours\n" + file.read_text())
    add(file, "vmm", [Scope.ISSUE])
    assert file.read_text().startswith("# ours\n")


def test_a_name_is_added_once(tmp_path: Path) -> None:
    file = tmp_path / "frontends.yaml"
    token = add(file, "hub", [Scope.ISSUE])
    with pytest.raises(ConfigError, match="there is a frontend 'hub'"):
        add(file, "hub", [Scope.ISSUE])
    assert Frontends(file).check(token, Scope.ISSUE) == "hub"


def test_a_bad_name_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be a frontend's name"):
        add(tmp_path / "frontends.yaml", "Hub!", [Scope.ISSUE])
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_read_again_and_a_broken_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "frontends.yaml"
    hub = add(file, "hub", [Scope.ISSUE])
    frontends = Frontends(file)
    vmm = add(file, "vmm", [Scope.ISSUE])
    assert frontends.check(vmm, Scope.ISSUE) == "vmm"
    fresh = file.with_suffix(".new")
    fresh.write_text("- {name: hub}")
    fresh.replace(file)
    assert frontends.check(hub, Scope.ISSUE) == "hub"
    with pytest.raises(ConfigError, match=r"frontends\.yaml:1: 0\.sha256: is missing"):
        Frontends(file)
