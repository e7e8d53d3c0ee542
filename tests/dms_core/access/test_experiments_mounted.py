"""Experiment directories as people at two machines use them: one real service, real mounts.

Alice and bob are members of RB1310123, bob of RB1310124 too; sarah is SANS2D's
scientist, root-of-data an administrator. The first machine mounts by libfuse 3,
the second by libfuse 2. ``old`` is an rb volume on a read-only storage.
"""

from __future__ import annotations

import errno
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ...support.waiting import until
from ..fuse.running import error_of
from .machines import ARCHIVE, MEMBERSHIP, OLD, OTHERS, OWN, PEOPLE, Facility, Machine, Person

pytestmark = [pytest.mark.mount, pytest.mark.root]

WITHOUT_ALICE = MEMBERSHIP.replace("[alice, bob]", "[bob]")
WITH_ALICE = MEMBERSHIP.replace("members: [bob]", "members: [alice, bob]")
REVOKED_S = 3.0
"""SEMANTICS.md: a second each for the file, the mount's memory and the kernel's."""
SLACK_S = 5.0  # a loaded machine
MAPPED_S = 8.0
DRIVERS = ("mfusepy", "fusepy")

Everyone = dict[str, Person]


@pytest.fixture(scope="module")
def facility(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facility]:
    with Facility(tmp_path_factory.mktemp("facility") / "service") as running:
        yield running


@pytest.fixture(scope="module")
def machines(
    facility: Facility, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Machine]]:
    folder = tmp_path_factory.mktemp("machines")
    uid = random.randrange(100_000, 2**30)
    with (
        Machine(folder / "one", uid, "mfusepy") as one,
        Machine(folder / "two", uid + 100, "fusepy") as two,
    ):
        yield {"mfusepy": one, "fusepy": two}


@pytest.fixture(scope="module")
def everyone(facility: Facility, machines: dict[str, Machine]) -> dict[str, Everyone]:
    return {driver: machines[driver].join(facility, *PEOPLE) for driver in DRIVERS}


@pytest.fixture(params=DRIVERS)
def here(request: pytest.FixtureRequest, everyone: dict[str, Everyone]) -> Everyone:
    """The people at one machine."""
    return everyone[request.param]


@pytest.fixture
def there(here: Everyone, everyone: dict[str, Everyone]) -> Everyone:
    """The people at the other."""
    return next(people for people in everyone.values() if people is not here)


