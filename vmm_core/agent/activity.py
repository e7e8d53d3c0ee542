"""How busy the machine is, from what it sees itself: processes, GPU, logins, input.

Browser traffic is left out by its way: it ends in the session's own server and
its X server, whose CPU time is not counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

from ..processes import all_pids, descendants
from . import asking, snapshot
from .protocol import Activity

KERNEL_PERCENT = 1.0
"""A kernel that uses less of a CPU only waits: by itself IPython's uses 0.02, and one cell that
plots or reads a file makes it more than this in half a minute."""

_MOST_DESKTOPS = 4
_PTS_MAJORS = range(136, 144)
_TTY_MAJOR = 4
_CONSOLES = 64


class Meter:
    """Measures from one call to the next.

    Args:
        root: folder that stands for ``/``. With a root of its own the machine shares
            the host's process table, and only what descends from its first process counts.
    """

    def __init__(self, root: str) -> None:
        self._shared = root != "/"
        self._before = snapshot.take(self._pids())
        self._at = time.monotonic()

    async def read(self, serving: Collection[int] = ()) -> Activity:
        """What was used since the last call.

        Args:
            serving: the session's own server, which browsers talk to, and its daemons.
        """
        now, at = snapshot.take(self._pids()), time.monotonic()
        before, elapsed_s = self._before, max(at - self._at, 1e-3)
        self._before, self._at = now, at
        desktops = snapshot.x_servers(now)
        apart = {os.getpid(), os.getppid(), *serving, *(seen.pid for seen in desktops)}
        mine = {
            pid
            for pid, seen in now.items()
            if pid not in apart and (os.geteuid() != 0 or seen.uid in snapshot.PEOPLE)
        }

        def percent(pids: Collection[int]) -> float:
            used_s = snapshot.ticks_between(before, now, pids) / os.sysconf("SC_CLK_TCK")
            return round(100 * used_s / elapsed_s, 1)

        kernels = snapshot.kernels(now, mine)
        busy = [one for one in kernels if percent(snapshot.below(now, {one})) >= KERNEL_PERCENT]
        idle = [terminal_idle_s(now[pid].terminal) for pid in mine]
        idle += [await asking.input_idle_s(one) for one in desktops[:_MOST_DESKTOPS]]
        return Activity(
            cpu_percent=percent(mine),
            processes=len(now),
            kernels_busy=len(busy) if kernels else None,
            gpu_percent=await asking.gpu_percent(),
            logins=None if self._shared else await asking.logins(),
            input_idle_s=min((one for one in idle if one is not None), default=None),
        )

    def _pids(self) -> set[int]:
        return descendants(os.getppid()) if self._shared else set(all_pids())


def terminal_idle_s(number: int) -> float | None:
    """Seconds since something was typed at a terminal: the kernel notes it as its reading."""
    major, minor = os.major(number), os.minor(number)
    if major in _PTS_MAJORS:
        path = Path(f"/dev/pts/{(major - _PTS_MAJORS.start) * 256 + minor}")
    elif major == _TTY_MAJOR and 0 < minor < _CONSOLES:
        path = Path(f"/dev/tty{minor}")
    else:
        return None
    try:
        return max(0.0, time.time() - path.stat().st_atime)
    except OSError:
        return None
