"""One user's session on this machine: made by a bind, reaped by an unbind.

What is made in order (account, files, daemons, program) is undone in reverse
order, also when it was made only in part. A daemon that holds something of the
user's which is nowhere else yet may stay longer than the rest.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ..model import Daemon, Program, Session
from . import files, waiting
from .accounts import Account, AccountError, make_account
from .files import FileError
from .forkserver import Start
from .programs import Process, Programs, ServerGoneError

PROGRAM_GRACE_S = 3.0
"""The notebook server's time to end by itself."""

Tell = Callable[[int, str], None]
"""Takes percent and a sentence for the user's progress page."""

Up = Callable[[], Awaitable[bool]]
"""Says whether a program answers; asked again until it does."""

Result = TypeVar("Result")

_LOG_LINES = 5
_LOG_BYTES = 1 << 14
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class SessionError(Exception):
    """The session could not be started; the text is for its user."""


class RunningSession:
    """The session of one lease.

    Args:
        session: what is wanted.
        programs: starts them.
        root: folder that stands for ``/``, ending in a slash.
        path: folders for programs, before the system's.
        up: says that the program answers, if not HTTP on the session's port does.
    """

    def __init__(
        self,
        session: Session,
        programs: Programs,
        root: str,
        path: str,
        up: Up | None = None,
    ) -> None:
        self._session = session
        self._up = up or (lambda: waiting.answers(session.port, session.health_path))
        self._programs = programs
        self._root = root
        self._path = path
        self._account: Account | None = None
        self._written: list[str] = []
        self._daemons: list[tuple[Process, float]] = []
        self._program: Process | None = None
        self._lingering = False
        self.seconds: dict[str, float] = {}

    @property
    def account(self) -> Account | None:
        """Who the program runs as, once that account is made."""
        return self._account

    def serving(self) -> set[int]:
        """Process ids of the program and the daemons: what serves the user, not what they run."""
        processes = [process for process, _ in self._daemons]
        processes += [self._program] if self._program else []
        return {one.pid.result() for one in processes if not one.exit_status.done()}

    async def start(self, tell: Tell) -> asyncio.Future[int]:
        """Start everything; returns the future exit status of the session's program.

        Raises:
            SessionError: with all that was started still there; :meth:`stop` undoes it.
        """
        session = self._session
        begun = time.monotonic()
        try:
            tell(5, f"Making the account {session.user}")
            account = self._account = await self._timed(
                "account", asyncio.to_thread(make_account, session.user, self._root)
            )
            await self._timed("files", asyncio.to_thread(self._write_files, account))
            for number, daemon in enumerate(session.daemons):
                tell(15 + 40 * number // len(session.daemons), f"Starting {daemon.name}")
                await self._timed(daemon.name, self._start_daemon(daemon))
            tell(60, f"Starting {_base(session.program)}")
            status = await self._timed("program", self._start_program(account))
            tell(95, f"{_base(session.program)} answers")
        except (AccountError, FileError, ServerGoneError) as error:
            raise SessionError(str(error)) from error
        except OSError as error:
            raise SessionError(f"the machine cannot make the session: {error}") from error
        self.seconds["total"] = time.monotonic() - begun
        return status

    async def stop(self, holds: Callable[[], bool] = lambda: False) -> bool:
        """End the program, then everything it left, then the daemons in reverse; remove files.

        Args:
            holds: whether something is held; then daemons that have not ended in
                time stay, with their files, until they are stopped again.

        Returns:
            Whether all of it ended.
        """
        if self._lingering and holds():
            return False
        try:
            if self._program:
                await self._programs.stop(self._program, PROGRAM_GRACE_S)
            await self._programs.reap(spared=[process for process, _ in self._daemons])
            for daemon in list(reversed(self._daemons)):
                if await self._programs.stop(*daemon, spare=holds):
                    self._daemons.remove(daemon)
        except ServerGoneError:
            self._daemons.clear()  # it took everything along
        self._lingering = bool(self._daemons)
        if self._lingering:
            return False
        await self._clear()
        return True

    async def linger(self) -> None:
        """Return when the daemons that stayed have ended, too; :meth:`stop` then does the rest."""
        if self._daemons:
            await asyncio.wait([process.exit_status for process, _ in self._daemons])

    async def _clear(self) -> None:
        with suppress(ServerGoneError):
            await self._programs.reap()
        while self._written:
            files.remove(self._written.pop(), root=self._root)

    async def _timed(self, stage: str, work: Awaitable[Result]) -> Result:
        begun = time.monotonic()
        result = await work
        self.seconds[stage] = time.monotonic() - begun
        return result

    def _write_files(self, account: Account) -> None:
        for file in self._session.files:
            if file.owner == "user":
                uid, gid = account.uid, account.gid
            else:
                uid, gid = os.geteuid(), os.getegid()
            files.write(file.path, file.content, mode=file.mode, uid=uid, gid=gid, root=self._root)
            self._written.append(file.path)

    async def _start_daemon(self, daemon: Daemon) -> None:
        await asyncio.to_thread(_make_folders, daemon)
        environment = {
            "HOME": f"{self._root}root",
            "LANG": "C.UTF-8",
            "PATH": f"{self._path}:/usr/sbin:/sbin:{_SYSTEM_PATH}",
            **daemon.program.env,
        }
        start = Start(
            argv=daemon.program.argv,
            entry=daemon.program.entry,
            env=environment,
            cwd=daemon.program.cwd or self._root,
            log=self._log(daemon.name),
        )
        process = await self._programs.start(start)
        self._daemons.append((process, daemon.stop_s))

        async def up() -> bool:
            mounted = daemon.mountpoint is None or waiting.is_mounted(daemon.mountpoint)
            return mounted and (daemon.socket is None or await waiting.accepts(daemon.socket))

        await self._until(daemon.name, up, process, daemon.timeout_s, start.log)

    async def _start_program(self, account: Account) -> asyncio.Future[int]:
        program, session = self._session.program, self._session
        environment = {
            "HOME": account.home,
            "USER": account.name,
            "LOGNAME": account.name,
            "SHELL": account.shell,
            "LANG": "C.UTF-8",
            "PATH": f"{self._path}:{_SYSTEM_PATH}",
            **program.env,
        }
        start = Start(
            argv=program.argv,
            entry=program.entry,
            env=environment,
            cwd=program.cwd or account.home,
            log=self._log("session"),
            name=account.name,
            uid=None if account.ours else account.uid,
            gid=account.gid,
            confined=True,
        )
        process = self._program = await self._programs.start(start)
        await self._until(_base(program), self._up, process, session.timeout_s, start.log)
        return process.exit_status

    async def _until(
        self,
        name: str,
        condition: Callable[[], Awaitable[bool]],
        process: Process,
        timeout_s: float,
        log: str,
    ) -> None:
        try:
            if await waiting.until(condition, process.exit_status, timeout_s):
                return
            status = process.exit_status.result()
            what = f"{name} ended with status {status} before it was ready"
        except TimeoutError:
            what = f"{name} was not ready within {timeout_s:g} s"
        said = last_lines(log)
        raise SessionError(f"{what}: {said}" if said else what)

    def _log(self, name: str) -> str:
        return f"{self._root}run/vmm/{name}.log"


def _make_folders(daemon: Daemon) -> None:
    if daemon.mountpoint:
        Path(daemon.mountpoint).mkdir(parents=True, exist_ok=True)
    if daemon.socket:
        Path(daemon.socket).parent.mkdir(parents=True, exist_ok=True)


def _base(program: Program) -> str:
    return Path(program.argv[0]).name


def last_lines(log: str) -> str:
    """The end of a program's log, as part of a sentence, without the secrets of URLs."""
    try:
        with open(log, "rb") as file:  # noqa: PTH123 - seeks
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    text = " | ".join(line.strip() for line in lines[-_LOG_LINES:] if line.strip())
    return re.sub(r"(?i)((?:token|password|secret)=)[^&\s]+", r"\1…", text)
