"""Any order of what people and time do to leases keeps the promises."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmm_core.clouds.base import CloudState
from vmm_core.errors import VmmError
from vmm_core.model import LeaseState, MachineState

from ..world import Clock, World, session, world
from .test_keeper import ALICE, HOUR, TIMED, at_cloud

USERS = ("alice", "bob")
FAULTS = ("suspend-fails", "suspend-lost-answer", "resume-fails", "resume-lost-answer")
MOVES = st.one_of(
    st.tuples(st.sampled_from(["acquire", "bind", "release"]), st.sampled_from(USERS)),
    st.tuples(st.sampled_from(["restore", "extend"]), st.sampled_from(USERS)),
    st.tuples(st.just("turn"), st.sampled_from([0.01, 0.9, 4, 9, 30])),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    st.tuples(st.just("drop"), st.sampled_from(USERS)),
    st.tuples(st.just("restart"), st.none()),
)


class Lives:
    """Two people's leases, as they remember them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.lease: dict[str, str] = {}
        self.holders: dict[str, str] = {}
        self.kept: dict[str, datetime] = {}

    async def play(self, moves: list[tuple[str, object]]) -> None:
        async with AsyncExitStack() as stack:
            w = await stack.enter_async_context(world(self.folder, TIMED, clock=self.clock))
            await w.step(2)
            for verb, what in moves:
                if verb == "restart":
                    await stack.aclose()
                    self.clock.turn(21)
                    again = world(self.folder, TIMED, clock=self.clock)
                    w = await stack.enter_async_context(again)
                    await w.agents.step(w.manager.agent_ready)
                else:
                    await self.move(w, verb, what)
                await w.step(2)
                await self.check(w)
            await self.end(w)

    async def move(self, w: World, verb: str, what: object) -> None:
        if verb == "turn":
            assert isinstance(what, float | int)
            w.clock.turn(what * HOUR)
            return
        if verb == "fault":
            w.clouds["ral-sim"].inject(what)  # type: ignore[arg-type]
            return
        user = str(what)
        if verb == "acquire":
            self.lease[user] = (await w.acquire(user)).id
        if user not in self.lease:
            return
        lease = await w.leases.get(self.lease[user])
        quick = session(user).model_copy(update={"timeout_s": 0.05})
        with suppress(VmmError):  # said to who asked, and nothing half done
            if verb == "bind":
                await w.leases.bind(lease.id, quick)
            elif verb == "release":
                await w.leases.release(lease.id)
            elif verb == "restore":
                await w.manager.keeper.restore(lease.id, ALICE)
            elif verb == "extend":
                await w.manager.keeper.extend(lease.id, ALICE)
            elif verb == "drop" and lease.machine is not None:
                w.agents.drop(lease.machine.id)

    async def check(self, w: World) -> None:
        now = w.clock.at
        for lease in await w.leases.list(ended=True):
            if lease.machine is None:
                continue
            machine = await w.store.machines.get(lease.machine.id)
            assert self.holders.setdefault(machine.id, lease.id) == lease.id
            if lease.state is LeaseState.ACQUIRED:
                assert machine.state is MachineState.ACQUIRED
                assert lease.ends_at is not None
                assert lease.ends_at > now
                self.kept.pop(machine.id, None)
            elif machine.state is MachineState.HELD and machine.kept_until is not None:
                assert at_cloud(w, lease) in (CloudState.RUNNING, CloudState.SUSPENDED)
                self.kept[machine.id] = machine.kept_until
            elif machine.id in self.kept:
                assert self.kept[machine.id] <= now, "deleted before its time"

    async def end(self, w: World) -> None:
        for _ in range(4):
            w.clock.turn(30 * HOUR)
            await w.step(3)
        assert [lease.id for lease in await w.leases.list()] == []
        states = {m.state for m in await w.store.machines.all()}
        assert states == {MachineState.VACANT}
        assert w.at_clouds() == {m.id for m in await w.store.machines.all()}


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(st.lists(MOVES, min_size=4, max_size=14))
def test_nobody_loses_a_machine_before_its_time_and_none_is_left_over(moves) -> None:
    with tempfile.TemporaryDirectory(prefix="vmm-lives-") as folder:
        asyncio.run(Lives(Path(folder)).play([("acquire", "alice"), ("bind", "alice"), *moves]))
