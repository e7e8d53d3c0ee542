"""Kinds of directories in the configuration: what is built, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dms_core.access import directory
from dms_core.access.ldap import LdapDirectory
from dms_core.access.membership import MembershipFile
from dms_core.config import build
from dms_core.errors import ConfigError

TEXT = """\
storages:
  - {name: rb-disk, kind: posix, options: {folder: rb}}
volumes:
  - {name: rb, policy: rb, storage: rb-disk}
"""
FILE = """\
membership:
  kind: yaml
  options:
    file: members.yaml
    check_every_s: 5
"""
LDAP = """\
membership:
  kind: ldap
  options:
    urls: [ldaps://ldap.example.org]
    users_base: ou=people,dc=example,dc=org
    groups_base: ou=groups,dc=example,dc=org
    bind_dn: cn=dms,dc=example,dc=org
    password_file: password
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rb").mkdir()
    (tmp_path / "members.yaml").write_text("administrators: [root]\n")
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("secret\n")
    return tmp_path


def written(folder: Path, membership: str) -> Path:
    file = folder / "volumes.yaml"
    file.write_text(TEXT + membership)
    return file


@pytest.mark.parametrize("membership", ["membership: members.yaml\n", FILE])
async def test_a_file(folder: Path, membership: str) -> None:
    house = build(written(folder, membership))
    assert isinstance(house.membership, MembershipFile)
    assert house.membership.of("root").administrator
    await house.membership.start()
    await house.membership.load("root")
    await house.membership.close()
    await house.namespace.close()


async def test_ldap_with_files_beside_the_configuration(folder: Path) -> None:
    house = build(written(folder, LDAP))
    assert isinstance(house.membership, LdapDirectory)
    assert house.membership.options.password_file == folder / "password"
    assert not house.membership.of("alice").readable  # nobody has been asked
    await house.membership.close()
    await house.namespace.close()


@pytest.mark.parametrize(
    ("membership", "told"),
    [
        ("membership: 7\n", ":5: membership: "),
        ("membership: {kind: ldpa}\n", ":5: membership: There is no directory of kind 'ldpa'"),
        (FILE.replace("file:", "fiel:"), ":8: membership.options.fiel: is not known here"),
        (LDAP.replace("ldaps", "http"), ":8: membership.options.urls.0: "),
        (LDAP.replace("password_file: password", "x: 1"), ":12: membership.options.x: is not"),
        (LDAP.replace("file: password", "file: absent"), ":5: membership: the password file "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(folder: Path, membership: str, told: str) -> None:
    file = written(folder, membership)
    with pytest.raises(ConfigError) as caught:
        build(file)
    assert str(caught.value).startswith(f"{file}{told}"), str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_kinds_that_are_shipped() -> None:
    assert {"ldap", "yaml"} <= directory.kinds().keys()
