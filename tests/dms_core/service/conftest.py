"""A service on a free port of 127.0.0.1, over folders of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from dms_core.access.frontends import Frontends, Scope, add
from dms_core.access.identity import Tokens, key_at
from dms_core.access.membership import MembershipFile
from dms_core.model import Policy, Volume
from dms_core.namespace import Namespace
from dms_core.rest import API
from dms_core.service.application import server
from dms_core.service.handler import Parts
from dms_core.storage.posix import PosixStorage
from dms_core.storage.remote import RemoteStorage

MEMBERSHIP = """\
administrators: [root]
instruments:
  SANS2D: {scientists: [sarah]}
  LOQ: {}
experiments:
  RB1310123: {instrument: SANS2D, members: [alice, bob]}
  RB1310124: {instrument: SANS2D, members: [bob]}
  RB1410001: {instrument: LOQ, members: [carol]}
"""


@dataclass
class Service:
    """A running service and where its bytes are."""

    url: str
    folder: Path
    tokens: Tokens
    frontend_token: str
    http: HTTPServer
    clock: list[float]

    def token(self, user: str) -> str:
        return self.tokens.issue(user).token

    def storage(self, user: str, path: str = "/", **options: float) -> RemoteStorage:
        return RemoteStorage(self.url, lambda: self.token(user), path=path, **options)


def lay_out_volumes(folder: Path) -> None:
    """The folders of three volumes, with an experiment or two."""
    for name in (
        "archive/NDXSANS2D/Instrument/data/cycle_13_2",
        "home",
        "rb/SANS2D/RBNumber/RB1310123",
        "rb/SANS2D/RBNumber/RB1310124",
        "rb/SANS2D/calibration",
        "rb/LOQ/RBNumber/RB1410001",
    ):
        (folder / name).mkdir(parents=True)
    for number in ("SANS2D/RBNumber/RB1310123", "SANS2D/RBNumber/RB1310124"):
        (folder / "rb" / number / "data.txt").write_text(number)
    (folder / "rb/SANS2D/calibration/mask.xml").write_text("<mask/>")
    (folder / "membership.yaml").write_text(MEMBERSHIP)


def namespace_of(folder: Path) -> Namespace:
    """The three volumes of :func:`lay_out_volumes`."""
    return Namespace(
        (
            Volume(name=policy.value, policy=policy, storage=policy.value),
            PosixStorage(folder / policy.value, read_only=policy is Policy.ARCHIVE),
        )
        for policy in Policy
    )


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    lay_out_volumes(tmp_path)
    frontend_token = add(tmp_path / "frontends.yaml", "hub", [Scope.ISSUE])
    clock = [1_700_000_000.0]
    tokens = Tokens(key_at(tmp_path / "key.pem"), clock=lambda: clock[0])
    parts = Parts(
        namespace=namespace_of(tmp_path),
        membership=MembershipFile(tmp_path / "membership.yaml", check_every_s=0),
        tokens=tokens,
        frontends=Frontends(tmp_path / "frontends.yaml"),
    )
    http = server(parts)
    socket, port = bind_unused_port()
    http.add_socket(socket)
    yield Service(f"http://127.0.0.1:{port}", tmp_path, tokens, frontend_token, http, clock)
    http.stop()
    await http.close_all_connections()
    await parts.namespace.close()


Ask = Callable[..., "aiohttp.client._RequestContextManager"]


@pytest.fixture
async def ask(service: Service) -> AsyncIterator[Ask]:
    """``ask(method, resource, user, **aiohttp's)``: a plain HTTP request to the service."""
    async with aiohttp.ClientSession() as session:

        def request(
            method: str, resource: str, user: str | None = None, **more: object
        ) -> aiohttp.client._RequestContextManager:
            headers = dict(more.pop("headers", {}))  # type: ignore[call-overload]
            if user is not None:
                headers["Authorization"] = f"Bearer {service.token(user)}"
            from yarl import URL

            url = URL(f"{service.url}{API}{resource}", encoded=True)
            return session.request(method, url, headers=headers, **more)  # type: ignore[arg-type]

        yield request
