import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_daaas_spawner.accounts import account_name

USERS = st.one_of(st.text(min_size=1), st.from_regex(r"[a-z][a-z0-9-]{0,40}", fullmatch=True))


@pytest.mark.parametrize("user", ["alice", "a", "rb_1310123", "a" * 32, "mary-jane"])
def test_a_valid_account_is_kept(user):
    assert account_name(user) == user


@pytest.mark.parametrize("user", ["root", "www-data", "systemd-network", "_apt", "nobody"])
def test_a_system_account_is_never_given_to_a_user(user):
    assert account_name(user) != user


def test_a_mapped_name_can_be_recognized():
    assert re.fullmatch(r"alice-facility-org-[0-9a-f]{8}", account_name("Alice@facility.org"))
    assert re.fullmatch(r"u1234-[0-9a-f]{8}", account_name("1234"))
    assert re.fullmatch(r"u-[0-9a-f]{8}", account_name("Ж"))


def test_nobody_can_choose_the_account_of_another():
    anothers = account_name("alice@facility.org")
    assert account_name(anothers) != anothers


@given(USERS)
def test_every_user_gets_a_valid_account_always_the_same(user):
    account = account_name(user)
    assert re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", account)
    assert account == account_name(user)


@given(st.lists(USERS, min_size=2, max_size=20, unique=True))
def test_no_two_users_share_an_account(users):
    assert len({account_name(user) for user in users}) == len(users)
