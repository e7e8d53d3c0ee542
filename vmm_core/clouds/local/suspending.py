"""Stops a running machine's processes where they are, and lets them go on: its memory stays.

By the machine's freezer, which nothing in it escapes or notices. Where a host
gives no cgroup, by SIGSTOP to all there are, until none of them runs.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

from ...processes import descendants, start_time
from . import freezer
from .folder import Status, signal_process

STOP_S = 5
"""Processes may be started for so long while they are stopped one by one."""


def suspend(status: Status) -> None:
    """Stop the machine of that status. Stopped, it stays so.

    Raises:
        OSError: it cannot be; some of it may be stopped.
    """
    if status.freezer:
        freezer.freeze(Path(status.freezer), frozen=True)
        return
    end = time.monotonic() + STOP_S
    asked: set[int] = set()
    while running := [pid for pid in _of(status) if not _stopped(pid, asked=pid in asked)]:
        if time.monotonic() > end:
            raise TimeoutError(f"process {running[0]} does not stop")
        for pid in running:
            _signal(pid, signal.SIGSTOP)
        asked.update(running)
        time.sleep(0.005)


def resume(status: Status) -> None:
    """Let the machine of that status go on. If it runs, or is gone, it stays so.

    Raises:
        OSError: it cannot be.
    """
    if status.freezer:
        freezer.freeze(Path(status.freezer), frozen=False)
        return
    for pid in _of(status):
        _signal(pid, signal.SIGCONT)


def _of(status: Status) -> set[int]:
    """The machine's processes, without the helper that serves its network and may be dead."""
    roots = {pid for pid, start in status.processes if start_time(pid) == start}
    helper = {pid for pid, _ in status.processes[:1]}
    return roots.union(*map(descendants, roots)) - helper


def _stopped(pid: int, *, asked: bool) -> bool:
    """Whether it is, or is gone; ``asked`` says that it was sent the signal.

    Who waits in the kernel then stops at the end of that wait, before anything
    else; after a vfork that is never, as its child stands still.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] in ("TtZXD" if asked else "TtZX")


def _signal(pid: int, number: signal.Signals) -> None:
    start = start_time(pid)
    if start is not None:
        signal_process(lambda: pid if start_time(pid) == start else None, number)
