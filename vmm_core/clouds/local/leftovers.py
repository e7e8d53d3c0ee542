"""What can be left of a machine whose folder is gone: its cgroups. Their list and their end.

Everything else ends by itself: namespaces, mounts and network interfaces with
the last process of the machine, and that with its supervisor, which ends when
the folder is gone. A cgroup's name says whose it is, so that no other
installation's, nor another folder's, is ever taken for ours.
"""

from __future__ import annotations

import glob
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

from ..base import CloudMachine, CloudState, ResourceKind
from . import cgroups, freezer
from .folder import Folder

_ID = re.compile(r"cgroup:(.*)/([^/]+)", re.S)


def owned(parent: Path, owner: str) -> list[CloudMachine]:
    """What is left of the owner's machines that were in that folder."""
    of_any = cgroups.name_of("(.+)", parent, owner)
    found = (re.fullmatch(of_any + "-[0-9]+", path.name) for path in _groups("vmm-*"))
    machines = {match[1] for match in found if match}
    return [
        CloudMachine(
            id=f"cgroup:{owner}/{machine}",
            name=f"{machine}#cgroup",
            state=CloudState.FAILED,
            reason=f"only its cgroup {cgroups.name_of(machine, parent, owner)} is left",
            kind=ResourceKind.OTHER,
            of=machine,
        )
        for machine in sorted(machines)
        if not Folder(parent / machine).there
    ]


def is_id(text: str) -> bool:
    """Whether it is the id of something left, not of a machine."""
    return _ID.fullmatch(text) is not None


def remove(text: str, parent: Path) -> list[Path]:
    """End what is in the cgroups of that id and remove them; returns those that are still there.

    Nothing is done if the machine is there.
    """
    match = _ID.fullmatch(text)
    if match is None or Folder(parent / match[2]).there:
        return []
    groups = _groups(f"{glob.escape(cgroups.name_of(match[2], parent, match[1]))}-[0-9]*")
    for group in groups:
        with suppress(OSError):
            freezer.freeze(group, frozen=False)
        for pid in _processes(group):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return cgroups.remove(tuple(groups))


def _processes(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _groups(pattern: str) -> list[Path]:
    parents = {place.folder.parent for place in cgroups.places("any")}
    return [path for parent in sorted(parents) for path in parent.glob(pattern) if path.is_dir()]
