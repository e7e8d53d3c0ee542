"""A foreign server program on a loopback port, as tests start, kill, freeze and restart it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

START_S = 20.0
STOP_S = 10.0


def free_port(count: int = 1) -> int:
    """The first of ``count`` TCP ports of the loopback in a row that nobody uses now."""
    while True:
        with socket.socket() as first, ExitStack() as others:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                for next_port in range(port + 1, port + count):
                    others.enter_context(socket.socket()).bind(("127.0.0.1", next_port))
            except OSError:
                continue
            return port


class Server:
    """A program and the processes it forks, in a process group of their own.

    Args:
        command: Program and arguments; ``{port}`` stands for the port it listens at.
        log: Where its output goes.
        environment: Set in addition to this process's own.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self._command = command
        self._log = log
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it, at the same port as before; return when it takes connections."""
        assert self._process is None, "it runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [part.replace("{port}", str(self.port)) for part in self._command],
                env=os.environ | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + START_S
        while not self._listens():
            alive = self._process.poll() is None and time.monotonic() < end
            if not alive:
                self.kill()
                raise AssertionError(f"{self._command[0]}: {self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it and everything it forked, politely; fine if it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything it forked with SIGKILL; fine if it does not run."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP for it and everything it forked: connections hang."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo :meth:`freeze`."""
        self._signal(signal.SIGCONT)

    def members(self) -> list[int]:
        """Process ids of the program and of what it forked."""
        if self._process is None:
            return []
        group = self._process.pid
        return [pid for pid, of in _groups() if of == group]

    def sent_bytes(self) -> int:
        """What its processes wrote so far, to anywhere."""
        total = 0
        for pid in self.members():
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/io").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("wchar"))
        return total

    def connections(self) -> int:
        """Established TCP connections to its port, as the kernel counts them."""
        return self._sockets("01")

    def _listens(self) -> bool:
        """Without connecting: that would be one of its sessions."""
        return self._sockets("0A") > 0

    def _sockets(self, state: str) -> int:
        rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
        local = f"0100007F:{self.port:04X}"
        return sum(row.split()[1] == local and row.split()[3] == state for row in rows)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _end(self, number: int) -> None:
        process = self._process
        if process is None:
            return
        end = time.monotonic() + STOP_S
        self._signal(signal.SIGCONT)
        self._signal(number)
        while process.poll() is None or self.members():
            if time.monotonic() > end:
                self._signal(signal.SIGKILL)
                end += STOP_S
            time.sleep(0.01)
        self._process = None


S = TypeVar("S", bound=Server)


@contextmanager
def running(kind: str, make: Callable[[Path], S]) -> Iterator[S]:
    """The server that ``make`` makes, running; nothing of it is left after the ``with``.

    Args:
        kind: What it is, for the name of its folder.
        make: Makes it, of an empty folder for all that is its own.
    """
    with tempfile.TemporaryDirectory(prefix=f"dms-{kind}-") as state:
        server = make(Path(state))
        try:
            server.start()
            yield server
        finally:
            server.kill()


def _groups() -> list[tuple[int, int]]:
    """(process id, process group) of every process that is no zombie."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] not in "ZX":
                found.append((int(stat.parent.name), int(fields[2])))
    return found
