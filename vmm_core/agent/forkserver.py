"""A process that has imported what sessions need, and forks them.

It has one thread and no event loop. It is the reaper of all its descendants,
so nothing of a session escapes it. Words on the socket are lines of JSON.
In: ``start`` (a :class:`Start`), ``signal``, ``reap``. Out: ``preloaded``,
``preload-failed``, ``started``, ``exited``, ``reaped``. At the socket's end it
kills all that it started. Only the standard library is imported here.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import types
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .. import linux
from ..processes import end_descendants

Job = Callable[[], int]
"""What a forked process is to do; its result is the exit status."""

_SETUP_FAILED = 125


@dataclass(frozen=True, slots=True)
class Start:
    """A program to start, with everything about it decided.

    ``uid`` None keeps our own account. ``confined`` takes all privileges for good.
    """

    argv: tuple[str, ...]
    entry: str | None
    env: dict[str, str]
    cwd: str
    log: str
    name: str = ""
    uid: int | None = None
    gid: int = -1
    confined: bool = False


def serve(control: socket.socket, preload: Sequence[str]) -> Job | None:
    """Import ``preload``, then fork on request. Returns a job in each forked process.

    In the server itself it returns None, when the agent is gone and all processes are ended.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    server = _Server(control)
    server.say(_preload(preload))
    try:
        return server.loop()
    finally:
        if server.is_parent:
            end_descendants()


def _preload(modules: Sequence[str]) -> dict[str, Any]:
    started = time.monotonic()
    gc.disable()
    for module in modules:
        try:
            importlib.import_module(module)
        except BaseException as error:
            reason = f"module {module} cannot be imported: {type(error).__name__}: {error}"
            return {"word": "preload-failed", "reason": reason}
    gc.collect()
    gc.freeze()  # what is there now is shared with all forks and never collected
    gc.enable()
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - counts
    if threads > 1:
        sys.stderr.write(f"preloaded modules started {threads - 1} threads; forks lack them\n")
    return {"word": "preloaded", "seconds": time.monotonic() - started}


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pids: dict[int, int] = {}  # pid -> the agent's number for it
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._pending = b""
        self.is_parent = True
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)

    def say(self, word: dict[str, Any]) -> None:
        """Tell the agent."""
        with suppress(OSError):
            self._control.sendall(json.dumps(word).encode() + b"\n")

    def loop(self) -> Job | None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._wake in ready:
                with suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            self._reap()
            if self._control.fileno() in ready:
                received = self._control.recv(1 << 16)
                if not received:
                    return None
                *lines, self._pending = (self._pending + received).split(b"\n")
                for line in lines:
                    job = self._obey(json.loads(line))
                    if job:
                        return job

    def _obey(self, word: dict[str, Any]) -> Job | None:
        number = word["number"]
        if word["word"] == "start":
            return self._fork(number, Start(**word["start"]))
        if word["word"] == "signal":
            for pid in [pid for pid, known in self._pids.items() if known == number]:
                with suppress(ProcessLookupError):
                    os.kill(pid, word["signal"])
        elif word["word"] == "reap":
            spared = [pid for pid, known in self._pids.items() if known in word["spared"]]
            done = end_descendants(spared)
            self._reap()
            self.say({"word": "reaped", "number": number, "done": done})
        return None

    def _fork(self, number: int, start: Start) -> Job | None:
        pid = os.fork()
        if pid:
            self._pids[pid] = number
            self.say({"word": "started", "number": number, "pid": pid})
            return None
        self.is_parent = False
        try:
            signal.set_wakeup_fd(-1)
            for own in (self._wake, self._waker):
                os.close(own)
            self._control.close()
            return _become(start)
        except BaseException as error:
            with suppress(OSError):
                os.write(2, f"cannot start {start.argv[0]}: {error}\n".encode())
            os._exit(_SETUP_FAILED)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                number = self._pids.pop(pid, None)
                if number is not None:
                    code = os.waitstatus_to_exitcode(status)
                    self.say({"word": "exited", "number": number, "status": code})


def _become(start: Start) -> Job:
    """Turn the forked process into the program's: session, output, account, environment."""
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    os.umask(0o022)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    log = os.open(start.log, flags, 0o600)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    _take_account(start)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)  # after the account: that clears it
    os.chdir(start.cwd)
    os.environ.clear()
    os.environ.update(start.env)
    if start.entry is None:
        os.execvpe(start.argv[0], start.argv, start.env)  # noqa: S606 - no shell is wanted
    linux.set_process_name(os.path.basename(start.argv[0]))  # noqa: PTH119 - imports nothing
    sys.argv = list(start.argv)
    # A program must find a main module without our own functions in it.
    sys.modules["__main__"] = types.ModuleType("__main__")
    module, _, function = start.entry.partition(":")

    def job() -> int:
        result = getattr(importlib.import_module(module), function)()
        return result if isinstance(result, int) else 0

    return job


def _take_account(start: Start) -> None:
    if start.uid is not None:
        os.initgroups(start.name, start.gid)
        os.setgid(start.gid)
        os.setuid(start.uid)
    if start.confined:
        if start.uid is None:
            linux.drop_capabilities()  # in a user namespace the agent has them all
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
