"""The command line ``vmm``: the service and everything a person asks of it.

Exit status: 0 done, 1 refused or failed (one sentence on stderr), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from .api.problems import bad_request_of
from .arguments import make_parser
from .client import Vmm
from .display import Display
from .errors import BadRequest, VmmError
from .model import LeaseState, Needs

if TYPE_CHECKING:
    from .catalogue import Catalogue
    from .pools.inventory import Inventory


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vmm``; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["serve"]:
        from .app import serve  # the service's libraries are not needed to ask it something

        return serve(arguments[1:])
    options = make_parser(RUN).parse_args(arguments)
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


def environments(options: argparse.Namespace) -> None:
    """List environments."""
    with _vmm(options) as vmm:
        Display(options.json).environments(vmm.environments(), vmm.offers())


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


def delete(options: argparse.Namespace) -> None:
    """Delete machines that nobody leases."""
    with _vmm(options) as vmm:
        deleted = [vmm.delete(machine, discard=options.discard) for machine in options.machine]
        Display(options.json).machines(deleted)


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
        print(f"the sizes of cloud {cloud} are not checked: {why.reason}", file=sys.stderr)
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
            prefer=tuple(options.prefer),
            near=tuple(options.near),
        )
    except ValidationError as error:
        raise bad_request_of(error, "request") from None


RUN = {
    "environments": environments,
    "offers": offers,
    "acquire": acquire,
    "leases": leases,
    "release": release,
    "machines": machines,
    "delete": delete,
    "pools": pools,
    "token": token,
    "check": check,
}


if __name__ == "__main__":
    sys.exit(main())
