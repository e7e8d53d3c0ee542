"""A lean HTTP client: so many connections ask for a machine at the same instant.

Connections are open before the clock starts, as a frontend's are. A request's time
runs from the instant of the burst, so that what waits in this client counts, too,
until the last byte of its answer is there.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Sequence
from itertools import cycle, islice

PATH = "/vmm/api/v1/leases"
TIMEOUT_S = 120


class Claimer(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._got = b""
        self._answer: asyncio.Future[tuple[int, bytes, float]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Part of the answer, which is whole once its length is there."""
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        if len(body) >= length and self._answer is not None:
            self._answer.set_result((int(head.split(b" ", 2)[1]), body, time.perf_counter()))
            self._answer = None

    def connection_lost(self, _error: Exception | None) -> None:
        """Whoever waits is told."""
        if self._answer is not None:
            self._answer.set_exception(ConnectionError("the service hung up"))

    def request(self, owner: str) -> bytes:
        """A request for a machine."""
        body = json.dumps({"needs": {"environment": "ready"}, "owner": owner}).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: vmm\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nIdempotency-Key: {uuid.uuid4().hex}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def send(self, request: bytes) -> asyncio.Future[tuple[int, bytes, float]]:
        """Its status, its body, and when it was whole."""
        assert self._transport is not None
        self._got = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def bursts(
    ports: Sequence[int], token: str, at_once: int, rounds: int
) -> tuple[list[float], list[float]]:
    """Claims in ms of each request, and in s of each burst until its last answer.

    Raises:
        SystemExit: a request got no machine: the stock was too small.
    """
    loop = asyncio.get_running_loop()
    claimers = [
        (await loop.create_connection(lambda: Claimer(token), "127.0.0.1", port))[1]
        for port in islice(cycle(ports), at_once)
    ]
    each_ms: list[float] = []
    all_s: list[float] = []
    try:
        for number in range(rounds):
            requests = [each.request(f"user-{number}-{n}") for n, each in enumerate(claimers)]
            began = time.perf_counter()
            answers = [each.send(request) for each, request in zip(claimers, requests, strict=True)]
            async with asyncio.timeout(TIMEOUT_S):
                told = await asyncio.gather(*answers)
            for status, body, ended in told:
                if status != 201:
                    raise SystemExit(f"no machine from stock: {status} {body[:300]!r}")
                each_ms.append(1000 * (ended - began))
            all_s.append(max(ended for *_, ended in told) - began)
            await asyncio.sleep(0.05)
    finally:
        for each in claimers:
            each.close()
    return each_ms, all_s
