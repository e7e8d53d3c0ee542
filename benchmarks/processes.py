"""Starting a program, waiting until it is up, and ending it; nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from examples.demo.stack import last_line, until


class Program:
    """A program with a log of its own, ended with SIGTERM."""

    def __init__(self, name: str, folder: Path, *, user: str | None = None) -> None:
        """``folder`` is where it runs and logs; ``user`` is who it runs as, if not this one."""
        self.name = name
        self._folder = folder
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it printed."""
        return self._folder / f"{self.name}.log"

    def start(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start it; returns at once."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                group=self._user,
                start_new_session=True,
            )

    def wait(self, up: Callable[[], bool], timeout_s: float) -> None:
        """Return once ``up`` says so; its last words are in the error if it never does."""
        for _ in until(timeout_s):
            if self._process is None or self._process.poll() is not None:
                raise SystemExit(f"{self.name} ended: {last_line(self.log.read_text())}")
            if up():
                return
        said = last_line(self.log.read_text())
        raise SystemExit(f"{self.name} is not there after {timeout_s:g} s; it said last: {said}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; kill it if it does not within half a minute."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(30)
        self._process = None
