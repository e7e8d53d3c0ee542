"""Kills a service with -9 at every effect of a story, one after the other, and lets it recover.

An *effect* is a commit of the store that changes anything, or a call of a cloud that
changes anything there: the process is killed before it and after it. The
story is played by a forked process on a simulated cloud that is kept in a file;
another one starts on what is left. Databases are SQLite files, or copies of one on
a PostgreSQL server.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import text

from vmm_core.store import Store
from vmm_core.store.engine import Transaction
from vmm_core.store.transactions import Transactions

from ..support.postgresql import Postgresql
from .processes import exit_code, forked
from .world import World, world

AT_ONCE = 2
VERBS = ("create", "delete", "suspend", "resume", "console")


class Killer:
    """Counts effects and ends the process at one of them, as kill -9 would."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.count = 0

    def effect(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def store(self) -> Callable[..., Store]:
        """Makes stores whose commits are effects."""
        killer = self

        class Killing(Transactions):
            @asynccontextmanager
            async def write(self) -> AsyncIterator[Transaction]:
                async with super().write() as tx:
                    before = await _changes(tx)
                    yield tx
                    changed = await _changes(tx) != before
                    if changed:
                        killer.effect()  # all written, nothing committed
                if changed:
                    killer.effect()  # committed, nobody knows

        return partial(Store, transactions=Killing)

    def into(self, w: World) -> None:
        """Let every call of a cloud be an effect, before and after."""

        def wrapped(call):
            async def killing(*args):
                self.effect()
                result = await call(*args)
                self.effect()
                return result

            return killing

        for cloud in w.clouds.values():
            for verb in VERBS:
                setattr(cloud, verb, wrapped(getattr(cloud, verb)))


async def _changes(tx: Transaction) -> object:
    """Something that differs once the transaction has changed anything."""
    if tx.connection.dialect.name == "postgresql":
        return await tx.connection.scalar(text("SELECT pg_current_xact_id_if_assigned()::text"))
    raw = await tx.connection.get_raw_connection()
    return raw.driver_connection.total_changes


@dataclass(frozen=True)
class Place:
    """Where one run keeps its clouds and its ledger."""

    folder: Path
    url: str


Play = Callable[[Place, Killer], Awaitable[None]]
Recover = Callable[[Place], Awaitable[None]]


class Places:
    """Gives out places that all begin alike: an opened, empty ledger.

    Args:
        folder: of the test.
        server: where the ledgers are; None keeps them in files.
    """

    def __init__(self, folder: Path, server: Postgresql | None) -> None:
        self._folder = folder
        self._server = server
        self._template = folder / "template"
        self._template.mkdir()
        self._database = ""
        asyncio.run(self._make())

    async def _make(self) -> None:
        url = None
        if self._server is not None:
            url = await self._server.empty_database()
            self._database = url.partition("@/")[2].partition("?")[0]
        async with world(self._template, url=url):
            pass

    @contextmanager
    def one(self, name: str) -> Iterator[Place]:
        """A place, which is gone afterwards."""
        folder = self._folder / name
        shutil.copytree(self._template, folder)
        database = f"vmm_{uuid.uuid4().hex}"
        try:
            if self._server is None:
                yield Place(folder, f"sqlite+aiosqlite:///{folder / 'vmm.sqlite'}")
            else:
                self._tell(f"CREATE DATABASE {database} TEMPLATE {self._database}")
                yield Place(folder, self._server.url(database))
        finally:
            shutil.rmtree(folder)
            if self._server is not None:
                self._tell(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def _tell(self, statement: str) -> None:
        import asyncpg

        async def tell() -> None:
            assert self._server is not None
            connection = await asyncpg.connect(
                host=str(self._server.folder), user="postgres", database="postgres"
            )
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(tell())


def kill_everywhere(places: Places, play: Play, recover: Recover, *, at_least: int) -> None:
    """Play once to count the effects, then kill at each; fails with what did not recover."""
    effects = _count(places, play)
    assert effects >= at_least, f"only {effects} effects: the story does not do what it should"
    running: dict[int, tuple[int, Path, contextlib.ExitStack]] = {}
    failures: list[str] = []

    def end_one(pid: int) -> None:
        at, told, stack = running.pop(pid)
        with stack:
            if exit_code(pid) != 0:
                failures.append(f"killed at {at} of {effects}: {told.read_text()}")

    try:
        for at in range(1, effects + 1):
            if len(running) == AT_ONCE:
                end_one(next(iter(running)))
            stack = contextlib.ExitStack()
            place = stack.enter_context(places.one(str(at)))
            told = place.folder / "failure"
            pid = forked(partial(_kill_and_recover, place, play, recover, at), told)
            running[pid] = (at, told, stack)
        while running:
            end_one(next(iter(running)))
    finally:
        for pid, (_, _, stack) in running.items():
            with stack, contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    assert not failures, "\n".join(failures[:3])


def _count(places: Places, play: Play) -> int:
    """How many effects the story has when nobody is killed."""
    with places.one("whole") as place:
        counted, told = place.folder / "effects", place.folder / "told"

        def work() -> None:
            killer = Killer(None)
            asyncio.run(play(place, killer))
            counted.write_text(str(killer.count))

        assert exit_code(forked(work, told)) == 0, told.read_text()
        return int(counted.read_text())


def _kill_and_recover(place: Place, play: Play, recover: Recover, at: int) -> None:
    """The story until effect ``at``, then the recovery."""
    told = place.folder / "told"
    killed = forked(lambda: asyncio.run(play(place, Killer(at))), told)
    if exit_code(killed) not in (0, -signal.SIGKILL):  # 0: this time there were fewer effects
        raise AssertionError(told.read_text())
    asyncio.run(recover(place))
