"""The command line ``vmm``: the service and everything a person asks of it.

Exit status: 0 done, 1 refused or failed (one sentence on stderr), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from .api.problems import bad_request_of
from .client import Vmm
from .display import Display
from .errors import BadRequest, VmmError
from .model import LeaseState, Needs

if TYPE_CHECKING:
    from .catalogue import Catalogue
    from .pools.inventory import Inventory

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vmm``; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["serve"]:
        from .app import serve  # the service's libraries are not needed to ask it something

        return serve(arguments[1:])
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
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


def environments(options: argparse.Namespace) -> None:
    """List environments."""
    with _vmm(options) as vmm:
        Display(options.json).environments(vmm.environments())


def offers(options: argparse.Namespace) -> None:
    """List offers."""
    with _vmm(options) as vmm:
        Display(options.json).offers(vmm.offers(_needs(options)))


def acquire(options: argparse.Namespace) -> None:
    """Ask for a machine, and wait for it if told to."""
    display = Display(options.json)
    with _vmm(options) as vmm:
        lease = vmm.acquire(_needs(options), owner=options.owner, key=options.key)
        if options.wait is not None and lease.state is LeaseState.WAITING:
            with display.waiting(lease):
                lease = vmm.wait(lease.id, options.wait)
        display.lease(lease)


def leases(options: argparse.Namespace) -> None:
    """List leases."""
    with _vmm(options) as vmm:
        Display(options.json).leases(vmm.leases(options.owner, ended=options.all))


def release(options: argparse.Namespace) -> None:
    """End leases."""
    with _vmm(options) as vmm:
        Display(options.json).leases([vmm.release(lease) for lease in options.lease])


def machines(options: argparse.Namespace) -> None:
    """List machines."""
    with _vmm(options) as vmm:
        Display(options.json).machines(vmm.machines())


def pools(options: argparse.Namespace) -> None:
    """List pools."""
    with _vmm(options) as vmm:
        Display(options.json).pools(vmm.pools())


def token(options: argparse.Namespace) -> None:
    """Append a token to the tokens file and print it."""
    from .tokens import Scope, add_token

    scopes = tuple(Scope(scope) for scope in dict.fromkeys(options.scope))
    if options.output is None:
        print(add_token(options.tokens_file, options.name, scopes))
        return
    try:
        descriptor = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadRequest(f"{options.output} cannot be made: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        try:
            print(add_token(options.tokens_file, options.name, scopes), file=file)
        except VmmError:
            options.output.unlink()
            raise


def check(options: argparse.Namespace) -> None:
    """Check a catalogue, also against its clouds as far as they answer."""
    from .catalogue import load

    catalogue = load(options.catalogue)
    inventory = asyncio.run(_ask_clouds(catalogue))
    for cloud, why in inventory.silent.items():
        print(f"cloud {cloud} did not answer, its sizes are not checked: {why}", file=sys.stderr)
    print(
        f"{options.catalogue} is good: {len(catalogue.environments)} environments, "
        f"{len(catalogue.pools)} pools in {len(catalogue.clouds)} clouds "
        f"at {len(catalogue.locations)} locations"
    )


async def _ask_clouds(catalogue: Catalogue) -> Inventory:
    from .pools.inventory import Inventory

    inventory = await Inventory.open(catalogue, service_url="", public_key="")
    await inventory.close()
    return inventory


def _vmm(options: argparse.Namespace) -> Vmm:
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


def _needs(options: argparse.Namespace) -> Needs:
    try:
        return Needs(
            environment=options.environment,
            cpus=options.cpus,
            ram_gb=options.ram,
            gpus=options.gpus,
            gpu_model=options.gpu_model,
            locations=tuple(options.location),
        )
    except ValidationError as error:
        raise bad_request_of(error, "request") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vmm",
        description="Analysis machines, ready before anyone asks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str, run: Callable[[argparse.Namespace], None], what: str, example: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=what[0].lower() + what[1:].rstrip("."),
            description=what,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        return made

    commands.add_parser("serve", help="run the service (see vmm serve --help)", add_help=False)
    _asks(command("environments", environments, "What can be asked for.", "vmm environments"))
    asks_offers = _asks(
        command(
            "offers",
            offers,
            "What is free now, in which size and where.",
            "vmm offers --environment mantid --gpus 1",
        )
    )
    _takes_needs(asks_offers)
    asks_acquire = _asks(
        command(
            "acquire",
            acquire,
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
    asks_leases = _asks(command("leases", leases, "The leases you may see.", "vmm leases --all"))
    asks_leases.add_argument("--owner", help="of this user only")
    asks_leases.add_argument("--all", action="store_true", help="also those that are over")
    asks_release = _asks(
        command(
            "release",
            release,
            "End leases; their machines are deleted.",
            "vmm release 3f2a9c",
        )
    )
    asks_release.add_argument("lease", nargs="+", help="a lease's id, from `vmm leases`")
    _asks(command("machines", machines, "Every machine (needs the scope operate).", "vmm machines"))
    _asks(
        command(
            "pools",
            pools,
            "The pools and the states of their machines (needs the scope read).",
            "vmm pools --json",
        )
    )
    makes_token = command(
        "token",
        token,
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
        check,
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
    parser.add_argument("--cpus", type=float, default=0, metavar="N", help="at least")
    parser.add_argument("--ram", type=float, default=0, metavar="GIB", help="at least, in GiB")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="at least")
    parser.add_argument("--gpu-model", metavar="MODEL", help="as `vmm offers` shows it")


if __name__ == "__main__":
    sys.exit(main())
