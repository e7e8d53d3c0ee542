"""What is known of the tree: entries, whole folders, and names that are not there.

Knowledge has an age. Below its time to live it is served as it is; above it
the source is asked again; while the source cannot be reached it stays good for
a grace period. Entries that never change are served at any age and asked for
again in the background, so that a removal takes effect in a bounded time. What
is on a permit (``Entry.permit_s``) is asked for again like what can be changed,
and is not used beyond its permit. All methods may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import NotFound
from ..model import Entry, Kind
from ..paths import folder_of, join, name_of

_PER_LISTED_S = 0.0002  # what `ls -l` takes per name; a listing must outlive its own `ls -l`
_MOST_PERMITTED_S = 10.0  # but with a permit it waits no longer to be asked for again


@dataclass(frozen=True, slots=True)
class Ages:
    """How long knowledge is good, in seconds."""

    writable_s: float = 1.0
    """Entries this user may change or has on a permit, and names that were not there."""
    read_only_s: float = 10.0
    """The others, unless they are immutable."""
    recheck_s: float = 600.0
    """After this an immutable entry is asked for again, in the background."""
    grace_s: float = 24 * 3600.0
    """How long all of it may be used while the source cannot be reached."""
    most_entries: int = 500_000
    """Beyond this many the least recently used are forgotten."""


@dataclass(slots=True)
class _Known:
    entry: Entry
    at_s: float
    ttl_s: float
    rechecked_s: float


@dataclass(slots=True)
class _Listed:
    names: dict[str, None]
    at_s: float
    ttl_s: float
    permit_s: float | None


class Names:
    """The memory of one tree."""

    def __init__(self, ages: Ages, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.ages = ages
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Known] = OrderedDict()
        self._folders: dict[str, _Listed] = {}
        self._absent: OrderedDict[str, float] = OrderedDict()

    def fresh(self, path: str) -> Entry | None:
        """The entry if it need not be asked for; ``NotFound`` if it is known not to be there."""
        now = self._clock()
        with self._lock:
            known = self._entries.get(path)
            if known is not None and (_is_lasting(known.entry) or now - known.at_s < known.ttl_s):
                return known.entry
            if known is None and self._surely_absent(path, now):
                raise NotFound(f"{path} does not exist; check the path.")
        return None

    def recheck_due(self, path: str) -> bool:
        """Whether an immutable entry should be asked for again; says so once per period."""
        now = self._clock()
        with self._lock:
            known = self._entries.get(path)
            if known is None or not _is_lasting(known.entry):
                return False
            if now - known.rechecked_s < self.ages.recheck_s:
                return False
            known.rechecked_s = now
            return True

    def peek(self, path: str) -> Entry | None:
        """The entry at any age."""
        with self._lock:
            known = self._entries.get(path)
            return known.entry if known is not None else None

    def stale(self, path: str) -> Entry | None:
        """The entry while the source is away: anything within the grace period."""
        now = self._clock()
        with self._lock:
            known = self._entries.get(path)
            if known is not None and now - known.at_s < self._grace(known.entry.permit_s):
                return known.entry
            listed = self._folders.get(folder_of(path))
            if (
                listed is not None
                and now - listed.at_s < self._grace(listed.permit_s)
                and name_of(path) not in listed.names
            ):
                raise NotFound(f"{path} does not exist; check the path.")
        return None

    def remember(self, entry: Entry) -> None:
        """Keep what the source just said of one entry."""
        self._keep([entry])

    def remember_page(self, entries: Iterable[Entry], listed: int) -> None:
        """Keep a page of a folder; ``listed`` is how many names the folder has so far."""
        self._keep(entries, listed)

    def remember_folder(self, folder: Entry | None, path: str, names: Iterable[str]) -> None:
        """Keep a folder's whole list of names."""
        kept = dict.fromkeys(names)
        ttl_s = self._ttl(folder, len(kept))
        permit_s = folder.permit_s if folder is not None else None
        with self._lock:
            self._folders[path] = _Listed(kept, self._clock(), ttl_s, permit_s)

    def listing(self, path: str, *, stale: bool = False) -> list[Entry] | None:
        """A folder's entries if all of them are known and good; None: ask."""
        now = self._clock()
        with self._lock:
            listed = self._folders.get(path)
            if listed is None:
                return None
            if now - listed.at_s >= (self._grace(listed.permit_s) if stale else listed.ttl_s):
                return None
            found = [self._entries.get(join(path, name)) for name in sorted(listed.names)]
            entries = [known.entry for known in found if known is not None]
            return entries if len(entries) == len(found) else None

    def absent(self, path: str) -> None:
        """Keep that there is nothing at ``path``, for a short while."""
        self.forget(path)
        with self._lock:
            self._absent[path] = self._clock()
            while len(self._absent) > 10_000:
                self._absent.popitem(last=False)

    def added(self, entry: Entry) -> None:
        """Keep an entry that this mount made or changed."""
        self._keep([entry])
        name = name_of(entry.path)
        with self._lock:
            listed = self._folders.get(folder_of(entry.path))
            if listed is not None and name:
                listed.names[name] = None

    def doubt(self, path: str) -> None:
        """Ask again for ``path`` and its folder: a change of it may have happened or not.

        While the source is away they are what was known before.
        """
        with self._lock:
            self._absent.pop(path, None)
            for known in (self._entries.get(path), self._folders.get(folder_of(path))):
                if known is not None:
                    known.ttl_s = 0.0

    def forget(self, path: str) -> None:
        """Know nothing of ``path`` and all below it any more."""
        below = path.rstrip("/") + "/"
        with self._lock:
            known = self._entries.pop(path, None)
            self._absent.pop(path, None)
            listed = self._folders.get(folder_of(path))
            if listed is not None:
                listed.names.pop(name_of(path), None)
            self._folders.pop(path, None)
            if known is None or known.entry.kind is Kind.FOLDER:
                for memory in (self._entries, self._folders, self._absent):
                    for one in [one for one in memory if one.startswith(below)]:
                        del memory[one]

    def _keep(self, entries: Iterable[Entry], listed: int = 0) -> None:
        now = self._clock()
        with self._lock:
            for entry in entries:
                self._entries[entry.path] = _Known(entry, now, self._ttl(entry, listed), now)
                self._entries.move_to_end(entry.path)
                self._absent.pop(entry.path, None)
            while len(self._entries) > self.ages.most_entries:
                self._entries.popitem(last=False)

    def _ttl(self, entry: Entry | None, listed: int) -> float:
        """How long ``entry`` is good when it came with ``listed`` names."""
        extra_s = listed * _PER_LISTED_S
        if entry is not None and entry.permit_s is not None:
            return self.ages.writable_s + min(extra_s, _MOST_PERMITTED_S)
        soon = entry is None or entry.writable
        return (self.ages.writable_s if soon else self.ages.read_only_s) + extra_s

    def _grace(self, permit_s: float | None) -> float:
        return self.ages.grace_s if permit_s is None else min(permit_s, self.ages.grace_s)

    def _surely_absent(self, path: str, now: float) -> bool:
        at_s = self._absent.get(path)
        if at_s is not None and now - at_s < self.ages.writable_s:
            return True
        listed = self._folders.get(folder_of(path))
        return (
            listed is not None
            and path != "/"
            and now - listed.at_s < min(self.ages.writable_s, listed.ttl_s)  # new runs: by name
            and name_of(path) not in listed.names
        )


def _is_lasting(entry: Entry) -> bool:
    """Whether it is good at any age: its bytes never change and nobody can withdraw it."""
    return entry.immutable and entry.permit_s is None
