"""Knowing that time jumped: the machine was suspended, or frozen, and is back.

Then connections are dead without anybody having said so, and waiting for a
ping's answer would cost the first user after a resume half a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

Clock = Callable[[], float]

TICK_S = 0.5
"""Between two looks at the clocks."""

JUMP_S = 5.0
"""Less is a busy machine or a clock that is being corrected."""


async def jump(wall_s: Clock = time.time, steady_s: Clock = time.monotonic) -> str:
    """Return when time has jumped, saying how far.

    Args:
        wall_s: the clock that others see, which is set anew after a suspend.
        steady_s: one that is never set, and goes on while processes are frozen.
    """
    wall, steady = wall_s(), steady_s()
    while True:
        await asyncio.sleep(TICK_S)
        passed_wall_s, passed_s = wall_s() - wall, steady_s() - steady
        if passed_s > JUMP_S:
            return f"this machine stood still for {passed_s:.0f} s"
        if abs(passed_wall_s - passed_s) > JUMP_S:
            return f"the clock jumped by {passed_wall_s - passed_s:.0f} s"
        wall, steady = wall + passed_wall_s, steady + passed_s
