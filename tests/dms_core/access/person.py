"""Somebody at a machine: does what is asked on stdin, as that user, and says what came of it.

Run as ``python person.py UID GID``. One JSON line in, one out: ``{"do": verb,
"args": […]}`` is answered by ``{"value": …}`` or ``{"errno": …}``. Uses the
standard library only, and no file of this repository after it has started.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import sys
from pathlib import Path

PAGE = mmap.PAGESIZE


class Person:
    """The verbs."""

    def __init__(self) -> None:
        self.fd = -1
        self.size = 0
        self.map: mmap.mmap | None = None

    def names(self, path: str) -> list[str]:
        return sorted(one.name for one in Path(path).iterdir())

    def read(self, path: str) -> str:
        return Path(path).read_text()

    def write(self, path: str, text: str) -> None:
        """Change what is there, without making it anew."""
        with Path(path).open("r+") as file:
            file.write(text)
            file.truncate()

    def make(self, path: str, mode: int, text: str) -> None:
        """A new file that never had other bits than ``mode``."""
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def folder(self, path: str, mode: int) -> None:
        Path(path).mkdir(mode)

    def chmod(self, path: str, mode: int) -> None:
        Path(path).chmod(mode)

    def remove(self, path: str) -> None:
        if Path(path).is_dir():
            shutil.rmtree(path)
        else:
            Path(path).unlink()

    def rename(self, path: str, to: str) -> None:
        Path(path).rename(to)

    def stat(self, path: str) -> tuple[int, bool]:
        """Permission bits, and whether it looks like one's own."""
        info = Path(path).stat()
        return info.st_mode & 0o777, info.st_uid == os.getuid() and info.st_gid == os.getgid()

    def attribute(self, path: str, name: str) -> str:
        return os.getxattr(path, name).decode()

    def hold(self, path: str) -> str:
        """Open it for good and read all of it, so that the kernel has its pages."""
        self.fd = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self.fd).st_size
        return self.again()

    def again(self) -> str:
        """Read the held file, not beyond its end: for that the kernel would ask its size."""
        return os.pread(self.fd, self.size, 0).decode()

    def hold_map(self, path: str) -> str:
        """Map it, touch it, and keep nothing but the map."""
        with Path(path).open("rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
        return self.map_again()

    def map_again(self) -> str:
        """Read the map; SIGBUS ends this process if its pages cannot be had."""
        assert self.map is not None
        return self.map[:].decode()


def main() -> None:
    uid, gid = map(int, sys.argv[1:])
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    os.umask(0)
    os.chdir("/")
    person = Person()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"value": getattr(person, asked["do"])(*asked["args"])}
        except OSError as error:
            answer = {"errno": error.errno}
        print(json.dumps(answer), flush=True)


main()
