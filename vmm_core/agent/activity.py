"""How busy the machine is, from its own processes."""

from __future__ import annotations

import os
import time

from ..processes import all_pids, cpu_ticks, descendants
from .protocol import Activity


class Meter:
    """Measures from one call to the next.

    Args:
        root: folder that stands for ``/``. With a root of its own the machine shares
            the host's process table, and only what descends from its first process counts.
    """

    def __init__(self, root: str) -> None:
        self._shared = root != "/"
        self._ticks = cpu_ticks(self._pids())
        self._at = time.monotonic()

    def read(self) -> Activity:
        """CPU use since the last call, in percent of one CPU, and the processes now."""
        pids = self._pids()
        ticks, at = cpu_ticks(pids), time.monotonic()
        used_s = max(0, ticks - self._ticks) / os.sysconf("SC_CLK_TCK")
        percent = 100 * used_s / max(at - self._at, 1e-3)
        self._ticks, self._at = ticks, at
        return Activity(cpu_percent=round(percent, 1), processes=len(pids))

    def _pids(self) -> set[int]:
        return descendants(os.getppid()) if self._shared else set(all_pids())
