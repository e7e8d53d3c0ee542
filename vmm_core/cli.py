"""The command line ``vmm``: the service and everything a person asks of it.

Exit status: 0 done, 1 refused or failed (one sentence on stderr), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .commands import (
    catalogue,
    leases,
    lifetimes,
    machines,
    pools,
    reservations,
    sharing,
    simulate,
    status,
    tokens,
    why,
)
from .commands.parsing import Commands
from .errors import VmmError

EXAMPLES = """\
examples:
  vmm serve --catalogue=environments.yaml          run the service here
  vmm token alice --scope lease --output alice.token
                                                   make a token (also while it runs)
  export VMM_URL=http://127.0.0.1:8440 VMM_TOKEN_FILE=alice.token
  vmm offers --gpus 1                              what is free now, with a GPU
  vmm acquire --environment mantid --cpus 4 --wait
  vmm leases
  vmm release l-3f2a9c0d1e2f4a5b
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vmm``; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["serve"]:
        from .app import serve  # the service's libraries are not needed to ask it something

        return serve(arguments[1:])
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except VmmError as error:
        print(f"vmm: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as in `vmm leases | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; ``run`` of its options does what was asked."""
    parser = argparse.ArgumentParser(
        prog="vmm",
        description="Analysis machines, ready before anyone asks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = Commands(parser)
    commands.parsers.add_parser(
        "serve", help="run the service (see vmm serve --help)", add_help=False
    )
    for subject in (
        *(leases, lifetimes, sharing, reservations),
        *(status, why, pools, machines),
        *(catalogue, simulate, tokens),
    ):
        subject.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
