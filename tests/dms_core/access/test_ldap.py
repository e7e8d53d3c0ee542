"""Memberships from a real slapd: layouts, names, pages, TLS, and how old an answer gets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dms_core.access.ldap import LdapDirectory
from dms_core.access.rules import Memberships
from dms_core.errors import ConfigError
from tests.support.servers import free_port
from tests.support.slapd import SUFFIX, Slapd
from tests.support.waiting import until_async

from .conftest import ALICE, Clock, Maker, loaded


async def test_groups_of_names(shared_slapd: Slapd, make: Maker) -> None:
    directory = await make(shared_slapd.options())
    assert await loaded(directory, "alice") == ALICE
    assert (await loaded(directory, "bob")).experiments == {
        ("SANS2D", "RB1310123"),
        ("SANS2D", "RB1310124"),
    }
    assert await loaded(directory, "sarah") == Memberships(
        "sarah", instruments=frozenset({"SANS2D"})
    )
    assert await loaded(directory, "adam") == Memberships("adam", administrator=True)
    assert await loaded(directory, "stranger") == Memberships("stranger")
    assert directory.problem == ""


async def test_posix_groups(slapd: Slapd, make: Maker) -> None:
    for number, (name, members) in enumerate({"rb-LOQ-1": ["alice"], "rb-LOQ-2": ["bob"]}.items()):
        slapd.add(
            f"cn={name},ou=groups,{SUFFIX}",
            ["posixGroup"],
            cn=name,
            gidNumber=1000 + number,
            memberUid=members,
        )
    options = slapd.options(layout="posix", number_folder="RB{number}")
    del options["users_base"]
    directory = await make(options)
    assert (await loaded(directory, "alice")).experiments == {("LOQ", "RB1")}
    assert (await loaded(directory, "bob")).experiments == {("LOQ", "RB2")}


async def test_groups_named_at_the_user(shared_slapd: Slapd, make: Maker) -> None:
    options = shared_slapd.options(layout="member-of")
    del options["groups_base"]
    directory = await make(options)
    assert await loaded(directory, "alice") == ALICE
    assert (await loaded(directory, "adam")).administrator
    assert await loaded(directory, "stranger") == Memberships("stranger")


async def test_another_layout_by_filters(shared_slapd: Slapd, make: Maker) -> None:
    directory = await make(
        shared_slapd.options(
            layout="active-directory",
            users_filter="(&(objectClass=inetOrgPerson)(uid={user}))",
            groups_filter="(member={dn})",
        )
    )
    assert await loaded(directory, "alice") == ALICE


async def test_all_groups_come_however_many_pages(slapd: Slapd, make: Maker) -> None:
    for number in range(45):
        slapd.add_group(f"rb-LOQ-RB{number}", "many")
    directory = await make(slapd.options(page_size=10))
    assert len((await loaded(directory, "many")).experiments) == 45


@pytest.mark.parametrize("user", ["*", "ali*", "alice)(uid=*", "bob)(|(uid=*", "a\\2a", "a\0"])
async def test_a_name_is_no_filter(shared_slapd: Slapd, make: Maker, user: str) -> None:
    directory = await make(shared_slapd.options())
    assert await loaded(directory, user) == Memberships(user)
    assert directory.problem == ""


async def test_two_users_of_one_name_are_nobody(slapd: Slapd, make: Maker) -> None:
    unit = f"ou=more,ou=people,{SUFFIX}"
    slapd.add(unit, ["organizationalUnit"], ou="more")
    slapd.add(f"uid=alice,{unit}", ["inetOrgPerson"], uid="alice", cn="alice", sn="alice")
    directory = await make(slapd.options())
    assert await loaded(directory, "alice") == Memberships("alice")


async def test_tls_from_the_start_and_unencrypted_only_when_told(
    shared_slapd: Slapd, make: Maker
) -> None:
    assert (
        await loaded(await make(shared_slapd.options(urls=[shared_slapd.secure_url])), "alice")
        == ALICE
    )
    clear = shared_slapd.options(tls="none", ca_file=None)
    assert await loaded(await make(clear), "alice") == ALICE


async def test_the_first_server_that_answers_is_asked(shared_slapd: Slapd, make: Maker) -> None:
    dead = f"ldap://127.0.0.1:{free_port()}"
    directory = await make(shared_slapd.options(urls=[dead, shared_slapd.url]))
    assert await loaded(directory, "alice") == ALICE
    assert directory.problem == ""


async def test_a_change_holds_when_the_answer_is_as_old_as_stated(
    slapd: Slapd, make: Maker
) -> None:
    clock = Clock()
    directory = await make(slapd.options(refresh_s=30), clock)
    assert await loaded(directory, "alice") == ALICE
    slapd.leave("rb-SANS2D-RB1310123", "alice")
    slapd.join("rb-SANS2D-RB1310124", "alice")
    clock.now = 30
    assert (await loaded(directory, "alice")).experiments == {("SANS2D", "RB1310124")}


async def test_an_answer_is_renewed_in_the_background_before_that(
    slapd: Slapd, make: Maker
) -> None:
    clock = Clock()
    directory = await make(slapd.options(refresh_s=30), clock)
    assert await loaded(directory, "alice") == ALICE
    slapd.leave("rb-SANS2D-RB1310123", "alice")
    clock.now = 15
    directory.of("alice")
    await until_async(lambda: not directory.of("alice").experiments, "she is out", 20)


async def test_many_requests_of_a_user_are_one_question(shared_slapd: Slapd, make: Maker) -> None:
    directory = await make(shared_slapd.options())
    await asyncio.gather(*(directory.load("alice") for _ in range(50)))
    assert directory.of("alice") == ALICE
    assert shared_slapd.connections() <= 2 * 2  # each is counted at both ends


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"urls": ["http://x"]}, "urls"),
        ({"urls": []}, "urls"),
        ({"bind_dn": None}, "go together"),
        ({"groups_base": None}, "groups_base is missing"),
        ({"users_base": None}, "users_base is missing"),
        ({"users_filter": "(uid=alice)"}, "users_filter lacks {user}"),
        ({"groups_filter": "(cn=x)"}, "groups_filter lacks"),
        ({"grace_s": 1}, "grace_s is shorter"),
        ({"experiments": ["rb-{number}"]}, "needs {instrument} and {number}"),
        ({"administrators": ["{x}"]}, "needs no field"),
        ({"number_folder": "RB"}, "needs {number} once"),
        ({"filter": "x"}, "filter"),
    ],
)
def test_wrong_options(change: dict[str, object], told: str, tmp_path: Path) -> None:
    options = {
        "urls": ["ldap://x"],
        "bind_dn": "cn=x",
        "password_file": tmp_path / "x",
        "users_base": "ou=x",
        "groups_base": "ou=x",
    }
    with pytest.raises(ValueError, match=told.replace("{", r"\{").replace("}", r"\}")):
        LdapDirectory(**options | change)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    options = {"urls": ["ldap://x"], "users_base": "ou=x", "groups_base": "ou=x"}
    password = tmp_path / "password"
    with pytest.raises(ConfigError, match="cannot be read"):
        LdapDirectory(**options, bind_dn="cn=x", password_file=password)
    password.touch(mode=0o644)
    with pytest.raises(ConfigError, match="others may read"):
        LdapDirectory(**options, bind_dn="cn=x", password_file=password)
    password.chmod(0o600)
    with pytest.raises(ConfigError, match="is empty"):
        LdapDirectory(**options, bind_dn="cn=x", password_file=password)
    with pytest.raises(ConfigError, match="CA file"):
        LdapDirectory(**options, ca_file=password)
