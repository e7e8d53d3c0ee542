"""Which lines are commands, and what a name becomes on the machine."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm_core.agent.ssh.commands import TAKES, Command, CommandError, account_of, parse

TOKEN = str(uuid.UUID(int=7))

INJECTIONS = [
    "add_primary_user alice; id",
    "add_primary_user alice;id",
    "add_primary_user $(id)",
    "add_primary_user `id`",
    "add_primary_user alice\nbob",
    "add_primary_user alice\x00",
    "add_primary_user ../../etc",
    "add_primary_user -rf",
    "add_primary_user alice:0:0",
    "add_primary_user älice",
    "add_primary_user a@b@c",
    "add_primary_user alice bob",
    "add_primary_user  alice",
    "add_primary_user",
    "add_primary_user " + "a" * 65,
    f"add_websockify_token {TOKEN}:",
    f"add_websockify_token {TOKEN}:127.0.0.1:22",
    f"add_websockify_token {TOKEN}\nx: 127.0.0.1:22",
    "add_websockify_token short",
    "add_websockify_token ../../../../etc/shadow",
    "get_screenshot /etc/shadow",
    "get_screenshot; id",
    "get_screenshot && id",
    "/bin/sh -c id",
    "scp -t /tmp",
    "get_screenshot" + " " * 600,
]


@pytest.mark.parametrize("line", INJECTIONS)
def test_what_is_not_exactly_a_command_is_refused(line: str) -> None:
    with pytest.raises(CommandError):
        parse(line)


def test_the_plugins_commands_are_understood() -> None:
    for name in ("alice", "abc12345", "jane.doe@stfc.ac.uk", "o-neil_2"):
        for command in ("add_primary_user", "add_secondary_user", "remove_secondary_user"):
            assert parse(f"{command} {name}") == Command(command, name)
    for command in ("add_websockify_token", "remove_websockify_token"):
        assert parse(f"{command} {TOKEN}") == Command(command, TOKEN)
        assert TOKEN not in str(parse(f"{command} {TOKEN}"))
    assert parse("get_screenshot") == Command("get_screenshot")
    assert str(parse("add_primary_user alice")) == "add_primary_user alice"


def test_refusals_name_the_commands() -> None:
    for line in (None, "", "id"):
        with pytest.raises(CommandError) as caught:
            parse(line)
        assert all(name in str(caught.value) for name in TAKES)


def test_accounts_of_names() -> None:
    assert account_of("alice") == "alice"
    assert re.fullmatch(r"jane-doe-[0-9a-f]{8}", account_of("jane.doe@stfc.ac.uk"))
    assert account_of("jane.doe@stfc.ac.uk") != account_of("jane.doe@diamond.ac.uk")
    assert account_of("Alice") != "alice"
    assert re.fullmatch(r"u-42-[0-9a-f]{8}", account_of("42"))


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,80}", fullmatch=True))
def test_every_account_can_be_one(name: str) -> None:
    assert re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", account_of(name))


@given(st.text(max_size=80))
def test_no_line_gets_anything_else_through(line: str) -> None:
    try:
        command = parse(line)
    except CommandError:
        return
    assert re.fullmatch(r"[A-Za-z0-9._+@-]*", command.word)
