"""What people read of the time of their leases, as docs/messages/lifetimes.yaml promises."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from vmm_core.errors import Conflict, NotAllowed, Unavailable
from vmm_core.store.records import Actor

from ...support.messages import expected, says
from ..world import session, world
from .test_keeper import ALICE, HOUR, QUIET, TIMED, bound, restore, told


def as_promised(situation: str, user: str, log: pytest.LogCaptureFixture | None = None) -> None:
    row = expected("lifetimes", situation)
    assert says(row.user, user), user
    if log is not None:
        lines = [record.getMessage() for record in log.records]
        assert any(says(row.operator, line) for line in lines), lines


async def test_the_time_of_a_lease(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        w.clock.turn(7.1 * HOUR)
        await w.step()
        as_promised("the end is near", (await told(w, lease))[-1][1], caplog)
        await w.manager.keeper.extend(lease.id, ALICE)
        with pytest.raises(Conflict) as refused:
            await w.manager.keeper.extend(lease.id, ALICE)
        as_promised("no extension is left", str(refused.value))
        w.clock.turn(5 * HOUR)
        await w.step()
        as_promised("the end", (await told(w, lease))[-1][1], caplog)


async def test_nothing_in_use(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        await w.step()
        w.clock.turn(3 * HOUR)
        w.manager.keeper._heard[lease.machine.id] = w.clock()  # its agent was there all the time
        await w.manager.keeper.activity(lease.machine.id, QUIET)
        await w.step()
        as_promised("nothing is in use", (await told(w, lease))[-1][1], caplog)


async def test_taking_back(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        assert lease.machine is not None
        w.agents.drop(lease.machine.id)
        await w.leases.release(lease.id)
        with pytest.raises(Conflict) as refused:
            await restore(w, lease)
        as_promised("taken back too early", str(refused.value))
        await w.step(4)
        other = await w.acquire()
        with pytest.raises(Conflict) as refused:
            await restore(w, lease)
        as_promised("another one is in its place", str(refused.value))
        await w.leases.release(other.id)
        w.clouds["ral-sim"].inject("resume-fails")
        await restore(w, lease)
        await w.step(2)
        quick = session().model_copy(update={"timeout_s": 0.1})
        with pytest.raises(Unavailable) as away:
            await w.leases.bind(lease.id, quick)
        as_promised("full: the cloud cannot resume the machine now", str(away.value), caplog)
        await w.leases.release(lease.id)
        await w.manager.held.remove(lease.machine.id, discard=False)
        with pytest.raises(Conflict) as refused:
            await restore(w, lease)
        as_promised("gone: the machine", str(refused.value))


async def test_not_shared(tmp_path: Path):
    async with world(tmp_path, TIMED) as w:
        lease = await bound(w)
        with pytest.raises(NotAllowed) as refused:
            await w.store.members.enter(lease.id, Actor("mallory", "hub"))
        as_promised("not shared", str(refused.value))
