"""The first process of a machine: it starts the agent, restarts it, and reaps.

In a pid namespace it is pid 1 and its end is the end of everything in the
machine. Without one it is the reaper of all its descendants and ends them itself.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from ...linux import (
    PR_CAPBSET_DROP,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    keep_capabilities_over_exec,
    last_capability,
    prctl,
)
from ...processes import end_descendants

STABLE_S = 60
"""An agent that ran this long is restarted at once, a flapping one ever more slowly."""

_RESTART_S = (0.2, 1, 5, 15, 30)
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
_CAPABILITIES = frozenset(
    # What accounts, FUSE mounts and daemons need. Not here: devices, kernel
    # modules, raw I/O, clock, reboot, tracing, kernel log.
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 18, 21, 23, 24, 29, 31}
)


def run(
    command: tuple[str, ...], environment: dict[str, str], *, alone: bool, grace_s: float
) -> int:
    """Keep ``command`` running until SIGTERM; returns the exit status for this process.

    Args:
        command: the agent; it gets SIGTERM when the machine is to end.
        environment: all that the agent sees.
        alone: this is pid 1 of a pid namespace.
        grace_s: how long the agent may take to end after SIGTERM.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    if not alone:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    attempt = 0
    while True:
        started = time.monotonic()
        agent = _start(command, environment)
        if _wait(agent, None, grace_s):
            break
        if time.monotonic() - started > STABLE_S:
            attempt = 0
        delay = _RESTART_S[min(attempt, len(_RESTART_S) - 1)]
        attempt += 1
        if _wait(None, delay, grace_s):
            break
    if not alone:
        end_descendants()
        _reap()
    return 0


def limit_capabilities() -> None:
    """Leave the machine's root what it needs, and nothing that reaches the host's hardware."""
    for capability in range(last_capability() + 1):
        if capability not in _CAPABILITIES:
            prctl(PR_CAPBSET_DROP, capability)


def _start(command: tuple[str, ...], environment: dict[str, str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.geteuid() != 0:
            with suppress(OSError):  # no capabilities where there is no user namespace
                keep_capabilities_over_exec()
        os.execvpe(command[0], command, environment)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _wait(agent: int | None, timeout_s: float | None, grace_s: float) -> bool:
    """Reap until ``agent`` ended (False), the time is over (False) or the end is asked (True)."""
    stopping = False
    end = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        if agent in _reap():
            return stopping
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            return stopping
        got = signal.sigwaitinfo(_SIGNALS) if left is None else signal.sigtimedwait(_SIGNALS, left)
        if got is not None and got.si_signo != signal.SIGCHLD:
            if agent is None:
                return True
            if not stopping:
                stopping, end = True, time.monotonic() + grace_s
            with suppress(ProcessLookupError):
                os.kill(agent, signal.SIGTERM)


def _reap() -> set[int]:
    ended: set[int] = set()
    with suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            ended.add(pid)
    return ended
