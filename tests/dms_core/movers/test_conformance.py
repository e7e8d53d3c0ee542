"""Both movers, and the storages made of them, against real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dms_core.movers.base import Mover
from dms_core.movers.conformance import MoverConformance
from dms_core.movers.gridftp.mover import GridftpMover
from dms_core.movers.http.mover import HttpMover
from dms_core.storage.conformance import ReadableConformance
from dms_core.transfer.moved import Moved
from tests.support.gridftp import GridftpServer
from tests.support.nginx import Nginx

from .conftest import ASCII


class _Both(MoverConformance, ReadableConformance):
    @pytest.fixture
    async def storage(self, mover: Mover) -> AsyncIterator[Moved]:
        storage = Moved(mover)
        yield storage
        await storage.close()


@pytest.mark.root
class TestGridftp(_Both):
    sample = ASCII

    @pytest.fixture
    async def mover(self, anonymous: GridftpServer) -> AsyncIterator[GridftpMover]:
        mover = GridftpMover(anonymous.url)
        yield mover
        await mover.close()


@pytest.mark.root
class TestGsi(_Both):
    @pytest.fixture
    async def mover(self, gsi: GridftpServer) -> AsyncIterator[GridftpMover]:
        mover = GridftpMover(gsi.url, **gsi.credentials, sessions=3)
        yield mover
        await mover.close()


class TestHttp(_Both):
    @pytest.fixture
    async def mover(self, web: Nginx) -> AsyncIterator[HttpMover]:
        mover = HttpMover(web.url)
        yield mover
        await mover.close()


class TestHttpsWithTokenAndTags(_Both):
    @pytest.fixture
    async def mover(self, secure_web: Nginx) -> AsyncIterator[HttpMover]:
        mover = HttpMover(secure_web.url, **secure_web.credentials, version="etag")
        yield mover
        await mover.close()
