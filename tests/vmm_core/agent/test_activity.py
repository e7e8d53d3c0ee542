"""What counts as use of a machine: measured on real machines with real programs."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable

import aiohttp
import pytest

from vmm_core.agent import asking
from vmm_core.agent.activity import terminal_idle_s
from vmm_core.agent.protocol import Activity, Bound
from vmm_core.clouds.base import CloudMachine
from vmm_core.lifetimes.activity import active
from vmm_core.model import Program, Session

from .room import HERE, Room

OFTEN_S = 1.0
"""Between two reports in these tests."""


def jupyter(room: Room) -> Session:
    argv = ("jupyter-server", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={room.port}")
    argv += ("--ServerApp.port_retries=0", "--ServerApp.jpserver_extensions={}")
    argv += ("--IdentityProvider.token=secret",)
    program = Program(argv=argv, entry="jupyter_server.serverapp:main")
    return room.web(program=program, health_path="/api")


async def ready(room: Room, *preload: str) -> CloudMachine:
    return await room.ready((HERE, *preload), activity_s=OFTEN_S)


async def reported(room: Room, where: Callable[[Activity], bool]) -> Activity:
    """The next report that is so."""
    return await room.service.wait_for(Activity, where, since=len(room.service.frames))


async def next_reports(room: Room, count: int) -> list[Activity]:
    """The next ones, without the first: that may have begun before."""
    found = [await reported(room, lambda seen: True) for _ in range(count + 1)]
    return found[1:]


async def test_a_computing_kernel_is_use_and_a_polling_browser_is_not(room: Room) -> None:
    machine = await ready(room, "jupyter_server.serverapp")
    assert isinstance(await room.bind(jupyter(room)), Bound)
    base = f"http://{machine.address}:{machine.ports[room.port]}/api"
    async with aiohttp.ClientSession(headers={"Authorization": "token secret"}) as http:
        polls = 0

        async def poll() -> None:
            nonlocal polls
            while True:
                for path in ("/kernels", "/sessions", "/contents", "/status"):
                    async with http.get(f"{base}{path}") as answer:
                        await answer.read()
                    polls += 1
                await asyncio.sleep(0.02)

        polling = asyncio.create_task(poll())
        try:
            without = await next_reports(room, 2)
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
        assert polls > 20
        assert [seen.kernels_busy for seen in without] == [None, None]
        assert [active(seen) for seen in without] == [(False, "nothing is in use")] * 2

        async with http.post(f"{base}/kernels", json={"name": "python3"}) as answer:
            kernel = (await answer.json())["id"]
        quiet = await reported(room, lambda seen: seen.kernels_busy == 0 and seen.cpu_percent < 10)
        assert active(quiet) == (False, "nothing is in use")

        async with http.ws_connect(f"{base}/kernels/{kernel}/channels") as channel:
            await channel.send_str(json.dumps(execute("while True: pass")))
            await reported(room, lambda seen: seen.kernels_busy == 1)
        # The browser is closed now, and the computation goes on.
        (alone,) = await next_reports(room, 1)
        assert alone.kernels_busy == 1
        assert active(alone)[1].startswith("1 kernel computes, programs use ")

        async with http.post(f"{base}/kernels/{kernel}/interrupt") as answer:
            assert answer.status == 204
        idle = await reported(room, lambda seen: seen.kernels_busy == 0)
        assert idle.logins in (None, 0)
    await room.service.unbind("lease-1")


def execute(code: str) -> dict[str, object]:
    """An ``execute_request`` of Jupyter's messaging protocol."""
    header = {"msg_id": "1", "msg_type": "execute_request", "session": "s", "username": "u"}
    return {
        "channel": "shell",
        "header": {**header, "version": "5.3", "date": "2020-01-01T00:00:00Z"},
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "allow_stdin": False, "stop_on_error": True},
    }


@pytest.mark.skipif(shutil.which("Xtigervnc") is None, reason="needs Xtigervnc")
async def test_a_key_at_the_desktop_is_use_and_a_watched_picture_is_not(room: Room) -> None:
    if room.way == "process":
        pytest.skip("its X server would be this host's")
    await ready(room)
    command = f"{HERE}:web_with_desktop"
    program = Program(argv=("web", str(room.port), ":9"), entry=command)
    assert isinstance(await room.bind(room.web(program=program)), Bound)
    begun = time.monotonic()
    first = await reported(room, lambda seen: seen.input_idle_s is not None)
    later = await reported(room, lambda seen: (seen.input_idle_s or 0) > 2)
    assert first.input_idle_s is not None
    assert later.input_idle_s is not None
    assert later.input_idle_s <= time.monotonic() - begun + 60
    assert later.cpu_percent < 10, "the picture changes all the time, and that is the X server's"
    key = Program(argv=("web", str(room.port), ":9", "key"), entry=command)
    await room.service.unbind("lease-1")
    assert isinstance(await room.bind(room.web(program=key)), Bound)
    pressed = await reported(room, lambda seen: (seen.input_idle_s or 9) < 1.5)
    assert active(pressed)[0]
    assert "input " in active(pressed)[1]


@pytest.mark.root
async def test_a_login_is_use(room: Room) -> None:
    if shutil.which("who") is None:
        pytest.skip("needs who")
    await ready(room)
    program = Program(argv=("web", str(room.port)), entry=f"{HERE}:web")
    login = Program(argv=("login", "alice"), entry=f"{HERE}:login")
    daemon = {"name": "sshd", "program": login, "socket": "/run/login"}
    assert isinstance(await room.bind(room.web(program=program, daemons=(daemon,))), Bound)
    seen = await reported(room, lambda seen: seen.logins == 1)
    assert "1 login" in active(seen)[1]
    await room.service.unbind("lease-1")
    await reported(room, lambda seen: seen.logins == 0)


def test_what_is_typed_at_a_terminal_is_use() -> None:
    keyboard, terminal = os.openpty()
    try:
        os.write(keyboard, b"x\n")
        assert os.read(terminal, 9) == b"x\n"
        idle_s = terminal_idle_s(os.fstat(terminal).st_rdev)
        assert idle_s is not None
        assert idle_s < 60
        assert terminal_idle_s(0) is None
    finally:
        os.close(keyboard)
        os.close(terminal)


async def test_what_is_not_there_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert await asking.gpu_percent() is None
    assert await asking.logins() is None


def test_the_lines_of_nvidias_tool() -> None:
    assert asking.busiest("3\n97\n0\n") == 97
    assert asking.busiest("[N/A]\n") is None
    assert asking.busiest("") is None


def test_logins_are_those_on_terminals() -> None:
    said = "alice    pts/0        2026-11-22 22:23 (10.0.0.1)\nbob :0   2026-11-22 22:23 (:0)\n"
    assert asking.on_terminals(said) == 1


async def test_a_program_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ASK_S", 0.1)
    with pytest.raises(asking.NoAnswerError, match=r"sleep did not answer within 0\.1 s"):
        await asking.ask(("sleep", "60"))
