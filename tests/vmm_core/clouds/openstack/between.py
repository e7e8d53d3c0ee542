"""Stands between a cloud and its Nova and spoils chosen answers, as networks and balancers do."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import aiohttp
from aiohttp import web

Fault = Literal[
    "lose-request",  # the line breaks before Nova sees it
    "lose-answer",  # Nova does it, the line breaks before the answer
    "throttle",  # 429, not before 7 s
    "error",  # 500 of the cloud's own
]


class Between:
    """A reverse proxy for one service; ``faults`` and ``lasting`` say which."""

    def __init__(self, service: str) -> None:
        self.url = ""
        self.faults: dict[tuple[str, str], Fault] = {}
        """By method and end of the path; each happens once."""
        self.lasting: dict[tuple[str, str], Fault] = {}
        """The same, but each happens to every such request."""
        self.seen: Counter[tuple[str, str]] = Counter()
        self._service = service
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        last = request.path.rstrip("/").rpartition("/")[2]
        asked = (request.method, last)
        self.seen[asked] += 1
        fault = self.faults.pop(asked, None) or self.lasting.get(asked)
        if fault == "throttle":
            return web.json_response(
                {"overLimit": {"message": "slow down", "code": 429}},
                status=429,
                headers={"Retry-After": "7"},
            )
        if fault == "error":
            return web.json_response({"computeFault": {"message": "oops", "code": 500}}, status=500)
        assert request.transport is not None
        if fault == "lose-request":
            request.transport.abort()
            return web.Response()
        headers = {k: v for k, v in request.headers.items() if k.lower() != "host"}
        body = await request.read()
        async with (
            aiohttp.ClientSession(auto_decompress=False) as http,
            http.request(
                request.method, self._service + request.raw_path, headers=headers, data=body or None
            ) as answer,
        ):
            content = await answer.read()
            if fault == "lose-answer":
                request.transport.abort()
            kept = ("Content-Type", "Location", "OpenStack-API-Version", "X-OpenStack-Request-ID")
            passed = {name: answer.headers[name] for name in kept if name in answer.headers}
            return web.Response(status=answer.status, body=content, headers=passed)
