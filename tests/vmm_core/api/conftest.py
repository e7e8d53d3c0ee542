"""A running service, and a plain HTTP client for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from vmm_core.api.models import PREFIX
from vmm_core.service import Service

from ..service import Site, running


@dataclass
class Response:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: Any


class Caller:
    """Sends requests with one holder's token (or none)."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str | None) -> None:
        self._http = http
        self._url = url + PREFIX
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def __call__(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> Response:
        async with self._http.request(
            method, self._url + path, headers={**self._headers, **(headers or {})}, **options
        ) as response:
            text = await response.text()
            is_json = "json" in response.content_type
            body = json.loads(text) if is_json else text
            return Response(response.status, dict(response.headers), body)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
async def service(site: Site) -> AsyncIterator[Service]:
    async with running(site) as service:
        yield service


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


@pytest.fixture
def as_(service: Service, site: Site, http: aiohttp.ClientSession):
    """``as_("alice")`` calls with alice's token, ``as_(None)`` without."""

    def caller(name: str | None) -> Caller:
        return Caller(http, service.url, site.tokens[name] if name else None)

    return caller
