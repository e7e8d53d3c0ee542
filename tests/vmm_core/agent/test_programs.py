"""The fork server and its client, as ordinary processes."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from vmm_core.agent.forkserver import Start
from vmm_core.agent.programs import PreloadError, Programs, ServerGoneError

SERVE = (
    "import socket, sys; from vmm_core.agent import forkserver;"
    "job = forkserver.serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:]);"
    "sys.exit(job() if job else 0)"
)


class Server:
    def __init__(self, *preload: str) -> None:
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(theirs.fileno()), *preload],
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self.programs = Programs(ours)

    async def close(self) -> None:
        await self.programs.close()
        await asyncio.to_thread(self.process.wait, 20)


@pytest_asyncio.fixture
async def programs() -> AsyncIterator[Programs]:
    server = Server("json")
    await server.programs.open()
    assert await asyncio.wait_for(server.programs.preloaded(), 20) >= 0
    yield server.programs
    await server.close()
    assert server.process.returncode == 0


def command(tmp_path: Path, *argv: str) -> Start:
    return Start(
        argv=argv, entry=None, env={"PATH": os.environ["PATH"]}, cwd="/", log=f"{tmp_path}/log"
    )


async def test_exit_statuses_are_passed_on(programs: Programs, tmp_path: Path) -> None:
    starts = [await programs.start(command(tmp_path, "sh", "-c", f"exit {n}")) for n in range(5)]
    async with asyncio.timeout(20):
        assert [await process.exit_status for process in starts] == [0, 1, 2, 3, 4]


async def test_a_signal_is_a_negative_status(programs: Programs, tmp_path: Path) -> None:
    process = await programs.start(command(tmp_path, "sleep", "1000"))
    await programs.stop(process, 20)
    assert process.exit_status.result() == -15


async def test_what_ignores_sigterm_is_killed(programs: Programs, tmp_path: Path) -> None:
    process = await programs.start(
        command(tmp_path, "sh", "-c", "trap '' TERM; while :; do sleep 0.01; done")
    )
    await programs.stop(process, 0.1)
    assert process.exit_status.result() in (-9, -15)


async def test_reap_ends_all_but_the_spared(programs: Programs, tmp_path: Path) -> None:
    spared = await programs.start(command(tmp_path, "sleep", "1000"))
    other = await programs.start(command(tmp_path, "sh", "-c", "sleep 1000 & sleep 1000"))
    assert await asyncio.wait_for(programs.reap(spared=[spared]), 20)
    assert await asyncio.wait_for(other.exit_status, 20) == -9
    assert not spared.exit_status.done()
    os.kill(spared.pid.result(), 0)


async def test_the_log_is_private_and_not_followed_to_elsewhere(
    programs: Programs, tmp_path: Path
) -> None:
    process = await programs.start(command(tmp_path, "echo", "words"))
    await asyncio.wait_for(process.exit_status, 20)
    log = tmp_path / "log"
    assert log.read_text() == "words\n"
    assert log.stat().st_mode & 0o777 == 0o600
    target = tmp_path / "target"
    (tmp_path / "link").symlink_to(target)
    linked = command(tmp_path, "echo", "words")
    again = await programs.start(replace(linked, log=f"{tmp_path}/link"))
    assert await asyncio.wait_for(again.exit_status, 20) == 125
    assert not target.exists()


async def test_a_missing_module_is_named() -> None:
    server = Server("json", "no_such_module")
    await server.programs.open()
    with pytest.raises(PreloadError, match="module no_such_module cannot be imported"):
        await asyncio.wait_for(server.programs.preloaded(), 20)
    await server.close()


async def test_the_servers_death_is_everybodys_end(tmp_path: Path) -> None:
    server = Server()
    await server.programs.open()
    process = await server.programs.start(command(tmp_path, "sleep", "1000"))
    server.process.kill()
    assert await asyncio.wait_for(process.exit_status, 20) == -9
    with pytest.raises(ServerGoneError):
        await asyncio.wait_for(server.programs.start(command(tmp_path, "true")), 20)
    await server.close()
