"""Entries as the kernel wants them: ``stat``, ``statvfs`` and extended attributes. Pure."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from hashlib import blake2b

from ..model import Entry, Kind, Space, Status

_KINDS = {Kind.FILE: stat.S_IFREG, Kind.FOLDER: stat.S_IFDIR, Kind.LINK: stat.S_IFLNK}
_FRAGMENT = 4096
_UNKNOWN_BYTES = 1 << 50
"""Shown as total and free where the storage cannot tell, so that nobody refuses to write."""

XATTRS = ("user.dms.state", "user.dms.percent", "user.dms.cached_bytes")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose files these appear to be."""

    uid: int
    gid: int


def inode(entry: Entry) -> int:
    """A number that stays with the entry, also over renames."""
    volume = entry.path.split("/", 2)[1]
    digest = blake2b(f"{volume}\0{entry.id}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest()) >> 1 | 1


def mode(entry: Entry) -> int:
    """Type and permission bits as the kernel shall enforce them.

    The service decides what this user may do, so the owner's read bits are
    always on and nothing that cannot be written shows a write bit. The root is
    the owner's alone: nobody else gets past it, whatever lies below.
    """
    if entry.path == "/":
        return stat.S_IFDIR | (0o700 if entry.writable else 0o500)
    if entry.kind is Kind.LINK:
        return stat.S_IFLNK | 0o777
    bits = entry.mode | (0o500 if entry.kind is Kind.FOLDER else 0o400)
    if not entry.writable:
        bits &= ~0o222
    elif entry.kind is Kind.FOLDER:
        bits |= 0o200
    return _KINDS[entry.kind] | bits


def attributes(entry: Entry, owner: Owner) -> dict[str, int]:
    """``stat`` of an entry; times in nanoseconds."""
    size = len((entry.target or "").encode()) if entry.kind is Kind.LINK else entry.size
    return {
        "st_mode": mode(entry),
        "st_ino": inode(entry),
        "st_nlink": 2 if entry.kind is Kind.FOLDER else 1,
        "st_uid": owner.uid,
        "st_gid": owner.gid,
        "st_size": size,
        "st_blocks": -(-size // 512),
        "st_blksize": 1 << 20,
        "st_mtime": entry.mtime_ns,
        "st_ctime": entry.mtime_ns,
        "st_atime": entry.mtime_ns,
    }


def statvfs(space: Space) -> dict[str, int]:
    """``statvfs`` of a volume's room."""
    free = _UNKNOWN_BYTES if space.free is None else space.free
    total = max(_UNKNOWN_BYTES if space.total is None else space.total, free)
    return {
        "f_bsize": 1 << 20,
        "f_frsize": _FRAGMENT,
        "f_blocks": total // _FRAGMENT,
        "f_bfree": free // _FRAGMENT,
        "f_bavail": free // _FRAGMENT,
        "f_files": 1 << 40,
        "f_ffree": 1 << 40,
        "f_favail": 1 << 40,
        "f_namemax": 255,
    }


def xattr(status: Status, name: str) -> bytes:
    """The value of one of :data:`XATTRS`."""
    field = name.removeprefix("user.dms.")
    return str(getattr(status, field)).encode()
