"""The arguments of the command line ``vmm``, with a help text and an example for each command."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path

DEFAULT_URL = "http://127.0.0.1:8440"

EXAMPLES = """\
examples:
  vmm serve --catalogue=environments.yaml          run the service here
  vmm token alice --scope lease --output alice.token
                                                   make a token (also while it runs)
  export VMM_URL=http://127.0.0.1:8440 VMM_TOKEN_FILE=alice.token
  vmm offers --gpus 1                              what is free now, with a GPU
  vmm acquire --environment mantid --cpus 4 --wait
  vmm leases
  vmm release 3f2a…
"""

Run = Callable[[argparse.Namespace], None]


def make_parser(run: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The parser; what ``run`` has for a command becomes ``run`` of its options."""
    parser = argparse.ArgumentParser(
        prog="vmm",
        description="Analysis machines, ready before anyone asks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, what: str, example: str) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=what[0].lower() + what[1:].rstrip("."),
            description=what,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run[name])
        return made

    commands.add_parser("serve", help="run the service (see vmm serve --help)", add_help=False)
    _asks(command("environments", "What can be asked for.", "vmm environments"))
    asks_offers = _asks(
        command(
            "offers",
            "What is free now, in which size and where.",
            "vmm offers --environment mantid --gpus 1",
        )
    )
    _takes_needs(asks_offers)
    asks_acquire = _asks(
        command(
            "acquire",
            "Lease a machine, or a place in the queue for one.",
            "vmm acquire --environment mantid --location ral --cpus 4 --ram 16 --wait",
        )
    )
    _takes_needs(asks_acquire)
    asks_acquire.add_argument("--owner", help="the user it is for (needs the scope lease:any)")
    asks_acquire.add_argument("--key", help="the same key returns the same lease while it lasts")
    asks_acquire.add_argument(
        "--wait",
        type=float,
        nargs="?",
        const=600.0,
        metavar="SECONDS",
        help="if it has to queue, wait for the machine (600 s unless told)",
    )
    asks_leases = _asks(command("leases", "The leases you may see.", "vmm leases --all"))
    asks_leases.add_argument("--owner", help="of this user only")
    asks_leases.add_argument("--all", action="store_true", help="also those that are over")
    asks_release = _asks(
        command(
            "release",
            "End leases; their machines are deleted.",
            "vmm release 3f2a9c",
        )
    )
    asks_release.add_argument("lease", nargs="+", help="a lease's id, from `vmm leases`")
    _asks(command("machines", "Every machine (needs the scope operate).", "vmm machines"))
    asks_delete = _asks(
        command(
            "delete",
            "Delete machines that nobody leases, also held ones (needs the scope operate).",
            "vmm delete vmm-4f20c19be7aa",
        )
    )
    asks_delete.add_argument("machine", nargs="+", help="a machine's id, from `vmm machines`")
    asks_delete.add_argument(
        "--discard", action="store_true", help="also what a machine holds that is nowhere else"
    )
    _asks(
        command(
            "pools",
            "The pools and the states of their machines (needs the scope read).",
            "vmm pools --json",
        )
    )
    makes_token = command(
        "token",
        "Make a token: append its hash to the tokens file, print it once.",
        "vmm token hub --scope lease:any --output hub.token",
    )
    makes_token.add_argument("name", help="of its holder: a user, or a frontend")
    makes_token.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=("read", "lease", "lease:any", "operate"),
        help="what it may do: see pools; lease for itself; lease for its users; "
        "operate the service (repeat for several)",
    )
    makes_token.add_argument(
        "--tokens-file",
        type=Path,
        default=Path("vmm-tokens.yaml"),
        metavar="FILE",
        help="the service's VMM.tokens_file (default: %(default)s)",
    )
    makes_token.add_argument(
        "--output", type=Path, metavar="FILE", help="a new file for the token, 0600, not stdout"
    )
    checks = command(
        "check",
        "Check a catalogue; mistakes are told with file and line.",
        "vmm check environments.yaml",
    )
    checks.add_argument("catalogue", type=Path)
    return parser


def _asks(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Options of every command that asks the service."""
    token_file = os.environ.get("VMM_TOKEN_FILE")
    parser.add_argument(
        "--url",
        default=os.environ.get("VMM_URL", DEFAULT_URL),
        help=f"of the service (default: VMM_URL, else {DEFAULT_URL})",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        default=Path(token_file) if token_file else None,
        metavar="FILE",
        help="holds your token (default: VMM_TOKEN_FILE)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def _takes_needs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--environment", metavar="NAME", help="see `vmm environments`")
    parser.add_argument(
        "--location",
        action="append",
        default=[],
        metavar="NAME",
        help="where; repeat for several that will do",
    )
    parser.add_argument(
        "--prefer",
        action="append",
        default=[],
        metavar="NAME",
        help="rather here than elsewhere; repeat, the best first",
    )
    parser.add_argument(
        "--near",
        action="append",
        default=[],
        metavar="NAME[=SHARE]",
        help="where the data is, with the share of its bytes (`dms where` tells both)",
    )
    parser.add_argument("--cpus", type=float, default=0, metavar="N", help="at least")
    parser.add_argument("--ram", type=float, default=0, metavar="GIB", help="at least, in GiB")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="at least")
    parser.add_argument("--gpu-model", metavar="MODEL", help="as `vmm offers` shows it")
