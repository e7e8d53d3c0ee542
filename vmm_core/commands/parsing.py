"""Makes the parser of ``vmm``, with a help text and an example for each command."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from ..api.problems import bad_request_of
from ..client import Vmm
from ..errors import BadRequest
from ..model import Needs

DEFAULT_URL = "http://127.0.0.1:8440"

Run = Callable[[argparse.Namespace], None]


class Commands:
    """The commands of a parser.

    Args:
        parser: gets them.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(self, name: str, what: str, example: str, run: Run) -> argparse.ArgumentParser:
        """A command that needs no service; ``run`` does it."""
        made = self.parsers.add_parser(
            name,
            help=what[0].lower() + what[1:].rstrip("."),
            description=what,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        return made

    def asking(self, name: str, what: str, example: str, run: Run) -> argparse.ArgumentParser:
        """A command that asks the service: it takes where that is, a token, and ``--json``."""
        return _asks(self.add(name, what, example, run))


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


def takes_needs(parser: argparse.ArgumentParser) -> None:
    """Let a command take what a machine must have."""
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


def vmm_of(options: argparse.Namespace) -> Vmm:
    """The service that the options name.

    Raises:
        BadRequest: no token, or none that can be read.
    """
    if options.token_file is None:
        raise BadRequest("no token: give --token-file FILE or set VMM_TOKEN_FILE")
    try:
        bearer = options.token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadRequest(f"the token file {options.token_file} cannot be read: {why}") from None
    if not bearer or not bearer.isascii() or not bearer.isprintable():
        raise BadRequest(f"the token file {options.token_file} does not hold a token alone")
    return Vmm(options.url, bearer)


def needs_of(options: argparse.Namespace) -> Needs:
    """What the options say that a machine must have."""
    try:
        return Needs(
            environment=options.environment,
            cpus=options.cpus,
            ram_gb=options.ram,
            gpus=options.gpus,
            gpu_model=options.gpu_model,
            locations=tuple(options.location),
            prefer=tuple(options.prefer),
            near=tuple(options.near),
        )
    except ValidationError as error:
        raise bad_request_of(error, "request") from None
