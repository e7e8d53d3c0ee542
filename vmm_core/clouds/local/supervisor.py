"""The process that keeps one machine: ``python -m vmm_core.clouds.local.supervisor FOLDER``.

The command returns once the machine runs or cannot, and leaves behind a
process in a session of its own, which

* holds the folder's lock, so that there is one supervisor per machine;
* sets the limits and relays the machine's network;
* at SIGTERM lets the machine end by itself, then ends it, and removes its cgroups;
* at its own end, however it comes, takes everything of the machine along.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from ... import linux
from .folder import Folder
from .keeper import Keeper
from .trees import remove_tree


def _become_daemon(log: Path) -> int | None:
    """Fork; None in the starter, and in the supervisor a descriptor to tell the starter."""
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        os.read(reader, 1)  # also returns when the supervisor ended
        return None
    os.close(reader)
    os.setsid()
    os.chdir("/")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for target, source in ((0, null), (1, descriptor), (2, descriptor)):
        os.dup2(source, target)
    return writer


def main(arguments: list[str]) -> int:
    """Start supervising the machine in the folder that the only argument names."""
    folder = Folder(Path(arguments[0]).absolute())
    told = _become_daemon(folder.path / "supervisor.log")
    if told is None:
        return 0
    os.umask(0o022)
    linux.set_process_name("vmm-supervisor")
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)  # whoever loses its parent is ours to end
    if not folder.lock() or folder.deleting or (record := folder.record()) is None:
        return 0
    status = folder.status()
    if status is not None and status.state != "building":
        return 0  # it ran once, and what it was told works once
    while folder.kill_leftovers():
        time.sleep(0.01)
    remove_tree(folder.disk)
    folder.disk.mkdir(mode=0o700)

    def tell_starter() -> None:
        with suppress(OSError):
            os.write(told, b".")
            os.close(told)

    Keeper(folder, record).run(tell_starter)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
