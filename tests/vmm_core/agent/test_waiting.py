from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from vmm_core.agent import waiting


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    app = web.Application()
    app.router.add_get("/{status}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "ready"), [(200, True), (302, True), (404, True), (500, False), (503, False)]
)
async def test_ready_is_an_answer_below_500(port: int, status: int, ready: bool) -> None:
    assert await waiting.answers(port, f"/{status}") is ready


async def test_nobody_listening_is_not_ready() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert not await waiting.answers(unused.getsockname()[1], "/")


async def test_a_socket_is_up_when_it_accepts(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    assert not await waiting.accepts(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        assert not await waiting.accepts(path)
        listener.listen()
        assert await waiting.accepts(path)


def test_mounts_are_known_by_their_exact_folder() -> None:
    assert waiting.is_mounted("/proc")
    assert waiting.is_mounted("/proc/")
    assert waiting.is_mounted("/")
    assert not waiting.is_mounted("/proc/self")
    assert not waiting.is_mounted("/pro")


async def test_waiting_ends_with_the_process_and_at_the_deadline() -> None:
    async def never() -> bool:
        return False

    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await waiting.until(never, ended, 0.05)
    assert not ended.cancelled()
    ended.set_result(3)
    assert await waiting.until(never, ended, 20) is False
