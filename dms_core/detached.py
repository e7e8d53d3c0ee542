"""Start a program that stays when its starter ends, and wait until it is of use."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence

from .errors import ConfigError, TimedOut

_POLL_S = 0.05


def start(command: Sequence[str], ready: Callable[[], bool], *, deadline_s: float) -> int:
    """Start ``command`` in a session of its own and give its process id when it is ``ready``.

    Raises:
        ConfigError: it ended before, with its own last words.
        TimedOut: it was not ready in time; it was ended.
    """
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,
        )
        end = time.monotonic() + deadline_s
        while not ready():
            if process.poll() is not None:
                words.seek(0)
                lines = words.read().decode(errors="replace").strip().splitlines()
                last = lines[-1] if lines else f"It ended with status {process.returncode}."
                raise ConfigError(last.removeprefix("dms: "))
            if time.monotonic() > end:
                process.terminate()
                process.wait(deadline_s)
                raise TimedOut(f"{command[0]} was not ready within {deadline_s:g} s; it was ended.")
            time.sleep(_POLL_S)
        return process.pid
