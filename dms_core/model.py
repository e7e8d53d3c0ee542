"""The nouns of the Data Movement Service, one word per thing.

Sizes and offsets are bytes, times are nanoseconds since the epoch where they
come from a file (``*_ns``) and seconds elsewhere (``*_s``). A path is absolute
within its tree, ``/``-separated, without ``.`` or ``..``; ``/`` is the root.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")]
"""A volume's or storage's name: lower case letters, digits, dots, hyphens, underscores."""


class Noun(BaseModel):
    """An immutable record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(StrEnum):
    """What an entry is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


class CacheState(StrEnum):
    """Where the bytes of a file are, in the same words everywhere."""

    REMOTE = "remote"
    PARTIAL = "partial"
    CACHED = "cached"
    PINNED = "pinned"
    DIRTY = "dirty"
    SENDING = "sending"
    STUCK = "stuck"


class Action(StrEnum):
    """What a rule grants."""

    LIST = "list"  # see the entry and its attributes; list a folder
    READ = "read"
    WRITE = "write"  # create, change, rename, remove


class Policy(StrEnum):
    """What a volume promises: see the DESIGN's "Volumes"."""

    ARCHIVE = "archive"  # read-only, immutable once written, shared
    HOME = "home"  # private, read-write: /home/USER
    RB = "rb"  # experiments: /rb/INSTRUMENT/RBNumber/RBxxxxxxx


class Entry(Noun):
    """One file, folder or link, as its storage knows it at one moment.

    ``id`` outlives renames where the storage can tell; ``version`` changes
    whenever the bytes may have changed, so (id, version) names the bytes.
    """

    path: str
    kind: Kind
    id: str
    version: str
    size: int = Field(ge=0)
    mtime_ns: int
    mode: int = Field(description="permission bits only, 0o777 at most")
    writable: bool = Field(default=False, description="this caller may change it")
    immutable: bool = Field(default=False, description="these bytes never change")
    target: str | None = Field(default=None, description="where a link points")
    permit_s: float | None = Field(
        default=None,
        description="how long this may be used without asking again, as it can be withdrawn; "
        "None: it cannot be",
    )


class Page(Noun):
    """A part of a folder's listing, with everything ``stat`` needs."""

    entries: tuple[Entry, ...]
    cursor: str | None = Field(default=None, description="pass it to get the next; None at the end")


class Space(Noun):
    """Room of a storage, for ``df``. None where it cannot tell."""

    total: int | None = None
    free: int | None = None


class Volume(Noun):
    """A top folder with one policy."""

    name: Name
    policy: Policy
    storage: Name | None = Field(default=None, description="where its bytes are")
    storages: tuple[Name, ...] = Field(
        default=(), description="instead: replicas that hold the same, the nearest first"
    )
    title: str = ""

    @property
    def replicas(self) -> tuple[str, ...]:
        """Names of the storages that hold it, the nearest first."""
        return self.storages or ((self.storage,) if self.storage else ())


class StorageHealth(Noun):
    """How one storage of a volume is, as the last call to it and the probes after it found."""

    volume: str = ""
    storage: str = ""
    location: str = ""
    state: Literal["used", "away"]
    reason: str = Field(default="", description="why it is away, for operators")
    since_s: float = Field(description="since when, seconds since the epoch")
    times_away: int = Field(description="since the service started")
    served_bytes: int
    set_aside: int = Field(
        default=0, description="entries for which a replica is not used: they differ, or fail"
    )


class Health(Noun):
    """A service: ``degraded`` while it works with less than it was given."""

    status: Literal["ok", "degraded"]
    detail: str = ""
    version: str
    storages: tuple[StorageHealth, ...] = Field(
        default=(), description="of each volume, those that can tell how they are"
    )


class Near(Noun):
    """A location and how much of the bytes asked about is there."""

    location: str
    share: float = Field(gt=0, le=1)


class Status(Noun):
    """Where a file's or folder's bytes are, for people and programs alike."""

    path: str
    kind: Kind
    size: int
    state: CacheState
    percent: int = Field(ge=0, le=100)
    cached_bytes: int
    writable: bool
    reason: str = Field(default="", description="why it is stuck")
    remedy: str = Field(default="", description="what to do about it")


class Listed(Noun):
    """One row of a folder as the panel shows it: the entry and where its bytes are."""

    entry: Entry
    status: Status


class Listing(Noun):
    """A part of a folder with its states."""

    path: str
    rows: tuple[Listed, ...]
    cursor: str | None = None


class Transfer(Noun):
    """Bytes on their way into the cache."""

    id: str
    path: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    done_bytes: int
    total_bytes: int
    started_s: float
    reason: str = ""


class Unsent(Noun):
    """A file that was written here and waits to be sent to the service."""

    path: str
    size: int
    state: CacheState
    since_s: float = Field(description="when it first differed from the service's")
    tries: int = Field(description="how often sending it failed since the mount started")
    reason: str = ""
    remedy: str = ""


class Conflict(Noun):
    """Another machine changed a file that was changed here: both were kept."""

    path: str = Field(description="has what the other machine wrote")
    copy_path: str = Field(description="has what was written here")
    at_s: float


class Queue(Noun):
    """What waits to be sent, oldest first, and the latest conflicts."""

    files: tuple[Unsent, ...]
    conflicts: tuple[Conflict, ...]
    used_bytes: int
    limit_bytes: int


class MountInfo(Noun):
    """A mount, its cache and how its service is."""

    mountpoint: str
    user: str
    volumes: tuple[Volume, ...]
    block_bytes: int
    cache_bytes: int
    cache_limit_bytes: int
    fetched_bytes: int = Field(description="bytes fetched since the mount started")
    service: str
    reachable: bool
    reason: str = ""
    unsent_files: int = Field(default=0, description="written here, not yet at the service")
    unsent_bytes: int = 0
    stuck_files: int = Field(default=0, description="of those, refused: see 'dms queue'")


class Token(Noun):
    """A user's way in, for a while: a JWT that the service signed."""

    token: str = Field(repr=False)
    user: str
    expires_s: float = Field(description="when it ends, seconds since the epoch")
    renew_until_s: float = Field(description="until when it can be renewed, as above")
