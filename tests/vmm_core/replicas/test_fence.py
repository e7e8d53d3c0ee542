"""A manager that lost its pool while it made a plan carries nothing of it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from vmm_core.model import MachineState

from ..world import CATALOGUE, World, world

RAL = "mantid@ral-sim/small"


def losing(w: World, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """``call``, before which somebody else takes the pool over."""

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        w.clock.turn(10_000)  # we stood still, and the lock ran out
        await w.store.pools.lock([RAL], "another manager", 10_000)
        return await call(*args, **kwargs)

    return wrapped


async def test_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with world(tmp_path) as w:
        monkeypatch.setattr(w.store.machines, "add", losing(w, w.store.machines.add))
        await w.step(2)
        assert await w.store.machines.all(deleted=True) == []
        assert w.at_clouds() == set()


async def test_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with world(tmp_path) as w:
        await w.step(3)
        assert await w.by_state() == {MachineState.VACANT: 1}
    async with world(tmp_path, CATALOGUE.replace("ready: 1", "ready: 0"), clock=w.clock) as w:
        await w.agents.step(w.manager.agent_ready)
        monkeypatch.setattr(w.store.machines, "move", losing(w, w.store.machines.move))
        w.clock.turn(100)  # the lock of the manager before
        await w.step(2)
        assert await w.by_state() == {MachineState.VACANT: 1}
        assert len(w.at_clouds()) == 1
