"""Tokens: what is stored, who is recognised, and what a broken file says."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from vmm_core.errors import BadRequest
from vmm_core.tokens import Scope, TokensFile, add_token, read_tokens


def test_a_new_token_is_recognised_with_its_scopes(tmp_path):
    path = tmp_path / "tokens.yaml"
    token = add_token(path, "hub", (Scope.LEASE_ANY, Scope.READ))
    caller = TokensFile(path).caller(token)
    assert caller is not None
    assert caller.name == "hub"
    assert caller.scopes == {Scope.LEASE_ANY, Scope.READ}


def test_the_file_holds_no_token_and_is_its_owners_only(tmp_path):
    path = tmp_path / "tokens.yaml"
    token = add_token(path, "hub", (Scope.READ,))
    assert token not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_unknown_tokens_are_nobodys(tmp_path):
    path = tmp_path / "tokens.yaml"
    token = add_token(path, "hub", (Scope.READ,))
    tokens = TokensFile(path)
    assert tokens.caller(token[:-1]) is None
    assert tokens.caller("") is None
    assert tokens.caller("töken") is None


def test_entries_added_and_removed_take_effect_at_once(tmp_path):
    path = tmp_path / "tokens.yaml"
    first = add_token(path, "hub", (Scope.READ,))
    tokens = TokensFile(path)
    second = add_token(path, "hub", (Scope.OPERATE,))
    assert tokens.caller(first) is not None
    assert tokens.caller(second) is not None
    path.write_text("[]\n")
    assert tokens.caller(first) is None


def test_a_file_broken_while_serving_keeps_the_tokens_read_before(tmp_path, caplog):
    path = tmp_path / "tokens.yaml"
    token = add_token(path, "hub", (Scope.READ,))
    tokens = TokensFile(path)
    path.write_text("- {name: hub\n")
    assert tokens.caller(token) is not None
    assert f"{path}:" in caplog.text


def test_adding_keeps_comments_and_mode(tmp_path):
    path = tmp_path / "tokens.yaml"
    add_token(path, "hub", (Scope.READ,))
    path.write_text("# the hub of the facility\n" + path.read_text())
    path.chmod(0o640)
    add_token(path, "alice", (Scope.LEASE,))
    assert "# the hub of the facility" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in read_tokens(path)] == ["hub", "alice"]


def test_tokens_added_at_the_same_time_are_all_kept(tmp_path):
    path = tmp_path / "tokens.yaml"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: add_token(path, f"user{n}", (Scope.LEASE,)), range(16)))
    tokens = TokensFile(path)
    assert {tokens.caller(token).name for token in made} == {f"user{n}" for n in range(16)}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("- name: a\n  sha256: 0\n", 1, "sha256"),
        ("- {name: a, sha256: %s, scopes: [read]}\n- {name: b}\n" % ("f" * 64), 2, "sha256"),
        ("- {name: a, sha256: %s, scopes: [reed]}\n" % ("f" * 64), 1, "scopes.0"),
        ("name: a\n", 1, "list"),
        ("- {name: a\n", 2, "YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_stays_as_it_was(tmp_path, text, line, says):
    path = tmp_path / "tokens.yaml"
    path.write_text(text)
    with pytest.raises(BadRequest, match=says) as refused:
        TokensFile(path)
    assert str(refused.value).startswith(f"{path}:{line}:")
    with pytest.raises(BadRequest):
        add_token(path, "hub", (Scope.READ,))
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(BadRequest, match="vmm token NAME"):
        TokensFile(tmp_path / "tokens.yaml")
