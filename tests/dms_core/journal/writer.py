"""Writes below a folder until that fails for good, and notes outside of it what was accepted.

Run as ``python writer.py FOLDER MANIFEST ROUND``. A line of the manifest, itself
synced, says that ``fsync`` (or the rename after it) of so much had returned:
``file NAME VERSION``, ``log NAME LINES`` or ``state NAME VERSION``.
"""

from __future__ import annotations

import errno
import itertools
import os
import sys
from pathlib import Path

AWAY = (errno.EHOSTUNREACH, errno.ETIMEDOUT)
GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.ENXIO, errno.EIO)


def content(name: str, version: int) -> bytes:
    """What a file of that name and version has in it."""
    return f"{name} {version}\n".encode() * (50 + 997 * version % 3000)


def lines(count: int) -> bytes:
    """The first ``count`` lines of a log."""
    return b"".join(f"line {number}\n".encode() for number in range(count))


def synced(path: Path, data: bytes) -> None:
    """Write a whole file and have it accepted."""
    with path.open("wb", buffering=0) as file:
        for offset in range(0, len(data), 7000):
            file.write(data[offset : offset + 7000])
        os.fsync(file.fileno())


def main(folder: Path, manifest: Path, turn: str) -> None:
    """Write until the mount is gone."""
    with manifest.open("a") as accepted:

        def note(what: str, name: str, number: int) -> None:
            accepted.write(f"{what} {name} {number}\n")
            accepted.flush()
            os.fsync(accepted.fileno())

        with (folder / f"log{turn}").open("ab", buffering=0) as log:
            for number in itertools.count():
                try:
                    log.write(f"line {number}\n".encode())
                    os.fsync(log.fileno())
                    note("log", f"log{turn}", number + 1)
                    name = f"file{turn}-{number}"
                    synced(folder / name, content(name, number))
                    note("file", name, number)
                    temporary = folder / f"tmp{turn}-{number}"
                    synced(temporary, content("state", number))
                    temporary.replace(folder / f"state{turn}")
                    note("state", f"state{turn}", number)
                except OSError as error:
                    if error.errno not in AWAY:
                        raise


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except OSError as failure:
        sys.exit(0 if failure.errno in GONE else f"{failure!r}")
