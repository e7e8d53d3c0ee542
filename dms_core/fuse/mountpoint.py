"""The folder a mount appears in: is it fit, is a dead mount in the way, how to take one off."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import subprocess
from pathlib import Path

from ..errors import ConfigError

_DETACH = 2  # MNT_DETACH of umount2(2): take it off now, end it when it is no longer used
_READ_AHEAD_KIB = 1024
_ESCAPED = re.compile(rb"\\([0-7]{3})")  # how the kernel writes blanks in mountinfo


def check_device() -> None:
    """Raise ``ConfigError`` unless this process can use /dev/fuse."""
    device = Path("/dev/fuse")
    if not device.exists():
        raise ConfigError(
            "/dev/fuse is missing; run 'modprobe fuse', or give the container the device /dev/fuse."
        )
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except PermissionError:
        raise ConfigError(
            "/dev/fuse may not be opened by this user; mount as root, or have root run "
            "'chmod 666 /dev/fuse'."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"/dev/fuse cannot be opened ({error.strerror}); check the device cgroup."
        ) from None


def prepare(mountpoint: Path) -> None:
    """Make ``mountpoint`` an empty folder that nothing is mounted on; a dead mount is taken off.

    Raises:
        ConfigError: it is in use, not empty, or cannot be made.
    """
    if not mountpoint.is_absolute():
        raise ConfigError(f"The mountpoint {mountpoint} is relative; give its full path.")
    if is_mounted(mountpoint) and is_dead(mountpoint):
        unmount(mountpoint)
    try:
        mountpoint.mkdir(parents=True, exist_ok=True)
        if is_mounted(mountpoint):
            raise ConfigError(
                f"Something is mounted at {mountpoint} already; unmount it or name another folder."
            )
        if any(mountpoint.iterdir()):
            raise ConfigError(f"The mountpoint {mountpoint} is not empty; name an empty folder.")
    except FileExistsError:
        raise ConfigError(f"The mountpoint {mountpoint} is not a folder; name a folder.") from None
    except OSError as error:
        raise ConfigError(
            f"The mountpoint {mountpoint} cannot be used ({error.strerror}); name another folder."
        ) from None


def device_of(mountpoint: Path) -> str | None:
    """``major:minor`` of what is mounted exactly there; asks no file system."""
    wanted = os.fsencode(os.path.abspath(mountpoint))  # noqa: PTH100 - resolve() would ask it
    found = None
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        fields = line.split(b" ")
        if _ESCAPED.sub(lambda octal: bytes([int(octal[1], 8)]), fields[4]) == wanted:
            found = fields[2].decode()
    return found


def is_mounted(mountpoint: Path) -> bool:
    """Whether something is mounted exactly there."""
    return device_of(mountpoint) is not None


def is_dead(mountpoint: Path) -> bool:
    """Whether the process that served the mount is gone."""
    try:
        os.statvfs(mountpoint)  # stat() may still be answered from the kernel's memory
    except OSError as error:
        return error.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    return False


def unmount(mountpoint: Path) -> None:
    """Take the mount off, also when it is busy; no error if there is none."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.umount2(os.fsencode(mountpoint), _DETACH)
        return
    program = shutil.which("fusermount3") or shutil.which("fusermount")
    if program is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([program, "-u", "-q", "-z", str(mountpoint)], check=False, timeout=10)


def read_ahead(mountpoint: Path) -> None:
    """Have the kernel read ahead a block instead of 128 KiB, where this user may say so."""
    device = device_of(mountpoint)
    if device is not None:
        with contextlib.suppress(OSError):
            Path(f"/sys/class/bdi/{device}/read_ahead_kb").write_text(str(_READ_AHEAD_KIB))
