"""A machine's cgroups, v2, v1 or both, by trying: limits of CPU, memory, processes; the freezer.

What can be had differs between hosts (systemd's delegation, containers,
hybrid mounts), so nothing is decided from what is mounted: each limit is
tried where it could be, and :class:`Limited` says which hold.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import freezer

CPU_PERIOD_US = 100_000
PROCESSES = 4096
"""Most processes and threads of one machine."""

WAITING_SHARE = 1 / 8
"""A machine that nobody has dialled yet gets this much of the CPU that one in use gets."""

_WANTED = ("cpu", "memory", "pids")
_FREEZER = "freezer"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to make in one hierarchy, and the controllers to use there."""

    folder: Path
    controllers: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Limited:
    """The limits that hold, and the folders that hold them."""

    controllers: frozenset[str]
    folders: tuple[Path, ...]
    freezer: Path | None = None
    """The one of ``folders`` by which the machine can be frozen."""

    @property
    def text(self) -> str:
        """For people: which limits are missing, if any."""
        missing = [name for name in _WANTED if name not in self.controllers]
        if not missing:
            return "cgroup limits"
        if len(missing) == len(_WANTED):
            return "no cgroup limits"
        return f"no cgroup limit of {' and '.join(missing)}"


def name_of(machine: str, folder: Path, owner: str) -> str:
    """How the machine's cgroups are called but for a number: it says whose they are."""
    mark = hashlib.sha256(f"{owner}\0{folder}".encode()).hexdigest()[:12]
    return f"vmm-{machine}-{mark}"


def places(name: str) -> tuple[Place, ...]:
    """Everywhere that a machine's cgroup may be made, best first in each hierarchy.

    Beside our own group before inside it: with version 2 a group that has
    processes cannot have limited children, and a service's group is killed with it.
    """
    own = _own_groups()
    found: list[Place] = []
    for root, kind, options in _mounted():
        if kind == "cgroup2":
            group = own.get("", "/")
            bases = dict.fromkeys([str(Path(group).parent), group, "/"])
            found += [Place(root / base.lstrip("/") / name, _WANTED, 2) for base in bases]
        else:
            controllers = tuple(c for c in (*_WANTED, _FREEZER) if c in options)
            if controllers:
                group = own.get(controllers[0], "/")
                found.append(Place(root / group.lstrip("/") / name, controllers, 1))
    return tuple(found)


def limit(
    wanted: tuple[Place, ...], cpus: float, memory_bytes: int, processes: int = PROCESSES
) -> Limited:
    """Make the groups and set the limits, as far as this host allows."""
    held: set[str] = set()
    folders: list[Path] = []
    for place in wanted:
        open_ones = [c for c in place.controllers if c in _WANTED and c not in held]
        if not open_ones or not place.folder.parent.is_dir():
            continue
        try:
            place.folder.mkdir(exist_ok=True)
        except OSError:
            continue
        got = {
            controller
            for controller in open_ones
            if _enable(place, controller) and _set(place, controller, cpus, memory_bytes, processes)
        }
        if got and _can_join(place):
            held |= got
            folders.append(place.folder)
        else:
            with suppress(OSError):
                place.folder.rmdir()
    # With version 2 a process is in one group: the last, if any limit holds there.
    freezes = next((folder for folder in reversed(folders) if freezer.can(folder, 2)), None)
    if freezes is None and (freezes := _freezer(wanted)) is not None:
        folders.append(freezes)
    return Limited(frozenset(held), tuple(folders), freezes)


def join(folders: tuple[Path, ...], pid: int) -> None:
    """Put a process, and with it all that it will start, into the groups."""
    for folder in folders:
        (folder / "cgroup.procs").write_text(str(pid))


def weigh(folders: tuple[Path, ...], share: float) -> None:
    """Set what the machine gets of a contended CPU, relative to a machine in use (1.0)."""
    for folder in folders:
        for name, normal in (("cpu.weight", 100), ("cpu.shares", 1024)):
            with suppress(OSError):  # a hierarchy without the CPU controller
                freezer.write(folder / name, str(int(normal * share)))


def remove(folders: tuple[Path, ...], deadline_s: float = 5) -> list[Path]:
    """Remove the groups once their processes are gone; returns those that are still there."""
    end = time.monotonic() + deadline_s
    left = [folder for folder in folders if folder.exists()]
    while True:
        for folder in left:
            for path in sorted(folder.rglob("*"), reverse=True):
                if path.is_dir():
                    with suppress(OSError):
                        path.rmdir()
            with suppress(OSError):
                folder.rmdir()
        left = [folder for folder in left if folder.exists()]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.02)


def _freezer(wanted: tuple[Place, ...]) -> Path | None:
    """A group only to freeze: of version 2 if it can be, where what is frozen can be killed."""
    for place in sorted(wanted, key=lambda each: -each.version):
        if place.version == 2 or _FREEZER in place.controllers:
            with suppress(OSError):
                place.folder.mkdir(exist_ok=True)
                if freezer.can(place.folder, place.version) and _can_join(place):
                    return place.folder
                place.folder.rmdir()
    return None


def _set(place: Place, controller: str, cpus: float, memory: int, processes: int) -> bool:
    quota = max(1000, int(cpus * CPU_PERIOD_US))
    values = {
        (2, "cpu"): (("cpu.max", f"{quota} {CPU_PERIOD_US}"),),
        (2, "memory"): (("memory.max", str(memory)),),
        (2, "pids"): (("pids.max", str(processes)),),
        (1, "cpu"): (
            ("cpu.cfs_period_us", str(CPU_PERIOD_US)),
            ("cpu.cfs_quota_us", str(quota)),
        ),
        (1, "memory"): (("memory.limit_in_bytes", str(memory)),),
        (1, "pids"): (("pids.max", str(processes)),),
    }[place.version, controller]
    try:
        for name, value in values:
            freezer.write(place.folder / name, value)
    except OSError:
        return False
    return True


def _enable(place: Place, controller: str) -> bool:
    """With version 2 a parent hands each controller down."""
    if place.version == 1:
        return True
    parent = place.folder.parent
    try:
        if controller not in (parent / "cgroup.subtree_control").read_text().split():
            (parent / "cgroup.subtree_control").write_text(f"+{controller}")
    except OSError:
        return False
    return True


def _can_join(place: Place) -> bool:
    return os.access(place.folder / "cgroup.procs", os.W_OK)


def _mounted() -> Iterator[tuple[Path, str, frozenset[str]]]:
    """Mount point, type and superblock options of every cgroup hierarchy."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            yield Path(before.split()[4]), kind, frozenset(options.split(","))


def _own_groups() -> dict[str, str]:
    """Our own group by controller; the one of version 2 under the empty name."""
    groups: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = group
    return groups
