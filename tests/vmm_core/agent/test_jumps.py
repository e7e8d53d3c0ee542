"""A machine notices that it was away, by either clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from vmm_core.agent import jumps


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jumps, "TICK_S", 0)


def clock(*readings: float) -> Callable[[], float]:
    """Says these one after the other, then the last one for ever."""
    left = list(readings)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


async def test_a_frozen_machine_notices_by_the_steady_clock() -> None:
    wall, steady = clock(100, 101, 3701), clock(10, 11, 3611)
    assert await jumps.jump(wall, steady) == "this machine stood still for 3600 s"


async def test_a_suspended_machine_notices_when_its_clock_is_set() -> None:
    wall, steady = clock(100, 101, 3702), clock(10, 11, 12)
    assert await jumps.jump(wall, steady) == "the clock jumped by 3600 s"


async def test_a_clock_that_is_set_back_is_a_jump_too() -> None:
    assert await jumps.jump(clock(100, 40), clock(10, 11)) == "the clock jumped by -61 s"


async def test_a_clock_that_is_corrected_is_none() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await jumps.jump(clock(100, 103, 106), clock(10, 11, 12))
