"""``python -m vmm_core.agent --user-data FILE``: the agent of one machine.

Two processes from the first moment, so that the slow part goes on beside the
rest: the fork server imports the modules of the machine's environment, the
agent dials the VMM. The fork happens before anything else is imported, so the
server stays small and single-threaded, and its children safe.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from .. import linux
from . import forkserver
from .identity import Identity, IdentityError


def main(arguments: list[str] | None = None) -> int:
    """Run the agent until SIGTERM. In processes forked from it: run their program."""
    parser = argparse.ArgumentParser(prog="python -m vmm_core.agent", description=__doc__)
    parser.add_argument("--user-data", type=Path, required=True, help="JSON from the VMM")
    parser.add_argument("--root", default="/", help="folder that stands for / on this machine")
    parser.add_argument("--isolation", default="", help="what separates this machine, in words")
    options = parser.parse_args(arguments)
    root = options.root.rstrip("/") + "/"
    try:
        identity = Identity.load(options.user_data, Path(root, "run/vmm"))
    except IdentityError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        linux.set_process_name("vmm-forkserver")
        job = forkserver.serve(theirs, identity.preload)
        return job() if job else 0
    theirs.close()
    linux.set_process_name("vmm-agent")
    from .agent import run  # after the fork: the server must not carry it

    return run(identity, root=root, isolation=options.isolation, server=ours)


if __name__ == "__main__":
    sys.exit(main())
