"""The agent's side of the fork server: start a program, signal it, know its end."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from .forkserver import Start

_LONGEST_LINE = 1 << 22


class PreloadError(Exception):
    """A module of the environment cannot be imported; the machine is of no use."""


class ServerGoneError(Exception):
    """The fork server ended, and with it every program."""


class Process:
    """One program that the fork server started."""

    def __init__(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.pid: asyncio.Future[int] = loop.create_future()
        self.exit_status: asyncio.Future[int] = loop.create_future()
        """Negative for a signal, as :mod:`subprocess` has it."""


class Programs:
    """Starts programs in processes forked from the imported one."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._numbers = itertools.count(1)
        self._processes: dict[int, Process] = {}
        self._reaps: dict[int, asyncio.Future[bool]] = {}
        self._preloaded: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to listen to the server."""
        reader, self._writer = await asyncio.open_connection(
            sock=self._control, limit=_LONGEST_LINE
        )
        self._listening = asyncio.create_task(self._listen(reader))

    async def close(self) -> None:
        """Let the server go, which ends all that it started."""
        if self._writer:
            self._writer.close()
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def preloaded(self) -> float:
        """Wait until the modules are imported; how long that took, in seconds.

        Raises:
            PreloadError: one cannot be imported.
            ServerGoneError: importing one ended the server.
        """
        return await asyncio.shield(self._preloaded)

    async def start(self, start: Start) -> Process:
        """Start a program.

        Raises:
            ServerGoneError: there is no server any more.
        """
        process = Process(next(self._numbers))
        self._processes[process.number] = process
        self._say({"word": "start", "number": process.number, "start": asdict(start)})
        await asyncio.shield(process.pid)
        return process

    async def stop(
        self, process: Process, grace_s: float, spare: Callable[[], bool] = lambda: False
    ) -> bool:
        """SIGTERM, and SIGKILL after ``grace_s`` seconds unless ``spare()``; whether it ended."""
        for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5)):
            if process.exit_status.done():
                return True
            if number is signal.SIGKILL and spare():
                return False
            self._say({"word": "signal", "number": process.number, "signal": int(number)})
            await asyncio.wait([process.exit_status], timeout=wait_s)
        return process.exit_status.done()

    async def reap(self, spared: Iterable[Process] = ()) -> bool:
        """SIGKILL everything that was ever started but the ``spared``; whether it all died."""
        number = next(self._numbers)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._reaps[number] = done
        self._say({"word": "reap", "number": number, "spared": [p.number for p in spared]})
        return await asyncio.shield(done)

    def _say(self, word: dict[str, Any]) -> None:
        if self._writer is None or self._listening is None or self._listening.done():
            raise ServerGoneError("the fork server ended")
        self._writer.write(json.dumps(word).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._take(json.loads(line))
        finally:
            self._gone()

    def _take(self, word: dict[str, Any]) -> None:
        match word["word"]:
            case "preloaded":
                self._preloaded.set_result(word["seconds"])
            case "preload-failed":
                self._preloaded.set_exception(PreloadError(word["reason"]))
            case "started":
                self._processes[word["number"]].pid.set_result(word["pid"])
            case "exited":
                self._processes.pop(word["number"]).exit_status.set_result(word["status"])
            case "reaped":
                self._reaps.pop(word["number"]).set_result(word["done"])

    def _gone(self) -> None:
        error = ServerGoneError("the fork server ended")
        if not self._preloaded.done():
            self._preloaded.set_exception(error)
            self._preloaded.exception()  # nobody may be waiting for it
        for process in self._processes.values():
            if not process.pid.done():
                process.pid.set_exception(error)
            if not process.exit_status.done():
                process.exit_status.set_result(-int(signal.SIGKILL))
        for done in self._reaps.values():
            if not done.done():
                done.set_result(True)
