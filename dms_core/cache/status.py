"""Where a file's or folder's bytes are, in one word and a percentage. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..model import CacheState, Entry, Kind, Status


def percent(part: int, whole: int) -> int:
    """How much of ``whole``, rounded down: 100 means all of it."""
    return 100 if part >= whole else 100 * part // whole


def file_status(entry: Entry, cached_bytes: int, *, pinned: bool = False) -> Status:
    """The status of one file of which ``cached_bytes`` are in the cache."""
    if pinned:
        state = CacheState.PINNED
    elif cached_bytes >= entry.size and not entry.writable:
        state = CacheState.CACHED
    else:
        state = CacheState.PARTIAL if cached_bytes else CacheState.REMOTE
    return Status(
        path=entry.path,
        kind=entry.kind,
        size=entry.size,
        state=state,
        percent=0 if state is CacheState.REMOTE else percent(cached_bytes, entry.size),
        cached_bytes=cached_bytes,
        writable=entry.writable,
    )


def folder_status(folder: Entry, files: Iterable[Status], *, all_known: bool) -> Status:
    """The status of a folder from the files known below it.

    Unless ``all_known``, there may be more of them than those listed yet, and
    the folder is at most ``partial``.
    """
    found = [status for status in files if status.kind is Kind.FILE]
    size = sum(status.size for status in found)
    cached = sum(status.cached_bytes for status in found)
    whole = all_known and bool(found) and all(_is_here(status) for status in found)
    if whole and all(status.state is CacheState.PINNED for status in found):
        state = CacheState.PINNED
    elif whole:
        state = CacheState.CACHED
    else:
        state = CacheState.PARTIAL if cached else CacheState.REMOTE
    share = percent(cached, size) if cached else 0
    return Status(
        path=folder.path,
        kind=folder.kind,
        size=size,
        state=state,
        percent=100 if whole else min(share, 99),
        cached_bytes=cached,
        writable=folder.writable,
    )


def unsent_status(
    path: str,
    kind: Kind,
    state: CacheState,
    *,
    size: int,
    sent_bytes: int = 0,
    reason: str = "",
    remedy: str = "",
) -> Status:
    """The status of a file that was written here, or of a folder with such files.

    All of it is on this machine; of what is being sent, the percentage tells how
    much is at the service.
    """
    sending = state is CacheState.SENDING
    return Status(
        path=path,
        kind=kind,
        size=size,
        state=state,
        percent=min(percent(sent_bytes, size), 99) if sending else 100,
        cached_bytes=size,
        writable=True,
        reason=reason,
        remedy=remedy,
    )


def _is_here(status: Status) -> bool:
    return status.state in (CacheState.CACHED, CacheState.PINNED) and status.percent == 100
