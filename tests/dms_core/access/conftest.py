"""Real LDAP servers with a few people in groups, and directories that ask them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from dms_core.access.ldap import LdapDirectory
from dms_core.access.rules import Memberships
from tests.support.slapd import Slapd

ALICE = Memberships("alice", experiments=frozenset({("SANS2D", "RB1310123")}))


@pytest.fixture(scope="session")
def shared_slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """For tests that change neither it nor its data."""
    yield from running(tmp_path_factory.mktemp("slapd") / "slapd")


@pytest.fixture
def slapd(tmp_path: Path) -> Iterator[Slapd]:
    """For tests that stop it or change its data."""
    yield from running(tmp_path / "slapd")


def running(folder: Path, **limits: str) -> Iterator[Slapd]:
    slapd = Slapd(folder, **limits)
    slapd.start()
    try:
        slapd.fill()
        for name in ("alice", "bob", "sarah", "adam", "ali*", "many"):
            slapd.add_person(name)
        slapd.add_group("rb-SANS2D-RB1310123", "alice", "bob")
        slapd.add_group("rb-SANS2D-RB1310124", "bob")
        slapd.add_group("scientists-SANS2D", "sarah")
        slapd.add_group("DMS-Administrators", "adam")
        slapd.add_group("climbing", "alice")
        yield slapd
    finally:
        slapd.stop()


@pytest.fixture
def sparing(tmp_path: Path) -> Iterator[Slapd]:
    """One that gives 20 entries and no more."""
    yield from running(tmp_path / "slapd", paged="20")


Maker = Callable[..., Awaitable[LdapDirectory]]


@pytest.fixture
async def make() -> AsyncIterator[Maker]:
    """Makes and starts directories; closes them."""
    made: list[LdapDirectory] = []

    async def one(
        options: dict[str, object], clock: Callable[[], float] | None = None
    ) -> LdapDirectory:
        directory = LdapDirectory(**options, **({"clock": clock} if clock else {}))  # type: ignore[arg-type]
        made.append(directory)
        await directory.start()
        return directory

    yield one
    for directory in made:
        await directory.close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def loaded(directory: LdapDirectory, user: str) -> Memberships:
    await directory.load(user)
    return directory.of(user)
