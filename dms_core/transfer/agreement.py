"""When two storages have the same entry, and how it looks whichever of them serves it. Pure.

Storages name and version their entries in their own ways and keep times more or
less exactly: GridFTP and HTTP give whole seconds. What all can tell is a file's
size and the second of its last change; two files that agree in both are the
same. So a file of a replicated volume must not change twice within a second
and keep its size: fit for archives, where a file is closed once and for all.
"""

from __future__ import annotations

from ..model import Entry, Kind

SECOND_NS = 1_000_000_000
FILE_MODE = 0o444
FOLDER_MODE = 0o555
"""Permission bits are fixed: not every storage has them, and the volume's rules decide."""


def version_of(entry: Entry) -> str:
    """The version of a storage's own entry as all replicas would tell it."""
    seconds = entry.mtime_ns // SECOND_NS
    if entry.kind is Kind.FILE:
        return f"{entry.size:x}.{seconds:x}"
    return f"{entry.kind.value}.{seconds:x}"


def shown(entry: Entry, *, immutable: bool) -> Entry:
    """A storage's own entry as it looks whichever replica serves it.

    Args:
        entry: as one storage tells it.
        immutable: whether all replicas say that nothing ever changes.
    """
    return Entry(
        path=entry.path,
        kind=entry.kind,
        id=entry.path,
        version=version_of(entry),
        size=0 if entry.kind is Kind.FOLDER else entry.size,
        mtime_ns=entry.mtime_ns // SECOND_NS * SECOND_NS,
        mode=FOLDER_MODE if entry.kind is Kind.FOLDER else FILE_MODE,
        immutable=immutable,
        target=entry.target,
    )


def difference(wanted: Entry, found: Entry) -> str:
    """How a storage's own entry differs from the one that was shown; empty if it agrees."""
    if wanted.kind is not found.kind:
        return f"it has a {found.kind} where the others have a {wanted.kind}"
    if wanted.kind is Kind.FILE and wanted.size != found.size:
        return f"its size is {found.size}, not {wanted.size}"
    if wanted.version != version_of(found):
        seconds = (found.mtime_ns - wanted.mtime_ns) // SECOND_NS
        return f"it was changed {abs(seconds)} s {'later' if seconds > 0 else 'earlier'}"
    return ""
