"""Forked processes for tests that need several, or need them killed."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path


def forked(work: Callable[[], object], told: Path) -> int:
    """Start ``work`` in a process of its own; a failure's traceback goes to ``told``."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        told.write_text(traceback.format_exc())
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    """The exit code of a forked process, once it ends; -9 if it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
