"""The freezer of cgroups: every process of a group stops where it is, and goes on later."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

_FREEZE = {1: ("freezer.state", "THAWED", "FROZEN"), 2: ("cgroup.freeze", "0", "1")}
"""By version: the control, and what to write to let processes go and to stop them."""


def can(folder: Path, version: int) -> bool:
    """Whether a group of that version can be frozen."""
    return (folder / _FREEZE[version][0]).exists()


def freeze(folder: Path, *, frozen: bool, deadline_s: float = 2) -> None:
    """Stop every process of a group where it is, or let all go on; nothing at a group that is gone.

    It is asked for when this returns, and done unless a process waits for a
    device or a dead server: then it is done when that wait is over.
    """
    version = 2 if can(folder, 2) else 1
    name, *words = _FREEZE[version]
    with suppress(FileNotFoundError):
        write(folder / name, words[frozen])
        end = time.monotonic() + deadline_s
        while _is_frozen(folder, version) != frozen and time.monotonic() < end:
            time.sleep(0.005)


def _is_frozen(folder: Path, version: int) -> bool:
    if version == 2:
        return "frozen 1" in (folder / "cgroup.events").read_text().splitlines()
    return (folder / "freezer.state").read_text().strip() == "FROZEN"


def write(file: Path, value: str) -> None:
    """Set a control; without O_CREAT, since in a plain folder it must fail, not make a file."""
    descriptor = os.open(file, os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)
