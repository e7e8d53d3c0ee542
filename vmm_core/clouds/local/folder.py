"""What is known of one local machine on disk, and who supervises it.

A machine's folder (0700) holds::

    record.json   what the machine is to be; written before anything starts, then never again
    status.json   what its supervisor last said; replaced atomically
    lock          held by the living supervisor
    deleting      present once somebody asked for its end: no supervisor starts any more
    suspended     present while the machine is to be kept as it is and not to run
    disk/         the machine's files: its root, the upper sides of its overlays
    supervisor.log, machine.log

The folder appears complete, by a rename, so a machine has a record or does not
exist. The supervisor is the process that holds the lock: the kernel tells its
pid (``F_GETLK``) and frees the lock when it dies, so no pid of another process
is ever taken for it. This module needs only the standard library: supervisors
start fast.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import struct
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...processes import descendants, start_time
from .trees import remove_tree

_FLOCK = "hhqqi"  # struct flock: type, whence, start, length, pid; native alignment


@dataclass(frozen=True, slots=True)
class Record:
    """What a machine is to be: all that its supervisor needs."""

    name: str
    owner: str
    way: str
    cpus: float
    ram_gb: float
    gpus: int
    gpu_model: str | None
    ports: tuple[int, ...]
    reach: tuple[str, ...]
    devices: tuple[str, ...]
    show: tuple[str, ...]
    hide: tuple[str, ...]
    command: tuple[str, ...]
    environment: dict[str, str]
    user_data: str
    stop_timeout_s: float
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Status:
    """What the supervisor last said of its machine."""

    state: str = "building"  # building, running, failed
    reason: str = ""
    isolation: str = ""
    ports: dict[int, int] = field(default_factory=dict)
    cgroups: tuple[str, ...] = ()
    processes: tuple[tuple[int, int], ...] = ()
    """Pid and start time of processes that must not outlive the supervisor."""
    freezer: str = ""
    """The one of ``cgroups`` by which the machine can be frozen, if there is one."""


class Folder:
    """The folder of one machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.disk = path / "disk"

    @property
    def name(self) -> str:
        """The machine's name, which is its id."""
        return self.path.name

    @classmethod
    def create(cls, parent: Path, record: Record) -> Folder:
        """Make the folder with its record, whole or not at all.

        Raises:
            FileExistsError: there is a machine of this name.
        """
        draft = Path(tempfile.mkdtemp(dir=parent, prefix=".new-"))
        try:
            _replace(draft / "record.json", json.dumps(asdict(record)))
            try:
                draft.rename(parent / record.name)
            except OSError as error:  # ENOTEMPTY: rename never replaces a filled folder
                raise FileExistsError(record.name) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return cls(parent / record.name)

    def record(self) -> Record | None:
        """The record; None if the machine is gone."""
        values = _load(self.path / "record.json")
        if values is None:
            return None
        lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return Record(**{**values, **lists})

    def status(self) -> Status | None:
        """The last status; None before the first."""
        values = _load(self.path / "status.json")
        if values is None:
            return None
        return Status(
            state=values["state"],
            reason=values["reason"],
            isolation=values["isolation"],
            ports={int(inner): outer for inner, outer in values["ports"].items()},
            cgroups=tuple(values["cgroups"]),
            processes=tuple((pid, start) for pid, start in values["processes"]),
            freezer=values.get("freezer", ""),
        )

    def write_status(self, status: Status) -> None:
        """Replace the status. By the supervisor only."""
        _replace(self.path / "status.json", json.dumps(asdict(status)))

    @property
    def deleting(self) -> bool:
        """Whether somebody asked for the machine's end."""
        return (self.path / "deleting").exists()

    def mark_deleting(self) -> None:
        """Make the end irrevocable: no supervisor starts after this."""
        with suppress(FileNotFoundError):
            (self.path / "deleting").touch(mode=0o600)

    @property
    def suspended(self) -> bool:
        """Whether the machine is to be kept as it is and not to run."""
        return (self.path / "suspended").exists()

    def mark_suspended(self, suspended: bool) -> None:
        """Write down that the machine is suspended, or that it is no more."""
        with suppress(FileNotFoundError):
            if suspended:
                (self.path / "suspended").touch(mode=0o600)
            else:
                (self.path / "suspended").unlink()

    @property
    def there(self) -> bool:
        """Whether the machine's record is still where it was written."""
        return (self.path / "record.json").exists()

    def written(self, most: int) -> bytes:
        """The end of what the machine, then its supervisor, wrote; of each ``most`` bytes."""
        found = b""
        for name in ("machine.log", "supervisor.log"):
            with suppress(FileNotFoundError), (self.path / name).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - most))
                found += log.read(most)
        return found

    @property
    def age_s(self) -> float:
        """Seconds since the record was written."""
        try:
            return time.time() - (self.path / "record.json").stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def lock(self) -> bool:
        """Become the machine's supervisor until this process ends; False if there is one."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        return True  # the descriptor stays open, and so the lock held, for the process's life

    def supervisor(self) -> int | None:
        """The pid of the living supervisor."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            query = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(
                _FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, query)
            )
        finally:
            os.close(descriptor)
        return None if kind == fcntl.F_UNLCK else pid

    def signal_supervisor(self, number: signal.Signals) -> bool:
        """Send a signal to the supervisor; False if there is none."""
        return signal_process(self.supervisor, number)

    def kill_leftovers(self) -> bool:
        """SIGKILL what outlived a dead supervisor; True if something was there: call it again.

        What they started goes before them: where there is no pid namespace, nobody
        could tell afterwards whose it was.
        """
        status = self.status()
        left = False
        for pid, start in status.processes if status else ():

            def living(pid: int = pid, start: int = start) -> int | None:
                return pid if start_time(pid) == start else None

            if signal_process(living, signal.SIGSTOP):  # it starts nothing any more
                left = True
                below = descendants(pid)
                for each in below:
                    with suppress(ProcessLookupError):
                        os.kill(each, signal.SIGKILL)
                if not below:
                    signal_process(living, signal.SIGKILL)
        return left

    def remove(self) -> None:
        """Delete all files. The record goes last, so that an interrupted removal is seen.

        Raises:
            OSError: something could not be deleted.
        """
        remove_tree(self.disk)
        aside = self.path.with_name(f".gone-{self.name}-{os.getpid()}-{time.monotonic_ns()}")
        with suppress(FileNotFoundError):
            self.path.rename(aside)
            remove_tree(aside)


def signal_process(living: Callable[[], int | None], number: signal.Signals) -> bool:
    """Signal the process that ``living`` names, never another that got its pid; False if gone."""
    pid = living()
    if pid is None:
        return False
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if living() != pid:  # asked again with the process pinned by its handle
            return True
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _load(path: Path) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return values


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
