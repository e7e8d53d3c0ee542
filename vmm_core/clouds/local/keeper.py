"""Keeps one machine from its start to its end: limits, processes, relays.

The machine's helper (see ``namespaces``) does what must be done inside of its
namespaces; this side stays on the host and talks to it over one channel.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...processes import end_descendants, start_time
from . import cgroups, namespaces, network, suspending
from .folder import Folder, Record, Status
from .namespaces import Helper, Way

START_S = 20
"""A machine that is not up by then has failed."""

SLACK_S = 2
"""On top of what the agent may take to end: for the first process to end the rest."""

LOOK_S = 2
"""Between two looks whether the machine's folder is still there."""

Onward = Callable[[], Awaitable[socket.socket]]
"""Makes a connected socket."""

KILL_S = 10
"""How long the kernel may take to end what was killed."""


class StartError(Exception):
    """The machine could not be started; the text says why."""


class Keeper:
    """Keeps one machine from its start to its end."""

    def __init__(self, folder: Folder, record: Record) -> None:
        self._folder = folder
        self._record = record
        self._status = Status()
        self._sockets: deque[asyncio.Future[socket.socket]] = deque()
        self._words: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._first: int | None = None
        self._groups: tuple[Path, ...] = ()

    def run(self, on_settled: Callable[[], None]) -> None:
        """Keep the machine until its end; ``on_settled`` is called once it is up."""
        path, record = self._folder.path, self._record
        name = cgroups.name_of(record.name, path.parent, record.owner)
        wanted = cgroups.places(f"{name}-{path.stat().st_ino}")
        self._say(cgroups=tuple(str(place.folder) for place in wanted))
        limited = cgroups.limit(
            wanted, self._record.cpus, int(self._record.ram_gb * 1024) * namespaces.MEBIBYTE
        )
        self._groups = limited.folders
        cgroups.weigh(self._groups, cgroups.WAITING_SHARE)
        isolation = f"{Way(self._record.way).text}, {limited.text}"
        self._say(
            isolation=isolation,
            cgroups=tuple(map(str, limited.folders)),
            freezer=str(limited.freezer or ""),
        )
        reason = "its supervisor failed"
        try:
            with contextlib.ExitStack() as outer:
                listeners = self._outer_listeners(outer)
                with open(self._folder.path / "machine.log", "ab") as log:  # noqa: PTH123
                    helper = namespaces.start(self._folder, self._record, log.fileno())
                hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                cgroups.join(limited.folders, helper.pid)
                self._say(processes=_identities(helper.pid))
                reason = asyncio.run(self._keep(helper, isolation, listeners, on_settled))
        except (StartError, OSError) as error:
            reason = str(error)
        finally:
            self._go_on()
            end_descendants(deadline_s=KILL_S)
            left = cgroups.remove(limited.folders)
            self._say(
                state="failed",
                reason=reason,
                ports={},
                processes=(),
                cgroups=tuple(map(str, left)),
                freezer="",
            )

    async def _keep(
        self,
        helper: Helper,
        isolation: str,
        listeners: list[socket.socket],
        on_settled: Callable[[], None],
    ) -> str:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        inner = self._inner_listeners(helper)
        helper.channel.setblocking(False)
        loop.add_reader(helper.channel, self._on_word, helper)
        namespaces.say(helper.channel, {"word": "start", "isolation": isolation})
        try:
            async with asyncio.timeout(START_S):
                await self._up(helper)
        except TimeoutError:
            raise StartError(f"the machine was not up within {START_S} s") from None
        relays = [
            *(network.Relay(listener, _host(endpoint)) for listener, endpoint in inner),
            *(
                network.Relay(listener, self._machine(helper, port))
                for listener, port in zip(listeners, self._record.ports, strict=False)
            ),
        ]
        running = [loop.create_task(relay.run()) for relay in relays]
        self._say(state="running", ports=self._ports(listeners))
        on_settled()
        try:
            return await self._until_end(stop)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _up(self, helper: Helper) -> None:
        """Wait until the helper named the first process and that said that it is up."""
        missing = {"init", "up"}
        while missing:
            word = await self._words.get()
            if word["word"] not in missing:
                raise StartError(word.get("reason", "its first process ended at once"))
            missing.remove(word["word"])
            if word["word"] == "init":
                self._first = word["pid"]
                self._say(processes=_identities(helper.pid, word["pid"]))

    async def _until_end(self, stop: asyncio.Event) -> str:
        ended = asyncio.ensure_future(self._words.get())
        asked = asyncio.ensure_future(stop.wait())
        removed = asyncio.ensure_future(self._until_removed())
        await asyncio.wait([ended, asked, removed], return_when=asyncio.FIRST_COMPLETED)
        self._go_on()
        if not ended.done() and self._first is not None:
            with suppress(ProcessLookupError):
                os.kill(self._first, signal.SIGTERM)
            await asyncio.wait([ended], timeout=self._record.stop_timeout_s + SLACK_S)
        for waited in (asked, ended, removed):
            waited.cancel()
        return "it was ended" if stop.is_set() else "its first process ended"

    async def _until_removed(self) -> None:
        """Until somebody took the folder away: nobody would ever ask for this machine's end."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._folder.there:
                return

    def _go_on(self) -> None:
        """What is suspended hears of no end; in a freezer of version 1 it cannot even be killed."""
        with suppress(OSError):
            suspending.resume(self._status)

    def _inner_listeners(self, helper: Helper) -> list[tuple[socket.socket, str]]:
        """The helper's first word brings the sockets that listen inside; where each leads to."""
        helper.channel.settimeout(START_S)
        word, descriptors = namespaces.receive(helper.channel)
        if word.get("word") != "listening":
            raise StartError(word.get("reason", "the namespaces could not be made"))
        made = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        return list(zip(made, self._record.reach, strict=True)) if made else []

    def _on_word(self, helper: Helper) -> None:
        word, descriptors = namespaces.receive(helper.channel)
        if not word:
            asyncio.get_running_loop().remove_reader(helper.channel)
            self._words.put_nowait({"word": "ended", "reason": "its helper ended"})
        elif word["word"] == "socket":
            made = socket.socket(fileno=descriptors[0])
            waiter = self._sockets.popleft()
            if waiter.done():
                made.close()
            else:
                waiter.set_result(made)
        else:
            self._words.put_nowait(word)

    def _machine(self, helper: Helper, port: int) -> Onward:
        """Connects to a port inside the machine, which is in use from the first time on."""

        async def onward() -> socket.socket:
            cgroups.weigh(self._groups, 1)
            self._groups = ()
            loop = asyncio.get_running_loop()
            waiter: asyncio.Future[socket.socket] = loop.create_future()
            namespaces.say(helper.channel, {"word": "socket"})
            self._sockets.append(waiter)
            return await _connect(await waiter, (network.LOOPBACK, port))

        return onward

    def _outer_listeners(self, stack: contextlib.ExitStack) -> list[socket.socket]:
        """On random ports of the host; without isolation the machine's ports are the host's."""
        if Way(self._record.way) is Way.PROCESS:
            for port in self._record.ports:
                stack.enter_context(_claim(port))
            return []
        return [
            stack.enter_context(listener)
            for listener in network.listeners([(network.LOOPBACK, 0)] * len(self._record.ports))
        ]

    def _ports(self, listeners: list[socket.socket]) -> dict[int, int]:
        if not listeners:
            return {port: port for port in self._record.ports}
        return {
            port: listener.getsockname()[1]
            for port, listener in zip(self._record.ports, listeners, strict=True)
        }

    def _say(self, **changes: Any) -> None:
        self._status = replace(self._status, **changes)
        with suppress(FileNotFoundError):  # the folder was removed under us
            self._folder.write_status(self._status)


def _identities(*pids: int) -> tuple[tuple[int, int], ...]:
    return tuple((pid, start) for pid in pids if (start := start_time(pid)) is not None)


def _host(endpoint: str) -> Onward:
    """Connects to where the host reaches it."""
    to = network.endpoint(endpoint)

    async def onward() -> socket.socket:
        return await _connect(socket.socket(socket.AF_INET, socket.SOCK_STREAM), to)

    return onward


async def _connect(made: socket.socket, to: tuple[str, int]) -> socket.socket:
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, to)
    except BaseException:
        made.close()
        raise
    return made


def _claim(port: int) -> socket.socket:
    """Hold a host-wide name for a port that only one machine without isolation can have."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0vmm-local-port-{port}")
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((network.LOOPBACK, port))
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise StartError(
            f"port {port} of this host is in use, and machines without isolation share it"
        ) from None
    return claim
