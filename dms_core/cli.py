"""The command ``dms``: one line of parsing per option, one function per command.

What runs long (``serve``, ``mount``) is in :mod:`dms_core.app` and
:mod:`dms_core.mount`; what prints is in :mod:`dms_core.tables`. The clients are
imported by the commands that use them: they take longer to load than the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from . import __version__, detached, tables
from .access import frontends
from .errors import BadRequest, ConfigError, DmsError, Unreachable

EXAMPLES = """\
examples:
  dms ls /archive/NDXSANS2D                 what is there, and which of it is on this machine
  dms status /archive/NDXSANS2D/run.nxs     where a file's bytes are
  dms prefetch /archive/NDXSANS2D/cycle     fetch a folder into the cache and wait for it
  dms pin /rb/SANS2D/RBNumber/RB1310123     keep it in the cache
  dms queue                                 what was written here and waits to be sent
  dms ls --url https://dms.example.org --token-file token /rb
  dms where /archive/NDXSANS2D/cycle        at which locations the bytes are
  dms serve --config volumes.yaml           run the service
  dms check volumes.yaml                    is the configuration right?
  dms token hub --file frontends.yaml       let a hub have users' tokens made

On a machine with a mount, its control socket is asked (--socket or DMS_SOCKET); with --url or
DMS_URL the service is. Exit status: 0 done, 1 failed, 2 wrong usage."""

MOUNT_S = 20
"""A mount in the background may take so long, beside the time to reach the service."""
POLL_S = 0.2
"""How often a transfer that is waited for is looked at."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["serve"]:
        from .app import DMS

        service = DMS()
        service.initialize(given[1:])
        service.start()
        return 0
    arguments = parser().parse_args(given)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except DmsError as error:
        sys.stderr.write(f"dms: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="dms",
        description="One tree of all data, whatever stores it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"dms {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    commands.add_parser("serve", help="run the service (see dms serve --help)")

    mount = commands.add_parser("mount", help="mount the tree on this machine")
    mount.add_argument("--config", type=Path, required=True, help="YAML or JSON file")
    mount.add_argument("--foreground", action="store_true", help="do not become a daemon")
    mount.set_defaults(run=_mount)

    ls = _asking(commands, "ls", _ls, "list a folder")
    ls.add_argument("path", nargs="?", default="/", metavar="PATH")
    ls.add_argument("--url", help="ask this service, not the mount (DMS_URL)")
    ls.add_argument("--token-file", type=Path, help="the token for --url (DMS_TOKEN_FILE)")

    status = _asking(commands, "status", _status, "where bytes are; without PATH: the mount")
    status.add_argument("path", nargs="?", metavar="PATH")

    prefetch = _asking(commands, "prefetch", _prefetch, "fetch into the cache")
    prefetch.add_argument("path", metavar="PATH")
    prefetch.add_argument("--no-wait", action="store_true", help="only start it")

    for name, what in (
        ("pin", "keep in the cache"),
        ("unpin", "let the cache drop it again"),
        ("evict", "drop from the cache"),
    ):
        one = _asking(commands, name, _change, what)
        one.add_argument("path", metavar="PATH")
        one.set_defaults(change=name)

    _asking(commands, "transfers", _transfers, "what is on its way into the cache")

    where = commands.add_parser("where", help="at which locations bytes are")
    where.add_argument("path", nargs="+", metavar="PATH", help="in the tree, as /archive/…")
    health = commands.add_parser("health", help="is the service whole, and its storages?")
    for one, run in ((where, _where), (health, _health)):
        one.add_argument("--url", help="the service (DMS_URL)")
        one.add_argument("--token-file", type=Path, help="your token (DMS_TOKEN_FILE)")
        one.add_argument("--json", action="store_true", help="for programs")
        one.set_defaults(run=run)

    _asking(commands, "queue", _queue, "what was written here and waits to be sent")

    token = commands.add_parser("token", help="add a frontend, or get a user's token")
    token.add_argument("name", nargs="?", metavar="NAME", help="the frontend to add")
    token.add_argument("--file", type=Path, default=Path("frontends.yaml"), help="where to add it")
    token.add_argument("--user", help="instead: have a token made for this user by --url")
    token.add_argument("--url", help="the service (DMS_URL)")
    token.add_argument("--token-file", type=Path, help="a frontend's token (DMS_TOKEN_FILE)")
    token.set_defaults(run=_token)

    check = commands.add_parser("check", help="check a configuration of the service")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=_check)
    return top


def _asking(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], what: str
) -> argparse.ArgumentParser:
    """A command that asks a mount and can answer in JSON."""
    added: argparse.ArgumentParser = commands.add_parser(name, help=what, description=what)
    added.add_argument("--socket", type=Path, help="the mount's control socket (DMS_SOCKET)")
    added.add_argument("--json", action="store_true", help="for programs")
    added.set_defaults(run=run)
    return added


def _mount(arguments: argparse.Namespace) -> int:
    from . import mount
    from .fuse.mountpoint import is_mounted

    config = mount.load(arguments.config)
    if arguments.foreground:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        mount.run(config)
        return 0
    if is_mounted(config.mountpoint):
        raise ConfigError(f"{config.mountpoint} is a mount already; unmount it or choose another.")
    command = [sys.executable, "-m", "dms_core.cli", "mount", "--foreground", "--config"]
    number = detached.start(
        [*command, str(arguments.config)],
        lambda: is_mounted(config.mountpoint),
        deadline_s=config.connect_s + MOUNT_S,
    )
    sys.stdout.write(
        f"Mounted at {config.mountpoint} by process {number}; end it with: kill {number}\n"
    )
    return 0


