"""The machine's file tree, built by its first process in its own mount namespace.

Every top folder of the host is the lower side of an overlay, read-only and
shared; what the machine writes stays in its own folder. Folders that are
people's or the moment's (``/home``, ``/root``, ``/tmp``, ``/run``, ...) start empty.
One overlay per top folder, because a normal user's namespace may not overlay a
folder that has other mounts below it, as ``/`` always has.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ...linux import (
    MNT_DETACH,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    mount,
    pivot_root,
    unmount,
)

_EMPTY = {
    "home": 0o755,
    "root": 0o711,
    "tmp": 0o1777,
    "run": 0o755,
    "mnt": 0o755,
    "media": 0o755,
}
_EMPTY_BELOW = {"var/tmp": 0o1777, "var/cache": 0o755}
_OURS = {"proc", "sys", "dev", "lost+found", *_EMPTY}
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "fuse")


def enter(
    disk: Path,
    name: str,
    *,
    show: Iterable[str],
    hide: Iterable[str],
    devices: Iterable[str],
    memory_bytes: int,
) -> None:
    """Build the tree on ``disk`` and make it this process's root; the host's is out of reach.

    Args:
        disk: folder of the machine for all that it writes.
        name: the machine's host name.
        show: folders of the host that must be there, read-only, wherever they are.
        hide: files and folders of the host that must not be seen.
        devices: device nodes of the host to hand in, beside the harmless ones.
        memory_bytes: half of it is the size of ``/dev/shm``, and of the disk where
            the filesystem of ``disk`` cannot carry overlays.
    """
    mount("", "/", flags=MS_REC | MS_PRIVATE)
    half = memory_bytes // 2
    if not _carries_overlays(disk):
        mount("tmpfs", str(disk), "tmpfs", MS_NODEV, f"size={half},mode=0700")
    root = disk / "root"
    root.mkdir(mode=0o755)
    root.chmod(0o755)
    mount(str(root), str(root), flags=MS_BIND)
    _top_folders(disk, root)
    for folder in show:
        _show(folder, root)
    for path in hide:
        _hide(path, root)
    _kernel_folders(root, devices, half)
    _identity(root / "etc", name)
    os.chdir(root)
    pivot_root(".", ".")  # the old root is now mounted over the new one, until:
    unmount(".", MNT_DETACH)
    os.chdir("/")


def _carries_overlays(disk: Path) -> bool:
    trial = [disk / name for name in ("trial-upper", "trial-work", "trial")]
    for folder in trial:
        folder.mkdir()
    try:
        _overlay("/usr", *map(str, trial))
    except OSError:
        return False
    unmount(str(trial[2]), MNT_DETACH)
    return True


def _overlay(lower: str, upper: str, work: str, target: str) -> None:
    if any(mark in lower + upper + work for mark in ",:\\"):
        raise OSError(f"a path with , : or \\ cannot be overlaid: {lower}, {upper}")
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    if os.geteuid() != 0:
        options += ",userxattr"
    # A machine's files never outlive it: without "volatile" its end waits for the disk.
    mount("overlay", target, "overlay", 0, f"{options},volatile")


def _top_folders(disk: Path, root: Path) -> None:
    for name, mode in _EMPTY.items():
        _folder(root / name, mode)
    with os.scandir("/") as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            target = root / entry.name
            if entry.is_symlink():
                target.symlink_to(Path(entry.path).readlink())
            elif entry.is_dir() and entry.name not in _OURS:
                target.mkdir()
                _top_folder(disk, entry.path, target)
    for name, mode in _EMPTY_BELOW.items():
        own = disk / "empty" / name
        _folder(own, mode)
        (root / name).mkdir(parents=True, exist_ok=True)
        mount(str(own), str(root / name), flags=MS_BIND)


def _top_folder(disk: Path, lower: str, target: Path) -> None:
    upper, work = disk / "upper" / target.name, disk / "work" / target.name
    upper.mkdir(parents=True)
    work.mkdir(parents=True)
    facts = Path(lower).stat()  # the upper side's mode and owner are those of the merged folder
    if os.geteuid() == 0:
        os.chown(upper, facts.st_uid, facts.st_gid)
    upper.chmod(stat.S_IMODE(facts.st_mode))
    try:
        _overlay(lower, str(upper), str(work), str(target))
    except OSError:  # has mounts below it, or is of a kind that cannot be overlaid
        with suppress(OSError):
            _bind_read_only(lower, target)


def _show(folder: str, root: Path) -> None:
    target = root / folder.lstrip("/")
    if target.exists() and _names(target) == _names(Path(folder)):
        return
    missing = [p for p in (target, *target.parents) if not p.exists()]
    for path in reversed(missing):
        _folder(path, 0o755)
    _bind_read_only(folder, target)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _hide(path: str, root: Path) -> None:
    target = root / path.lstrip("/")
    if target.is_dir():
        flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
        mount("tmpfs", str(target), "tmpfs", flags, "size=4k,mode=0")
    elif target.exists():
        mount("/dev/null", str(target), flags=MS_BIND)


def _kernel_folders(root: Path, devices: Iterable[str], shm_bytes: int) -> None:
    for name in ("proc", "sys", "dev"):
        _folder(root / name, 0o755)
    quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC
    mount("proc", str(root / "proc"), "proc", quiet)
    with suppress(OSError):  # not everywhere for normal users, and nothing depends on it
        mount("sysfs", str(root / "sys"), "sysfs", quiet | MS_RDONLY)
    dev = root / "dev"
    mount("tmpfs", str(dev), "tmpfs", MS_NOSUID, "size=64k,mode=0755")
    for path in (*(f"/dev/{name}" for name in _DEVICES), *devices):
        if Path(path).exists():
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
            mount(path, str(target), flags=MS_BIND)
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    group = ",gid=5" if os.geteuid() == 0 else ""
    pts = f"newinstance,ptmxmode=0666,mode=0620{group}"
    mount("devpts", str(dev / "pts"), "devpts", MS_NOSUID | MS_NOEXEC, pts)
    mount("tmpfs", str(dev / "shm"), "tmpfs", MS_NOSUID | MS_NODEV, f"size={shm_bytes},mode=1777")
    for link, target_name in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        (dev / link).symlink_to(target_name)


def _identity(etc: Path, name: str) -> None:
    """Host name, hosts and machine id of its own."""
    hosts = f"127.0.0.1 localhost {name}\n::1 localhost ip6-localhost ip6-loopback\n"
    for file, text in (
        ("hostname", f"{name}\n"),
        ("hosts", hosts),
        ("machine-id", f"{uuid.uuid4().hex}\n"),
    ):
        draft = etc / f".{file}.new"
        with suppress(OSError):  # /etc may be read-only; the names are a convenience
            draft.write_text(text)
            draft.chmod(0o644)
            draft.replace(etc / file)


def _bind_read_only(source: str, target: Path) -> None:
    try:
        mount(source, str(target), flags=MS_BIND)
    except OSError:  # a normal user's namespace may not separate it from mounts below it
        mount(source, str(target), flags=MS_BIND | MS_REC)
    had = os.statvfs(target).f_flag  # a remount must repeat what was set
    kept = had & (MS_NOSUID | MS_NODEV | MS_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME)
    if had & os.ST_RELATIME:
        kept |= MS_RELATIME
    mount("", str(target), flags=MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def _folder(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
