"""The folders that the desktop shows: those of the notebook's file panel, by the same names.

The notebook server's own folder is the user's home in the data mount, so the
mount is found from it, whatever the machine calls its mountpoint.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HOME = "home"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with the name it has in the panel."""

    name: str
    path: Path


def find_places(folder: Path) -> list[Place]:
    """The folders to show, the user's home first.

    Args:
        folder: where the notebook server works. Outside of a data mount it is the
            only place.
    """
    mount = _mount_of(folder)
    if mount is None:
        return [Place(HOME, folder)]
    try:
        volumes = sorted(path for path in mount.iterdir() if not path.name.startswith("."))
    except OSError:  # the mount is away now: what is known stays reachable
        volumes = []
    others = [Place(path.name, path) for path in volumes if not folder.is_relative_to(path)]
    return [Place(HOME, folder), *others]


def _mount_of(folder: Path) -> Path | None:
    """The mount that holds ``folder``, unless that is the machine's own disk."""
    for candidate in (folder, *folder.parents):
        if os.path.ismount(candidate):
            return candidate if candidate != Path("/") and _is_fuse(candidate) else None
    return None


def _is_fuse(mountpoint: Path) -> bool:
    with Path("/proc/self/mountinfo").open(errors="surrogateescape") as mounts:
        for line in mounts:
            own, _, of_filesystem = line.partition(" - ")
            point = own.split()[4].encode().decode("unicode_escape")
            if point == str(mountpoint):
                return of_filesystem.startswith("fuse")
    return False
