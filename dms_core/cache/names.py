"""What is known of the tree: entries, whole folders, and names that are not there.

Knowledge has an age. Below its time to live it is served as it is; above it
the source is asked again; while the source cannot be reached it stays good for
a grace period. Entries that never change are served at any age and asked for
again in the background, so that a removal or a withdrawn right takes effect in
a bounded time. All methods may be called from any thread.
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


@dataclass(frozen=True, slots=True)
class Ages:
    """How long knowledge is good, in seconds."""

    writable_s: float = 1.0
    """Entries and folders this user may change, and names that were not there."""
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
            if known is not None and (known.entry.immutable or now - known.at_s < known.ttl_s):
                return known.entry
            if known is None and self._surely_absent(path, now):
                raise NotFound(f"there is no {path}")
        return None

    def recheck_due(self, path: str) -> bool:
        """Whether an immutable entry should be asked for again; says so once per period."""
        now = self._clock()
        with self._lock:
            known = self._entries.get(path)
            if known is None or not known.entry.immutable:
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
            if known is not None and now - known.at_s < self.ages.grace_s:
                return known.entry
            listed = self._folders.get(folder_of(path))
            if listed is not None and now - listed.at_s < self.ages.grace_s:
                raise NotFound(f"there is no {path}")
        return None

    def remember(self, entry: Entry) -> None:
        """Keep what the source just said of one entry."""
        self._keep([entry], extra_s=0.0)

    def remember_page(self, entries: Iterable[Entry], listed: int) -> None:
        """Keep a page of a folder; ``listed`` is how many names the folder has so far."""
        self._keep(entries, extra_s=listed * _PER_LISTED_S)

    def remember_folder(self, folder: Entry | None, path: str, names: Iterable[str]) -> None:
        """Keep a folder's whole list of names."""
        kept = dict.fromkeys(names)
        ttl_s = self._ttl(folder) if folder is not None else self.ages.writable_s
        with self._lock:
            self._folders[path] = _Listed(kept, self._clock(), ttl_s + len(kept) * _PER_LISTED_S)

    def listing(self, path: str, *, stale: bool = False) -> list[Entry] | None:
        """A folder's entries if all of them are known and good; None: ask."""
        now = self._clock()
        with self._lock:
            listed = self._folders.get(path)
            if listed is None:
                return None
            if now - listed.at_s >= (self.ages.grace_s if stale else listed.ttl_s):
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
        self._keep([entry], extra_s=0.0)
        name = name_of(entry.path)
        with self._lock:
            listed = self._folders.get(folder_of(entry.path))
            if listed is not None and name:
                listed.names[name] = None

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

    def _keep(self, entries: Iterable[Entry], *, extra_s: float) -> None:
        now = self._clock()
        with self._lock:
            for entry in entries:
                self._entries[entry.path] = _Known(entry, now, self._ttl(entry) + extra_s, now)
                self._entries.move_to_end(entry.path)
                self._absent.pop(entry.path, None)
            while len(self._entries) > self.ages.most_entries:
                self._entries.popitem(last=False)

    def _ttl(self, entry: Entry) -> float:
        return self.ages.writable_s if entry.writable else self.ages.read_only_s

    def _surely_absent(self, path: str, now: float) -> bool:
        at_s = self._absent.get(path)
        if at_s is not None and now - at_s < self.ages.writable_s:
            return True
        listed = self._folders.get(folder_of(path))
        return (
            listed is not None
            and path != "/"
            and now - listed.at_s < self.ages.writable_s  # new runs are looked for by name
            and name_of(path) not in listed.names
        )
