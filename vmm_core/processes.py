"""Processes of this host, read from ``/proc``: who started whom, and their end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; with the pid, its identity.

    None if there is no such process or it is a zombie.
    """
    fields = _facts(pid)
    return int(fields[19]) if fields else None


def all_pids() -> Iterator[int]:
    """Every process that this one can see."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            yield int(path.name)


def descendants(ancestor: int, spared: Collection[int] = ()) -> set[int]:
    """All living descendants of a process, without the ``spared`` and what they started."""
    parents = {pid: int(fields[1]) for pid in all_pids() if (fields := _facts(pid))}
    found: set[int] = set()
    layer = {ancestor}
    while layer := {p for p, parent in parents.items() if parent in layer} - found - set(spared):
        found |= layer
    return found


def end_descendants(spared: Collection[int] = (), deadline_s: float = 5) -> bool:
    """SIGKILL every descendant of this process but the ``spared``; True once all are dead.

    This process must be the reaper of its descendants (``PR_SET_CHILD_SUBREAPER``
    or pid 1). It does not reap them.
    """
    end = time.monotonic() + deadline_s
    while found := descendants(os.getpid(), spared):  # again: they may start more meanwhile
        if time.monotonic() > end:
            return False
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    return True


def _facts(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the state on; empty if dead."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    fields = text.rpartition(")")[2].split()
    return [] if fields[0] in "ZX" else fields
