"""Experiment directories with the members from a real slapd, as people at a machine use them."""

from __future__ import annotations

import errno
import json
import random
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dms_core.rest import API
from tests.support.messages import expected, says
from tests.support.slapd import SUFFIX, Slapd
from tests.support.waiting import until

from ..fuse.running import SECONDS, error_of
from .machines import ARCHIVE, OTHERS, OWN, PEOPLE, Facility, Machine, Person

pytestmark = [pytest.mark.mount, pytest.mark.root]

REFRESH_S, GRACE_S = 1.0, 4.0


@pytest.fixture
def slapd(tmp_path: Path) -> Iterator[Slapd]:
    slapd = Slapd(tmp_path / "slapd")
    slapd.start()
    try:
        slapd.fill()
        for name in PEOPLE:
            slapd.add_person(name)
        slapd.add_group("rb-SANS2D-RB1310123", "alice", "bob")
        slapd.add_group("rb-SANS2D-RB1310124", "bob")
        slapd.add_group("scientists-SANS2D", "sarah")
        slapd.add_group("dms-administrators", "root-of-data")
        yield slapd
    finally:
        slapd.stop()


@pytest.fixture
def facility(tmp_path: Path, slapd: Slapd) -> Iterator[Facility]:
    facility = Facility(tmp_path / "service")
    facility.ask_directory("ldap", slapd.options(refresh_s=REFRESH_S, grace_s=GRACE_S))
    with facility:
        yield facility


@pytest.fixture
def everyone(facility: Facility, tmp_path: Path) -> Iterator[dict[str, Person]]:
    with Machine(tmp_path / "machine", random.randrange(100_000, 2**30)) as machine:
        yield machine.join(facility, "alice", "bob", "sarah")


def refused(person: Person, verb: str, path: str) -> int:
    return error_of(lambda: person.do(verb, path))


def asked(facility: Facility, resource: str, user: str | None = None) -> dict[str, str]:
    """The service's answer, good or bad."""
    request = urllib.request.Request(f"{facility.url}{API}{resource}")
    if user is not None:
        request.add_header("Authorization", f"Bearer {facility.token_of(user)}")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.load(error))


def test_members_come_and_go_and_the_directory_does_too(
    slapd: Slapd, facility: Facility, everyone: dict[str, Person]
) -> None:
    alice, bob, sarah = everyone.values()
    shown = {name: person.do("names", "rb/SANS2D/RBNumber") for name, person in everyone.items()}
    both = ["RB1310123", "RB1310124"]
    assert shown == {"alice": ["RB1310123"], "bob": both, "sarah": both}
    assert asked(facility, "/health")["status"] == "ok"

    # A revocation and an addition act.
    alice.do("hold", f"{OWN}/data.txt")
    slapd.leave("rb-SANS2D-RB1310123", "alice")
    slapd.join("rb-SANS2D-RB1310124", "alice")
    until(lambda: error_of(lambda: alice.do("again")), "revoked")
    until(lambda: not refused(alice, "read", f"{OTHERS}/data.txt"), "added")
    assert bob.do("read", f"{OWN}/data.txt") == "SANS2D/RBNumber/RB1310123"

    # Without the directory the last memberships hold for a while; then experiments are closed.
    alice.do("hold", f"{OTHERS}/data.txt")
    slapd.kill()
    until(lambda: asked(facility, "/health")["status"] == "degraded", "told")
    assert slapd.url not in str(asked(facility, "/health"))
    until(lambda: error_of(lambda: alice.do("again")) == errno.EACCES, "closed")
    until(lambda: refused(sarah, "names", OWN) == errno.EACCES, "closed to all")
    for person in everyone.values():
        assert person.do("read", ARCHIVE) == "for all"
        assert person.do("names", f"home/{person.name}") == []
    for situation in ("gone", "wrong address", "slow"):
        promised = expected("membership", situation).user
        assert says(promised, asked(facility, "/entries/rb/SANS2D", "alice")["detail"])

    slapd.start()
    until(lambda: not refused(alice, "read", f"{OTHERS}/data.txt"), "open again")
    assert refused(alice, "read", f"{OWN}/data.txt") == errno.ENOENT
    assert asked(facility, "/health")["status"] == "ok"


@pytest.mark.parametrize(
    ("change", "situation", "command"),
    [
        ({"groups_base": f"ou=absent,{SUFFIX}"}, "wrong base", ["check", "volumes.yaml"]),
        (
            {"bind_dn": f"cn=nobody,{SUFFIX}"},
            "wrong credentials",
            ["serve", "--config", "volumes.yaml", "--port", "0"],
        ),
    ],
)
def test_a_service_that_cannot_ask_does_not_start(
    slapd: Slapd, tmp_path: Path, change: dict[str, object], situation: str, command: list[str]
) -> None:
    facility = Facility(tmp_path / "service")
    facility.ask_directory("ldap", slapd.options(**change))
    ended = subprocess.run(
        [sys.executable, "-m", "dms_core.cli", *command],
        cwd=facility.folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 1
    said = ended.stderr.strip().splitlines()[-1].partition(": ")[2]
    assert says(expected("membership", situation).operator, said)
