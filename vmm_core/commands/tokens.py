"""``vmm token``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..errors import BadRequest, VmmError
from .parsing import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    makes = commands.add(
        "token",
        "Make a token: append its hash to the tokens file, print it once.",
        "vmm token hub --scope lease:any --output hub.token",
        token,
    )
    makes.add_argument("name", help="of its holder: a user, or a frontend")
    makes.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=("read", "lease", "lease:any", "operate"),
        help="what it may do: see pools; lease for itself; lease for its users; "
        "operate the service (repeat for several)",
    )
    makes.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="NAME",
        help="that its holder is in (repeat for several, the most wanted first); "
        "not for frontends, which say it of their users with each request",
    )
    makes.add_argument(
        "--tokens-file",
        type=Path,
        default=Path("vmm-tokens.yaml"),
        metavar="FILE",
        help="the service's VMM.tokens_file (default: %(default)s)",
    )
    makes.add_argument(
        "--output", type=Path, metavar="FILE", help="a new file for the token, 0600, not stdout"
    )


def token(options: argparse.Namespace) -> None:
    """Append a token to the tokens file and print it."""
    from ..tokens import Scope, add_token

    scopes = tuple(Scope(scope) for scope in dict.fromkeys(options.scope))
    groups = tuple(dict.fromkeys(options.group))
    if options.output is None:
        print(add_token(options.tokens_file, options.name, scopes, groups))
        return
    try:
        descriptor = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadRequest(f"{options.output} cannot be made: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        try:
            print(add_token(options.tokens_file, options.name, scopes, groups), file=file)
        except VmmError:
            options.output.unlink()
            raise
