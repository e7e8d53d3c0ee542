"""The Linux calls that Python 3.11's ``os`` lacks: namespaces, mounts, capabilities.

Thin and typed: each function is one system call and raises ``OSError`` with
its errno. Numbers and structures are from the kernel's ``uapi`` headers.
"""

from __future__ import annotations

import ctypes
import os
import platform

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_RELATIME = 1 << 21
MNT_DETACH = 0x2

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_CAPABILITY_VERSION_3 = 0x2008_0522

_libc = ctypes.CDLL(None, use_errno=True)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilityHalf(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def unshare(flags: int) -> None:
    """Leave the given namespaces for new ones (a new pid namespace is the next child's)."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """``mount(2)``."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        os.fsencode(data) or None,
    )
    _check(result, f"mount {kind or source} on {target}")


def unmount(target: str, flags: int = 0) -> None:
    """``umount2(2)``."""
    _check(_libc.umount2(os.fsencode(target), flags), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """``pivot_root(2)``, which the C library does not wrap."""
    number = _PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(f"pivot_root is not known for {platform.machine()}")
    _check(_libc.syscall(number, os.fsencode(new), os.fsencode(old)), "pivot_root")


def prctl(option: int, *values: int) -> None:
    """``prctl(2)`` with numbers."""
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _check(_libc.prctl(option, *padded), f"prctl {option}")


def set_process_name(name: str) -> None:
    """What ``ps -o comm`` and ``top`` show of this process; 15 bytes."""
    buffer = ctypes.create_string_buffer(os.fsencode(name)[:15])
    _check(_libc.prctl(PR_SET_NAME, buffer, 0, 0, 0), "prctl name")


def last_capability() -> int:
    """The highest capability that this kernel knows."""
    with open("/proc/sys/kernel/cap_last_cap", "rb") as file:  # noqa: PTH123 - hot and early
        return int(file.read())


def keep_capabilities_over_exec() -> None:
    """Make all capabilities of this process ambient, for programs of a non-zero uid."""
    mask = (1 << (last_capability() + 1)) - 1
    _set_capabilities(mask, mask, mask)
    for capability in range(last_capability() + 1):
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def drop_capabilities() -> None:
    """Give up every capability of this process, for good once ``no_new_privs`` is set."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    _set_capabilities(0, 0, 0)


def _set_capabilities(effective: int, permitted: int, inheritable: int) -> None:
    halves = (_CapabilityHalf * 2)(
        *(
            _CapabilityHalf(
                effective >> shift & 0xFFFF_FFFF,
                permitted >> shift & 0xFFFF_FFFF,
                inheritable >> shift & 0xFFFF_FFFF,
            )
            for shift in (0, 32)
        )
    )
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(ctypes.byref(header), halves), "capset")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
