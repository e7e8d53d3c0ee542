"""fsspec's own suite, on alice's home at a real service, and its reading half on the archive."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Callable, Iterator

import pytest
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)

from dms_core.fs import DmsFileSystem

from .conftest import Served


class AtHome(AbstractFixtures):
    """Where the suite works: an empty folder in alice's home."""

    @pytest.fixture
    def fs(self, alice: DmsFileSystem) -> DmsFileSystem:
        return alice

    @pytest.fixture
    def fs_path(self, fs: DmsFileSystem) -> Iterator[str]:
        fs.mkdir("/home/alice/suite")
        yield "/home/alice/suite"
        fs.rm("/home/alice/suite", recursive=True)

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return posixpath.join

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return True


class TestCopy(AbstractCopyTests, AtHome):
    """Copies within the tree."""


class TestGet(AbstractGetTests, AtHome):
    """Downloads of what was put there."""


class TestPut(AbstractPutTests, AtHome):
    """Uploads."""


class TestOpen(AbstractOpenTests, AtHome):
    """Files that must not be there."""


class TestPipe(AbstractPipeTests, AtHome):
    """Bytes to files."""


class TestGetFromTheArchive(AbstractGetTests, AtHome):
    """The same downloads from a volume that takes no changes: the suite's files are laid there."""

    test_get_glob_edge_cases = None  # at home is enough: forty patterns that take their time

    @pytest.fixture
    def fs(self, alice: DmsFileSystem, served: Served) -> Laid:
        return Laid(alice, served)

    @pytest.fixture
    def fs_path(self, served: Served) -> Iterator[str]:
        (served.folder / "archive/suite").mkdir()
        yield "/archive/suite"
        shutil.rmtree(served.folder / "archive/suite")


class Laid:
    """The archive through ``dms://``, but that what the suite makes is made on its disk."""

    def __init__(self, fs: DmsFileSystem, served: Served) -> None:
        self._fs = fs
        self._served = served

    def __getattr__(self, name: str) -> object:
        return getattr(self._fs, name)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        (self._served.folder / path[1:]).mkdir(parents=True, exist_ok=exist_ok)

    mkdir = makedirs

    def touch(self, path: str) -> None:
        self.pipe(path, b"")

    def pipe(self, path: str, value: bytes) -> None:
        file = self._served.folder / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(value)

    def rm(self, path: str, recursive: bool = False) -> None:
        shutil.rmtree(self._served.folder / path[1:])
