"""What can go wrong in the DMS, each as one sentence that names the thing and the remedy.

One class per outcome, with its errno (for the mount) and its HTTP status (for
the service) beside it, so that a failure reads the same through every door.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class DmsError(Exception):
    """Base of all errors a storage, the service or the mount can raise."""

    errno: ClassVar[int] = errno.EIO
    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"


class NotFound(DmsError):
    """No such entry, or none that this user may know of."""

    errno = errno.ENOENT
    status = 404
    slug = "not-found"


class NotAllowed(DmsError):
    """The rules do not give this user this action."""

    errno = errno.EACCES
    status = 403
    slug = "not-allowed"


class NotPermitted(NotAllowed):
    """This is refused to everybody: links, another owner, special files."""

    errno = errno.EPERM
    slug = "not-permitted"


class NotAuthenticated(NotAllowed):
    """No token, an expired one, or one that was not signed here."""

    status = 401
    slug = "not-authenticated"


class ReadOnly(DmsError):
    """The volume takes no changes."""

    errno = errno.EROFS
    status = 405
    slug = "read-only"


class Exists(DmsError):
    """There is an entry of that name already."""

    errno = errno.EEXIST
    status = 409
    slug = "exists"


class NotEmpty(DmsError):
    """The folder still has entries."""

    errno = errno.ENOTEMPTY
    status = 409
    slug = "not-empty"


class NotAFolder(DmsError):
    """A file stands where a folder is needed."""

    errno = errno.ENOTDIR
    status = 409
    slug = "not-a-folder"


class IsAFolder(DmsError):
    """A folder stands where a file is needed."""

    errno = errno.EISDIR
    status = 409
    slug = "is-a-folder"


class CrossVolume(DmsError):
    """A rename cannot leave its volume; copy instead."""

    errno = errno.EXDEV
    status = 409
    slug = "cross-volume"


class Stale(DmsError):
    """The entry changed or went since it was looked up; look it up again."""

    errno = errno.ESTALE
    status = 412
    slug = "stale"


class NoSpace(DmsError):
    """The storage, a quota or the cache is full."""

    errno = errno.ENOSPC
    status = 507
    slug = "no-space"


class BadRequest(DmsError):
    """The call makes no sense as it stands."""

    errno = errno.EINVAL
    status = 400
    slug = "bad-request"


class Unsupported(DmsError):
    """This storage cannot do that, now or ever."""

    errno = errno.EOPNOTSUPP
    status = 501
    slug = "unsupported"


class Unreachable(DmsError):
    """The storage or the service does not answer; try again."""

    errno = errno.EHOSTUNREACH
    status = 503
    slug = "unreachable"


class TimedOut(Unreachable):
    """No answer within the deadline."""

    errno = errno.ETIMEDOUT
    status = 504
    slug = "timed-out"


class StorageAway(Unreachable):
    """The service answers, but the storage behind this path does not; others may."""

    slug = "storage-away"


class Damaged(DmsError):
    """Bytes came that do not match their checksum."""

    slug = "damaged"


class ConfigError(DmsError):
    """A configuration file is wrong; the message gives file and line."""

    slug = "config"
