"""Run the whole system on this machine until Ctrl-C. `make demo` calls it."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from .catalogue import host_size
from .stack import CHECKOUT, Settings, Stack, StackError

GUIDE = """
  \033[1mJupyterHub:  {hub}\033[0m
  Users:       {users}     Password: {password}

  1. Log in as alice: the spawn page shows the environments and what is free now.
  2. Start "SANS for SANS2D"; within a few seconds you are in JupyterLab on your own machine.
  3. The folder icon "Experiment data" at the left shows the archive, alice's experiments and
     her home. Open a notebook and read a file through the mount:
         import h5py
         h5py.File("/data/archive/NDXSANS2D/Instrument/data/cycle_13_2/SANS2D00033838.nxs")
     The file's badge goes from remote to partial; "Fetch now" makes it cached.
  4. File > Hub Control Panel > Stop My Server: the machine is gone, a new one boots.

  The same from another terminal:
      export VMM_URL={vmm} VMM_TOKEN_FILE={token}
      {bin}/vmm environments
      {bin}/vmm acquire --location isis --cpus 1

  Sizes are the facilities' real ones scaled to this host ({cpus} CPUs, {ram:.0f} GiB).
  Data: {data} (kept).  Logs: {logs}
  Ctrl-C stops everything.
"""


def main() -> int:
    """Start, explain, wait, stop. Exit status 1 with one sentence if it cannot start."""
    arguments = parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    state = arguments.state or Path(tempfile.mkdtemp(prefix="jupyter-daaas-"))
    stack = Stack(
        Settings(
            state=state, data=arguments.data, port=arguments.port, events_gb=arguments.events_gb
        )
    )
    try:
        stack.start(tell=lambda text: print(f"\033[1m==>\033[0m {text}", flush=True))
        explain(stack)
        return wait(stack)
    except StackError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\n\033[1m==>\033[0m Stopping: hub, machines, services", flush=True)
        stack.stop()


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make demo DEMO=...",
        description=__doc__.split("\n", maxsplit=1)[0],
    )
    parser.add_argument("--port", type=int, default=8000, help="where users log in (%(default)s)")
    parser.add_argument(
        "--data",
        type=Path,
        default=CHECKOUT / ".make" / "demo-data",
        help="archive, experiments and homes; kept at the end (%(default)s)",
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=None,
        help="folder for everything else; removed at the end (a new one under /tmp)",
    )
    parser.add_argument(
        "--events-gb",
        type=float,
        default=1.0,
        help="size of the generated event file when it is first made (%(default)s)",
    )
    return parser.parse_args()


def explain(stack: Stack) -> None:
    """Print where it is and what to click."""
    cpus, ram = host_size()
    print(
        GUIDE.format(
            hub=stack.hub_url,
            users=", ".join(stack.settings.users),
            password=stack.settings.password,
            vmm=stack.vmm_url,
            token=stack.vmm_token_file,
            bin=Path(sys.executable).parent,
            cpus=cpus,
            ram=ram,
            data=stack.settings.data,
            logs=stack.state / "logs",
        ),
        flush=True,
    )


def wait(stack: Stack) -> int:
    """Return when a part has ended by itself; Ctrl-C raises out of here."""
    while True:
        signal.sigtimedwait([], 1.0)
        if ended := stack.poll():
            print(f"demo: {ended} ended by itself:\n{stack.log(ended)[-2000:]}", file=sys.stderr)
            return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
