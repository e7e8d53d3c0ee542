"""Paths of a tree: check, split and join them. Pure, and strict on purpose.

A path that could mean two things (``..``, ``//``, NUL, bytes that are not
UTF-8) is refused rather than repaired, so that the path the rules judge is
the path the storage opens.
"""

from __future__ import annotations

from .errors import BadRequest

MAX_PATH_BYTES = 4095
MAX_NAME_BYTES = 255


def parts_of(path: str) -> list[str]:
    """The names of ``path`` from the root down; ``[]`` for ``/``.

    Raises:
        BadRequest: it is not an absolute, plain path in UTF-8.
    """
    if path == "/":
        return []
    if not path.startswith("/"):
        raise BadRequest(f"The path {path!r} is not absolute; start it with '/'.")
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise BadRequest(f"The path {path!r} is not UTF-8; rename the entry.") from None
    if size > MAX_PATH_BYTES:
        raise BadRequest(f"A path of {size} bytes is longer than {MAX_PATH_BYTES}; shorten it.")
    parts = path[1:].split("/")
    for part in parts:
        _check_name(part, path)
    return parts


def _check_name(name: str, path: str) -> None:
    if name in ("", ".", ".."):
        raise BadRequest(
            f"The path {path!r} has an empty, '.' or '..' part; give the plain path from '/'."
        )
    if "\0" in name:
        raise BadRequest(f"The path {path!r} has a NUL character; leave it out.")
    if len(name) * 4 > MAX_NAME_BYTES and len(name.encode()) > MAX_NAME_BYTES:
        raise BadRequest(f"The name {name!r} is longer than {MAX_NAME_BYTES} bytes; shorten it.")


def join(folder: str, name: str) -> str:
    """The path of ``name`` in ``folder``."""
    return f"/{name}" if folder == "/" else f"{folder}/{name}"


def path_of(parts: list[str]) -> str:
    """The inverse of :func:`parts_of`."""
    return "/" + "/".join(parts)


def folder_of(path: str) -> str:
    """The folder that holds ``path``; ``/`` for the root itself."""
    return path.rpartition("/")[0] or "/"


def name_of(path: str) -> str:
    """The last name of ``path``; empty for the root."""
    return path.rpartition("/")[2]


def is_within(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or below it."""
    return folder == "/" or path == folder or path.startswith(f"{folder}/")
