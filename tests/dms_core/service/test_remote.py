"""The remote storage against a real service: the conformance suites, then broken peers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from dms_core.errors import NotFound
from dms_core.model import Policy, Volume
from dms_core.namespace import Namespace
from dms_core.storage.conformance import (
    ReadableConformance,
    ReadOnlyConformance,
    WritableConformance,
    lay_out,
)
from dms_core.storage.remote import RemoteStorage
from dms_core.transfer.peer import Peer

from .conftest import Service


class TestHome(ReadableConformance, WritableConformance):
    root = "/home/alice"

    @pytest.fixture
    async def storage(self, service: Service) -> AsyncIterator[RemoteStorage]:
        lay_out(service.folder / "home" / "alice")
        storage = service.storage("alice")
        yield storage
        await storage.close()


class TestArchive(ReadableConformance, ReadOnlyConformance):
    root = "/archive"

    @pytest.fixture
    async def storage(self, service: Service) -> AsyncIterator[RemoteStorage]:
        lay_out(service.folder / "archive")
        storage = service.storage("alice")
        yield storage
        await storage.close()


class TestBelowAPath(ReadableConformance, WritableConformance):
    @pytest.fixture
    async def storage(self, service: Service) -> AsyncIterator[RemoteStorage]:
        lay_out(service.folder / "home" / "alice")
        storage = service.storage("alice", "/home/alice")
        yield storage
        await storage.close()


class TestAPeer(ReadableConformance, WritableConformance):
    """As a service's configuration has it."""

    @pytest.fixture
    async def storage(self, service: Service) -> AsyncIterator[Peer]:
        lay_out(service.folder / "home" / "alice")
        storage = Peer(service.storage("alice", "/home/alice"))
        yield storage
        await storage.close()


class TestAVolumeFromAnotherDms(ReadableConformance, ReadOnlyConformance):
    """A site shows another site's archive as its own."""

    root = "/archive"

    @pytest.fixture
    async def storage(self, service: Service) -> AsyncIterator[Namespace]:
        lay_out(service.folder / "archive")
        volume = Volume(name="archive", policy=Policy.ARCHIVE, storage="there")
        namespace = Namespace([(volume, service.storage("site", "/archive"))])
        yield namespace
        await namespace.close()

    async def test_errors_name_the_path_here(self, storage: Namespace) -> None:
        with pytest.raises(NotFound, match=r"^/archive/absent does not exist"):
            await storage.lookup("/archive/absent")
