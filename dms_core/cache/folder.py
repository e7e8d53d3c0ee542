"""The cache folder on disk: held by one process at a time, readable by scanning alone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ..errors import ConfigError, Damaged
from . import blocks
from .blocks import BlockFile
from .index import Record


def hold(folder: Path, kind: str = "cache") -> int:
    """Make ``folder`` (0700) ours alone until the returned descriptor is closed.

    Args:
        folder: it and what is above it is made if need be.
        kind: what it is, the section of the configuration that names it.

    Raises:
        ConfigError: it cannot be made or entered, or another process holds it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"The {kind} folder {folder} cannot be used ({error.strerror}); "
            f"name another in {kind}.folder."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise ConfigError(
            f"The {kind} folder {folder} is in use by process {owner}; "
            f"stop that mount or name another folder in {kind}.folder."
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def scan(folder: Path) -> list[Record]:
    """The records of all block files in ``folder``; what cannot be read is removed."""
    records = []
    for half_made in folder.glob("*/*.new"):
        half_made.unlink(missing_ok=True)
    for data in folder.glob("*/*.data"):
        try:
            file = BlockFile.open(folder, data.stem)
            used_s = blocks.meta_path(folder, file.name).stat().st_mtime
        except (OSError, Damaged):
            blocks.remove(folder, data.stem)
            continue
        records.append(
            Record(
                name=file.name,
                path=file.identity.path,
                size=file.shape.size,
                cached_bytes=file.cached_bytes,
                last_used_s=used_s,
                pinned=file.pinned,
            )
        )
    return records
