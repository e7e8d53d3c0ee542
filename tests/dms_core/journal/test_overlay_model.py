"""Any sequence of changes, with the service away or not and the mount killed in between.

The tree must look like a plain folder all the time, and the service's folder
must be the same in the end. What fails because the service is away changes
nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dms_core import errors

from .faulty import USER, Faulty, Machine

T = TypeVar("T")
NAMES = st.sampled_from(["a", "b", "c"])
DATA = st.binary(max_size=40)


class Homes(RuleBasedStateMachine):
    """A machine and a dictionary that must agree with it."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="dms-model-"))
        (self.folder / "origin").mkdir()
        self.origin = self.folder / "origin" / USER
        self.expected: dict[str, bytes] = {}
        self.run(self._set_up())

    async def _set_up(self) -> None:
        self.source = Faulty(self.folder / "origin")
        await self._mount()

    async def _mount(self) -> None:
        self.machine = Machine(self.source, self.folder / "machine")
        with contextlib.suppress(errors.Unreachable):
            await self.machine.tree.listing(f"/home/{USER}")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def tried(self, work: Coroutine[Any, Any, object]) -> bool:
        """Whether it was done; it may only fail for want of the service."""
        try:
            self.run(work)
        except errors.Unreachable:
            assert self.source.away or not self.machine.cached.reach.reachable
            return False
        return True

    def path(self, name: str) -> str:
        return f"/home/{USER}/{name}"

    @rule(name=NAMES, data=DATA)
    def save(self, name: str, data: bytes) -> None:
        """A program that emptied the file and then cannot write would leave it empty: none does."""
        if self.tried(self.machine.save(self.path(name), data)):
            self.expected[name] = data

    @rule(name=NAMES, offset=st.integers(0, 50), data=st.binary(min_size=1, max_size=20))
    def change(self, name: str, offset: int, data: bytes) -> None:
        if name not in self.expected:
            return

        async def work() -> None:
            tree, path = self.machine.tree, self.path(name)
            entry = await tree.refresh(path)
            if tree.write_now(entry, path, offset, data) is None:
                await tree.write(entry, path, offset, data)
            await tree.flush(path)

        if self.tried(work()):
            before = self.expected[name].ljust(offset, b"\0")
            self.expected[name] = before[:offset] + data + before[offset + len(data) :]

    @rule(name=NAMES, size=st.integers(0, 60))
    def truncate(self, name: str, size: int) -> None:
        if name in self.expected and self.tried(self.machine.tree.truncate(self.path(name), size)):
            self.expected[name] = self.expected[name][:size].ljust(size, b"\0")

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if name in self.expected and self.tried(self.machine.tree.remove(self.path(name))):
            del self.expected[name]

    @rule(name=NAMES, to=NAMES)
    def rename(self, name: str, to: str) -> None:
        if name not in self.expected or name == to:
            return
        if self.tried(self.machine.tree.rename(self.path(name), self.path(to))):
            self.expected[to] = self.expected.pop(name)

    @rule()
    def go_away(self) -> None:
        self.source.away = True

    @rule()
    def come_back(self) -> None:
        if self.source.away:
            self.source.away = False
            self.run(self._reached())

    async def _reached(self) -> None:
        async with asyncio.timeout(20):
            while not self.machine.cached.reach.reachable:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    @rule()
    def kill(self) -> None:
        """The next mount starts only when the service answers."""
        self.run(self.machine.end())
        self.source.away = False
        self.run(self._mount())

    @invariant()
    def looks_like_a_plain_folder(self) -> None:
        try:
            listing = self.run(self.machine.tree.listing(f"/home/{USER}"))
        except errors.Unreachable:
            assert self.source.away or not self.machine.cached.reach.reachable
            return
        sizes = {entry.path: entry.size for entry in listing}
        assert sizes == {self.path(name): len(data) for name, data in self.expected.items()}
        for name, data in self.expected.items():
            with contextlib.suppress(errors.Unreachable):
                assert self.run(self.machine.bytes_of(self.path(name))) == data

    def teardown(self) -> None:
        try:
            self.come_back()
            self.run(self._drained())
            found = {path.name: path.read_bytes() for path in self.origin.iterdir()}
            assert found == self.expected
            assert self.machine.journal.records.conflicts() == []
        finally:
            self.run(self.machine.end())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            shutil.rmtree(self.folder)

    async def _drained(self) -> None:
        async with asyncio.timeout(20):
            while self.machine.journal.unsent():
                for file in self.machine.journal.unsent():
                    self.machine.tree.queue.kick(file)
                await asyncio.sleep(0.01)


TestHomes = Homes.TestCase
TestHomes.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
