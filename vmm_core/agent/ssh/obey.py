"""What the commands do: the machine becomes a person's, others may join, tokens, a picture."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import pwd
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ...model import Session
from ...processes import all_pids, descendants
from .. import asking, snapshot, waiting
from ..access import TOKENS, SshAccess
from ..accounts import AccountError, make_account
from ..identity import Identity
from ..protocol import FromAgent, People, Person
from ..session import SessionError
from ..tenancy import BY_SSH, Tenancy
from .commands import Command, CommandError, account_of
from .tokens import TokenFile

log = logging.getLogger(__name__)

_PNG = b"\x89PNG\r\n\x1a\n"


class Obey:
    """Does what a parsed command says; returns what it prints.

    Args:
        access: what the desktop is.
        identity: remembers who was let in.
        tenancy: the machine's one user.
        root: folder that stands for ``/``, ending in a slash.
        tell: says a frame to the VMM.
    """

    def __init__(
        self,
        access: SshAccess,
        identity: Identity,
        tenancy: Tenancy,
        root: str,
        tell: Callable[[FromAgent], None],
    ) -> None:
        self._desktop = access.desktop
        self._identity = identity
        self._tenancy = tenancy
        self._root = root
        self._tell = tell
        self._one_at_a_time = asyncio.Lock()
        self._tokens = TokenFile(Path(root, TOKENS), f"127.0.0.1:{self._desktop.port}")
        self._tokens.prepare()

    async def __call__(self, command: Command) -> str:
        """Do it.

        Raises:
            CommandError: with the sentence for the one who sent it.
        """
        async with self._one_at_a_time:
            match command.name:
                case "add_primary_user":
                    await self._add_primary(command.word)
                case "add_secondary_user":
                    await self._add_secondary(command.word)
                case "remove_secondary_user":
                    await self._remove_secondary(command.word)
                case "add_websockify_token":
                    self._need_primary()
                    self._tokens.add(command.word)
                case "remove_websockify_token":
                    self._tokens.remove(command.word)
                case _:
                    return await self._screenshot()
            return ""

    def say_people(self) -> None:
        """Tell the VMM who is let in, if anybody is."""
        if people := self._people():
            self._tell(People(people=people))

    def _people(self) -> tuple[Person, ...]:
        return tuple(Person.model_validate(one) for one in self._identity.people)

    def _let_in(self, people: tuple[Person, ...]) -> None:
        self._identity.let_in(tuple(one.model_dump() for one in people))
        self._tell(People(people=people))

    def _need_primary(self) -> None:
        if self._identity.lease != BY_SSH:
            raise CommandError("this machine has no primary user yet: add_primary_user comes first")

    async def _add_primary(self, name: str) -> None:
        account = account_of(name)
        if self._tenancy.refusal(BY_SSH, account):
            raise CommandError("this machine was already somebody's: acquire another one")
        desktop = self._desktop
        session = Session(
            user=account,
            daemons=desktop.daemons,
            program=desktop.program,
            port=desktop.port,
            health_path="",
            timeout_s=desktop.timeout_s,
        )
        try:
            await self._tenancy.occupy(session, lambda: waiting.listens(desktop.port))
        except SessionError as error:
            raise CommandError(f"the desktop of {name} did not start: {error}") from error
        others = tuple(one for one in self._people() if one.role != "primary")
        self._let_in((Person(name=name, account=account, role="primary"), *others))

    async def _add_secondary(self, name: str) -> None:
        self._need_primary()
        account = account_of(name)
        if any(one.account == account for one in self._people()):
            return
        try:
            await asyncio.to_thread(make_account, account, self._root)
        except (AccountError, OSError) as error:
            raise CommandError(f"{name} cannot be let in: {error}") from error
        self._let_in((*self._people(), Person(name=name, account=account, role="secondary")))

    async def _remove_secondary(self, name: str) -> None:
        account = account_of(name)
        left = tuple(
            one for one in self._people() if one.account != account or one.role == "primary"
        )
        if left != self._people():
            if os.geteuid() == 0:
                await asyncio.to_thread(_end_all_of, account)
            self._let_in(left)

    async def _screenshot(self) -> str:
        account = self._tenancy.account()
        if account is None:
            raise CommandError("there is no desktop yet: add_primary_user comes first")
        pids = all_pids() if self._root == "/" else descendants(os.getppid())
        servers = snapshot.x_servers(snapshot.take(pids))
        mine = [one for one in servers if one.uid == account.uid and snapshot.display_of(one)[0]]
        if not mine:
            raise CommandError("the desktop has ended: there is nothing to be seen")
        try:
            picture = (await asking.ask_display("screenshot", mine[0])).strip()
            if not base64.b64decode(picture, validate=True).startswith(_PNG):
                raise asking.NoAnswerError("it is no picture")
        except (asking.NoAnswerError, ValueError) as error:
            raise CommandError(f"the desktop gives no picture: {error}") from error
        return f"{picture.decode()}\n"


def _end_all_of(account: str) -> None:
    """SIGKILL every process of an account."""
    with suppress(KeyError):
        uid = pwd.getpwnam(account).pw_uid
        for seen in snapshot.take(all_pids()).values():
            if seen.uid == uid and uid in snapshot.PEOPLE:
                with suppress(ProcessLookupError):
                    os.kill(seen.pid, signal.SIGKILL)
