"""A service that a test may stop; and one with two mounts for those that stop nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ..fuse.running import Mounted, Service


class Two(NamedTuple):
    """A folder of its own on two machines and at the service."""

    mounted: Mounted
    mine: Path
    theirs: Path
    origin: Path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "service") as running:
        yield running


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mounted, Mounted]]:
    folder = tmp_path_factory.mktemp("two")
    with (
        Service(folder / "service") as service,
        Mounted(service, folder / "one") as one,
        Mounted(service, folder / "other") as other,
    ):
        yield one, other


@pytest.fixture
def two(machines: tuple[Mounted, Mounted]) -> Two:
    one, other = machines
    name = uuid.uuid4().hex
    (one.home / name).mkdir()
    origin = one.service.home / name
    (origin / "old.txt").write_text("old")
    return Two(one, one.home / name, other.home / name, origin)