@pytest.fixture
def fresh(facility: Facility, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name that no other test uses; what is made of it is removed."""
    name = f"{request.node.name.replace('[', '-').replace(']', '')}"
    yield name
    for made in (facility.folder / "rb").rglob(f"{name}*"):
        made.unlink()


@pytest.fixture
def change_members(
    facility: Facility, everyone: dict[str, Everyone]
) -> Iterator[Callable[[str], None]]:
    """Writes the membership file; afterwards all is as before, at both machines."""
    yield facility.write_members
    facility.write_members(MEMBERSHIP)
    for people in everyone.values():
        alice = people["alice"]
        for path in (OWN, OLD):
            until(lambda: not refused(alice, "read", f"{path}/data.txt"), "member again")  # noqa: B023
        until(lambda: refused(alice, "read", f"{OTHERS}/data.txt"), "out again")  # noqa: B023


def refused(person: Person, verb: str, path: str, *more: object) -> int:
    return error_of(lambda: person.do(verb, path, *more))


def test_who_sees_what(here: Everyone) -> None:
    seen = {name: person.do("names", "rb") for name, person in here.items()}
    assert seen == {
        "alice": ["SANS2D"],
        "bob": ["SANS2D"],
        "sarah": ["SANS2D"],
        "root-of-data": ["LOQ", "SANS2D"],
    }
    seen = {name: person.do("names", "rb/SANS2D") for name, person in here.items()}
    assert seen == {
        "alice": ["RBNumber"],
        "bob": ["RBNumber"],
        "sarah": ["RBNumber", "calibration"],
        "root-of-data": ["RBNumber", "calibration"],
    }
    for volume in ("rb", "old"):
        path = f"{volume}/SANS2D/RBNumber"
        seen = {name: person.do("names", path) for name, person in here.items()}
        assert seen["alice"] == ["RB1310123"]
        assert seen["bob"] == seen["sarah"] == seen["root-of-data"] == ["RB1310123", "RB1310124"]
    for person in here.values():
        assert person.do("read", ARCHIVE) == "for all"
        assert person.do("names", "home") == [person.name]
    assert refused(here["sarah"], "names", "rb/LOQ") == errno.ENOENT


def test_who_reads_and_writes_what(here: Everyone, fresh: str) -> None:
    alice, bob, sarah, admin = (here[name] for name in PEOPLE)
    for volume in ("rb", "old"):
        others = f"{volume}/SANS2D/RBNumber/RB1310124"
        for verb in ("names", "stat"):
            assert refused(alice, verb, others) == errno.ENOENT
        assert refused(alice, "read", f"{others}/data.txt") == errno.ENOENT
        for person in (bob, sarah, admin):
            assert person.do("read", f"{others}/data.txt") == "SANS2D/RBNumber/RB1310124"
    assert refused(alice, "make", f"{OTHERS}/{fresh}", 0o644, "x") == errno.ENOENT
    for person in here.values():
        own = f"{OWN}/{fresh}-{person.name}"
        person.do("make", own, 0o644, person.name)
        assert person.do("read", own) == person.name
        assert refused(person, "make", f"{OLD}/{fresh}", 0o644, "x") in (errno.EACCES, errno.EROFS)
        assert refused(person, "make", f"archive/{fresh}", 0o644, "x") in (
            errno.EACCES,
            errno.EROFS,
        )
    for person in (alice, bob):  # an experiment's own folder is not its members'
        moved = f"/mnt/{person.name}/{OWN}/moved"
        assert refused(person, "rename", OWN, moved) in (errno.EACCES, errno.EINVAL)
        assert refused(person, "folder", "rb/SANS2D/RBNumber/RB9", 0o755) == errno.EACCES
        assert refused(person, "read", "rb/SANS2D/calibration/mask.xml") == errno.ENOENT
    sarah.do("make", f"rb/SANS2D/calibration/{fresh}", 0o600, "by sarah")
    assert admin.do("read", f"rb/SANS2D/calibration/{fresh}") == "by sarah"


def test_nobody_gets_into_anothers_mount(here: Everyone) -> None:
    for person in here.values():
        for other in here.values():
            if person is not other:
                for path in ("", "archive", OWN, f"{OWN}/data.txt", "home"):
                    full = f"/mnt/{other.name}/{path}"
                    assert refused(person, "stat" if path else "names", full) == errno.EACCES


@pytest.mark.parametrize("mode", [0o600, 0o444, 0o000, 0o755])
def test_what_one_makes_is_the_others_too(
    here: Everyone, there: Everyone, facility: Facility, fresh: str, mode: int
) -> None:
    path = f"{OWN}/{fresh}"
    here["alice"].do("make", path, mode, "by alice")
    for number, person in enumerate([here["bob"], there["bob"], there["alice"], here["sarah"]]):
        until(lambda person=person: not refused(person, "stat", path), "seen")  # type: ignore[misc]
        shown = 0o770 if mode & 0o111 else 0o660
        assert person.do("stat", path) == [shown, True]
        person.do("read", path)
        person.do("write", path, f"change {number}")
        until(lambda: here["alice"].do("read", path) == f"change {number}", "change")  # noqa: B023
    there["bob"].do("chmod", path, 0o000)
    assert here["alice"].do("read", path) == "change 3"
    there["bob"].do("rename", path, f"/mnt/bob/{path}-renamed")
    there["bob"].do("remove", f"{path}-renamed")
    assert not (facility.folder / path).exists()


def test_at_the_storage_nobody_else_gets_in(here: Everyone, facility: Facility, fresh: str) -> None:
    folder = f"{OWN}/{fresh}-folder"
    here["alice"].do("folder", folder, 0o777)
    here["bob"].do("make", f"{folder}/{fresh}", 0o777, "x")
    here["bob"].do("make", f"{folder}/{fresh}-2", 0o666, "x")
    here["bob"].do("chmod", f"{folder}/{fresh}-2", 0o666)
    here["alice"].do("make", f"home/alice/{fresh}", 0o666, "x")
    at = facility.folder
    for path in (folder, f"{folder}/{fresh}", f"{folder}/{fresh}-2", "home/alice"):
        info = (at / path).stat()
        assert (info.st_mode & 0o077, info.st_uid) == (0, os.geteuid()), path
    here["alice"].do("remove", folder)
    here["alice"].do("remove", f"home/alice/{fresh}")


@pytest.mark.parametrize("experiment", [OWN, OLD])
def test_a_member_who_leaves_stops_reading(
    here: Everyone, change_members: Callable[[str], None], fresh: str, experiment: str
) -> None:
    """New opens, listings, cached blocks and an open handle whose pages the kernel has."""
    alice, bob = here["alice"], here["bob"]
    path = f"{experiment}/data.txt"
    assert alice.do("hold", path) == alice.do("again") == "SANS2D/RBNumber/RB1310123"
    bob.do("hold", path)
    change_members(WITHOUT_ALICE)
    until(lambda: error_of(lambda: alice.do("again")), "revoked", REVOKED_S + SLACK_S)
    until(lambda: refused(alice, "names", experiment), "revoked", REVOKED_S + SLACK_S)
    for verb in ("read", "stat", "hold"):
        assert refused(alice, verb, path) == errno.ENOENT
    until(lambda: alice.do("names", experiment.split("/")[0]) == [], "not listed")
    new = refused(alice, "make", f"{experiment}/{fresh}", 0o644, "x")
    assert new in (errno.ENOENT, errno.EACCES)
    assert bob.do("again") == bob.do("read", path) == "SANS2D/RBNumber/RB1310123"
    assert alice.do("read", ARCHIVE) == "for all"
    assert alice.do("names", "home/alice") == []


def test_memory_maps_end_too(
    machines: dict[str, Machine],
    change_members: Callable[[str], None],
) -> None:
    """By libfuse 3; libfuse 2 cannot take pages back and gives out no shared maps here."""
    paths = [f"{experiment}/data.txt" for experiment in (OWN, OLD)]
    refuser = machines["fusepy"].person("alice")
    assert [refused(refuser, "hold_map", path) for path in paths] == [errno.ENODEV] * 2
    holders = [machines["mfusepy"].person("alice") for _ in paths]
    for person, path in zip(holders, paths, strict=True):
        assert person.do("hold_map", path) == "SANS2D/RBNumber/RB1310123"
    change_members(WITHOUT_ALICE)
    for person in holders:
        until(lambda person=person: has_ended(person), "the end", MAPPED_S + SLACK_S)  # type: ignore[misc]


def has_ended(person: Person) -> bool:
    """Whether touching the map was the end of the process, by SIGBUS."""
    try:
        person.do("map_again")
    except EOFError as error:
        return str(error) == f"{person.name} ended with {-signal.SIGBUS}"
    return False


def test_a_new_member_gets_in(here: Everyone, change_members: Callable[[str], None]) -> None:
    alice = here["alice"]
    assert refused(alice, "read", f"{OTHERS}/data.txt") == errno.ENOENT
    change_members(WITH_ALICE)
    until(lambda: not refused(alice, "read", f"{OTHERS}/data.txt"), "in", REVOKED_S + SLACK_S)
    both = ["RB1310123", "RB1310124"]
    until(lambda: alice.do("names", str(Path(OTHERS).parent)) == both, "listed")
