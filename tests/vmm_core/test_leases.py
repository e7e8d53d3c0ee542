from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vmm_core.errors import BadRequest, BindFailed, Conflict, Impossible, NotFound, Unavailable
from vmm_core.model import LeaseState, MachineState, Needs

from .world import MANTID, session, world


async def test_a_ready_machine_is_leased_bound_and_released(tmp_path: Path):
    async with world(tmp_path) as w:
        await w.step(2)
        lease = await w.acquire()
        assert lease.state is LeaseState.ACQUIRED
        assert lease.machine is not None
        assert lease.machine.state is MachineState.ACQUIRED
        assert lease.machine.lease == lease.id
        handover = await w.leases.bind(lease.id, session())
        assert (handover.address, handover.port) == ("127.0.0.1", 8888)
        assert w.agents.bound == {lease.machine.id: "alice"}
        ended = await w.leases.release(lease.id)
        assert ended.state is LeaseState.RELEASED
        assert ended.machine is not None
        assert ended.machine.state is MachineState.DELETING
        assert w.agents.bound == {}
        await w.step(3)
        assert lease.machine.id not in w.at_clouds()
        assert await w.by_state() == {MachineState.VACANT: 1}
        stages = [event.stage async for event in w.leases.events(lease.id)]
        assert stages == ["requested", "claimed", "binding", "binding", "ready", "released"]