def _ls(arguments: argparse.Namespace) -> int:
    url = arguments.url or (not arguments.socket and os.environ.get("DMS_URL"))
    if url:
        return _ls_service(url, arguments)

    async def rows() -> list[tables.Row]:
        async with _client(arguments) as mount:
            found: list[tables.Row] = []
            cursor = None
            while True:
                part = await mount.list(_absolute(arguments.path), cursor=cursor)
                found += [tables.Row(row.entry, row.status) for row in part.rows]
                if (cursor := part.cursor) is None:
                    return found

    tables.show_rows(asyncio.run(rows()), as_json=arguments.json)
    return 0


def _ls_service(url: str, arguments: argparse.Namespace) -> int:
    from .client.service import DmsClient

    async def rows() -> list[tables.Row]:
        async with DmsClient(url, _service_token(arguments)) as dms:
            return [tables.Row(entry) async for entry in dms.scan(arguments.path)]

    tables.show_rows(asyncio.run(rows()), as_json=arguments.json)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    async def asked() -> None:
        async with _client(arguments) as mount:
            if arguments.path is None:
                tables.show_mount(await mount.info(), as_json=arguments.json)
            else:
                status = await mount.status(_absolute(arguments.path))
                tables.show_status(status, as_json=arguments.json)

    asyncio.run(asked())
    return 0


def _prefetch(arguments: argparse.Namespace) -> int:
    async def done() -> int:
        async with _client(arguments) as mount:
            transfer = await mount.prefetch(_absolute(arguments.path))
            with tables.progress(transfer, quiet=arguments.json) as show:
                while transfer.state in ("queued", "running") and not arguments.no_wait:
                    await asyncio.sleep(POLL_S)
                    known = {each.id: each for each in await mount.transfers()}
                    if transfer.id not in known:
                        raise Unreachable(
                            f"The mount forgot the transfer of {transfer.path}, so it was "
                            "restarted; prefetch again."
                        )
                    transfer = known[transfer.id]
                    show(transfer)
        tables.show_transfers([transfer], as_json=arguments.json)
        return 1 if transfer.state in ("failed", "cancelled") else 0

    return asyncio.run(done())


def _change(arguments: argparse.Namespace) -> int:
    async def changed() -> None:
        async with _client(arguments) as mount:
            change = getattr(mount, arguments.change)
            status = await change(_absolute(arguments.path))
            tables.show_status(status, as_json=arguments.json)

    asyncio.run(changed())
    return 0


def _transfers(arguments: argparse.Namespace) -> int:
    async def asked() -> None:
        async with _client(arguments) as mount:
            tables.show_transfers(list(await mount.transfers()), as_json=arguments.json)

    asyncio.run(asked())
    return 0


def _queue(arguments: argparse.Namespace) -> int:
    async def asked() -> None:
        async with _client(arguments) as mount:
            tables.show_queue(await mount.queue(), as_json=arguments.json)

    asyncio.run(asked())
    return 0


def _token(arguments: argparse.Namespace) -> int:
    from .client.service import DmsClient

    if (arguments.name is None) == (arguments.user is None):
        raise BadRequest("Give a frontend's NAME to add it, or --user to get a user's token.")
    if arguments.name is not None:
        token = frontends.add(arguments.file, arguments.name, [frontends.Scope.ISSUE])
        sys.stderr.write(f"Added {arguments.name} to {arguments.file}; its token, shown once:\n")
        sys.stdout.write(f"{token}\n")
        return 0

    async def issued() -> str:
        async with DmsClient(_url(arguments), _service_token(arguments)) as dms:
            return (await dms.issue_token(arguments.user)).token

    sys.stdout.write(f"{_run(issued())}\n")
    return 0


def _where(arguments: argparse.Namespace) -> int:
    from .client.service import Dms

    with Dms(_url(arguments), _service_token(arguments)) as dms:
        tables.show_near(dms.where_is(arguments.path), as_json=arguments.json)
    return 0


def _health(arguments: argparse.Namespace) -> int:
    from .client.service import Dms

    with Dms(_url(arguments), _service_token(arguments, needed=False)) as dms:
        health = dms.health()
    tables.show_health(health, as_json=arguments.json)
    return 0 if health.status == "ok" else 1


def _url(arguments: argparse.Namespace) -> str:
    url = arguments.url or os.environ.get("DMS_URL")
    if not url:
        raise BadRequest("Which service is to be asked? Give --url or set DMS_URL.")
    return str(url)


def _check(arguments: argparse.Namespace) -> int:
    from .config import build

    async def checked() -> str:
        house = build(arguments.file)
        try:
            await house.membership.start()
            if house.membership.problem:
                sys.stderr.write(f"dms check: {house.membership.problem}\n")
            return ", ".join(f"/{volume.name}" for volume in house.namespace.volumes)
        finally:
            await house.membership.close()
            await house.namespace.close()

    sys.stdout.write(f"{arguments.file}: is right; it serves {_run(checked())}\n")
    return 0


def _run(coroutine: Coroutine[Any, Any, str]) -> str:
    return asyncio.run(coroutine)


def _service_token(arguments: argparse.Namespace, *, needed: bool = True) -> str:
    from .storage.remote import token_in

    given = arguments.token_file or os.environ.get("DMS_TOKEN_FILE")
    if not given and not needed:
        return ""
    if not given:
        raise BadRequest("A service wants a token; give --token-file or set DMS_TOKEN_FILE.")
    return token_in(Path(given))


def _client(arguments: argparse.Namespace) -> Any:
    from .client.mount import MountClient

    return MountClient(arguments.socket)


def _absolute(path: str) -> str:
    """A path under the mount may be given relative to the working folder."""
    return os.path.normpath(Path.cwd() / path)


if __name__ == "__main__":
    sys.exit(main())
