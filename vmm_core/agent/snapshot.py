"""The machine's processes at one moment, and what can be told from two such moments."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

KERNEL_FILE = re.compile(r"(?:.*/)?kernel-[\w.-]+\.json")
"""The connection file that every Jupyter kernel has on its command line."""

X_SERVERS = frozenset({"Xtigervnc", "Xvnc", "Xorg", "Xephyr", "Xvfb", "X"})

PEOPLE = range(1000, 65534)
"""User ids of people, as Debian and its relatives number them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One process. ``ticks`` is its CPU time with that of children it waited for."""

    pid: int
    parent: int
    uid: int
    gid: int
    name: str
    line: tuple[str, ...]
    terminal: int
    started: int
    ticks: int


Snapshot = Mapping[int, Seen]


def take(pids: Iterable[int]) -> dict[int, Seen]:
    """Those of the processes that live."""
    found = (_look(pid) for pid in pids)
    return {seen.pid: seen for seen in found if seen is not None}


def below(snapshot: Snapshot, roots: Collection[int]) -> set[int]:
    """The roots and everything that descends from them."""
    children: dict[int, list[int]] = {}
    for seen in snapshot.values():
        children.setdefault(seen.parent, []).append(seen.pid)
    found: set[int] = set()
    layer = list(roots)
    while layer:
        pid = layer.pop()
        if pid not in found:
            found.add(pid)
            layer += children.get(pid, ())
    return found


def ticks_between(before: Snapshot, now: Snapshot, pids: Collection[int]) -> int:
    """CPU time that these processes used from one moment to the next.

    What a child used until the first moment is not counted again when its parent
    has waited for it.
    """
    used = 0
    for pid in pids:
        seen = now[pid]
        known = before.get(pid)
        same = known is not None and known.started == seen.started
        used += seen.ticks - (known.ticks if known and same else 0)
    gone = (seen for pid, seen in before.items() if pid not in now and seen.parent in pids)
    return max(0, used - sum(seen.ticks for seen in gone))


def kernels(snapshot: Snapshot, pids: Collection[int]) -> set[int]:
    """Jupyter kernels among the processes; of a kernel and its wrapper only the upper one."""
    found = {pid for pid in pids if any(map(KERNEL_FILE.fullmatch, snapshot[pid].line))}
    return {pid for pid in found if snapshot[pid].parent not in found}


def x_servers(snapshot: Snapshot) -> list[Seen]:
    """X servers, the lowest pid first."""
    return [seen for pid, seen in sorted(snapshot.items()) if seen.name in X_SERVERS]


def display_of(x_server: Seen) -> tuple[str, str]:
    """The display that an X server serves and its authority file, each empty if not on its line."""
    line = x_server.line
    display = next((word for word in line if re.fullmatch(r":\d+", word)), "")
    authority = next((after for word, after in pairwise(line) if word == "-auth"), "")
    return display, authority


def _look(pid: int) -> Seen | None:
    folder = Path("/proc", str(pid))
    try:
        stat = (folder / "stat").read_text(errors="replace")
        line = (folder / "cmdline").read_bytes()
        owner = folder.stat()
    except OSError:
        return None
    head, _, tail = stat.rpartition(")")
    fields = tail.split()
    if fields[0] in "ZX":
        return None
    return Seen(
        pid=pid,
        parent=int(fields[1]),
        uid=owner.st_uid,
        gid=owner.st_gid,
        name=head.partition("(")[2],
        line=tuple(line.decode(errors="replace").rstrip("\0").split("\0")),
        terminal=int(fields[4]),
        started=int(fields[19]),
        ticks=sum(map(int, fields[11:15])),
    )
