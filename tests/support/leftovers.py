"""What a system that was started under a folder left behind on this host."""

from __future__ import annotations

from pathlib import Path


def processes(folder: Path) -> list[str]:
    """Command lines of processes that name ``folder`` or work in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (
                (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
            cwd = Path(str((process / "cwd").readlink()).removesuffix(" (deleted)"))
        except OSError:
            continue
        if str(folder) in command or cwd.is_relative_to(folder):
            found.append(f"{process.name}: {command}")
    return found


def mounts(folder: Path) -> list[str]:
    """Mount points of this host at or below ``folder``."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [point for point in (line.split()[4] for line in lines) if point.startswith(str(folder))]


def everything(folder: Path) -> list[str]:
    """Processes, mounts and the folder itself, if still there."""
    return [*processes(folder), *mounts(folder), *([str(folder)] if folder.exists() else [])]
