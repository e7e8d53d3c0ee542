"""Files of a session: written before anything of it runs, removed after all of it.

Every folder on the way is opened without following links, so that no name
can lead a write of root's elsewhere, and a file appears complete or not at all.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FileError(Exception):
    """A file cannot be written; the text names it."""


def write(path: str, content: str, *, mode: int, uid: int, gid: int, root: str) -> None:
    """Write a file with that mode and owner; missing folders are made, with the same owner.

    Args:
        path: absolute, below ``root``.
        content: text, written as UTF-8.
        mode: permissions, as in ``chmod``.
        uid: the owner's number.
        gid: the group's number.
        root: folder that stands for ``/``; how it is reached itself is trusted.

    Raises:
        FileError: the path is not below ``root``, leads through a link, or cannot be written.
    """
    try:
        with _parent(path, root, owner=(uid, gid)) as (folder, name):
            draft = f".{name}.{secrets.token_hex(8)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(draft, flags, 0o600, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content.encode())
                    os.fchown(descriptor, uid, gid)
                    os.fchmod(descriptor, mode)
                os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(draft, dir_fd=folder)
                raise
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}") from None


def remove(path: str, *, root: str) -> None:
    """Remove a file if it is there; its folders stay."""
    with suppress(OSError, FileError), _parent(path, root) as (folder, name):
        os.unlink(name, dir_fd=folder)


@contextmanager
def _parent(
    path: str, root: str, owner: tuple[int, int] | None = None
) -> Iterator[tuple[int, str]]:
    """The open folder of a file, and the file's name in it."""
    try:
        parts = PurePosixPath(path).relative_to(root).parts
    except ValueError:
        raise FileError(f"{path} is not below {root}: it cannot be a session's file") from None
    if not parts or ".." in parts:
        raise FileError(f"{path} cannot be a session's file: it must name one without ..")
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            if owner is not None:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=folder)
                    os.chown(part, *owner, dir_fd=folder, follow_symlinks=False)
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder, parts[-1]
    finally:
        os.close(folder)
