"""A real Jupyter Server with the extension, against a real mount.

pytest-jupyter's hooks run coroutines on a loop of their own, which clashes with
pytest-asyncio. So its fixtures are taken one by one, without its hooks, and get
pytest-asyncio's loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pytest_jupyter import jupyter_core, jupyter_server, pytest_tornasync
from traitlets.config import Config

from jupyter_daaas_data.relay import SCHEMA_ID

from ..world import World

for _module in (jupyter_core, pytest_tornasync, jupyter_server):
    globals().update(
        (name, value)
        for name, value in vars(_module).items()
        if not name.startswith("pytest_") and type(value) is type(jupyter_server.jp_fetch)
    )

Answer = tuple[int, Any]
Call = Callable[..., Awaitable[Answer]]
Event = dict[str, Any]

EVENT_DEADLINE_S = 20


@pytest_asyncio.fixture
async def jp_asyncio_loop() -> AsyncIterator[asyncio.AbstractEventLoop]:
    """The loop that the test runs on."""
    yield asyncio.get_running_loop()


@pytest.fixture
def jp_nbconvert_templates() -> None:
    """None are needed, and copying them is half the time of starting a server."""


@pytest.fixture
def socket(world: World) -> Path:
    """Where the extension looks for the mount."""
    return world.socket


@pytest.fixture
def jp_server_config(socket: Path) -> Config:
    return Config(
        {
            "ServerApp": {
                "jpserver_extensions": {"jupyter_daaas_data": True},
                "allow_unauthenticated_access": False,
            },
            "DataApp": {"socket": str(socket), "event_interval_s": 0.05},
        }
    )


@pytest.fixture
def call(jp_fetch: Any) -> Call:
    """``call(method, route, **query)``: status and decoded body, whatever the status."""

    async def request(
        method: str, route: str, /, *, body: object = None, headers: Any = None, **query: str
    ) -> Answer:
        response = await jp_fetch(
            "dms/api/v1",
            route,
            method=method,
            params=query,
            headers=headers,
            body=None if body is None else json.dumps(body),
            allow_nonstandard_methods=True,
            raise_error=False,
        )
        return response.code, json.loads(response.body)

    return request


class Events:
    """What a browser hears on the event socket."""

    def __init__(self, websocket: Any) -> None:
        self._websocket = websocket

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        async with asyncio.timeout(EVENT_DEADLINE_S):
            while True:
                event: Event = json.loads(await self._websocket.read_message())
                if event["schema_id"] == SCHEMA_ID and wanted(event):
                    return event


@pytest.fixture
async def events(jp_serverapp: Any, jp_ws_fetch: Any) -> AsyncIterator[Events]:
    """A browser's end of the event socket, and the server's relay running."""
    websocket = await jp_ws_fetch("api", "events", "subscribe")
    # What a server does once its loop runs; pytest-jupyter leaves it out.
    await jp_serverapp.extension_manager.start_all_extensions()
    yield Events(websocket)
    websocket.close()
