"""Where bytes are, as the service tells it: locations, shares, and only what the user may see."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.access.guarded import Guarded
from dms_core.client.service import DmsClient
from dms_core.config import House, build
from dms_core.model import Near

from .conftest import Service, lay_out_volumes

TEXT = """\
storages:
  - {name: archive-disk, kind: posix, location: ral, options: {folder: archive, read_only: true}}
  - {name: archive-far, kind: posix, location: dls, options: {folder: far, read_only: true}}
  - {name: home-disk, kind: posix, options: {folder: home}}
  - {name: rb-disk, kind: posix, location: esrf, options: {folder: rb}}
volumes:
  - {name: archive, policy: archive, storages: [archive-disk, archive-far]}
  - {name: home, policy: home, storage: home-disk}
  - {name: rb, policy: rb, storage: rb-disk}
membership: membership.yaml
"""
CYCLE = "NDXSANS2D/Instrument/data/cycle_13_2"


@pytest.fixture
def house(tmp_path: Path) -> House:
    lay_out_volumes(tmp_path)
    (tmp_path / "far").mkdir()
    (tmp_path / "volumes.yaml").write_text(TEXT)
    for name, size in (("a", 300), ("b", 100)):
        (tmp_path / "archive" / CYCLE / name).write_bytes(b"x" * size)
    return build(tmp_path / "volumes.yaml")


async def near(house: House, user: str, *paths: str) -> dict[str, float]:
    tree = Guarded(house.namespace, house.membership, user)
    found = await house.places.near(tree, house.namespace, paths)
    return {each.location: round(each.share, 3) for each in found}


async def test_a_replica_counts_where_it_has_the_bytes(house: House, tmp_path: Path) -> None:
    folder = f"/archive/{CYCLE}"
    assert await near(house, "alice", folder) == {"ral": 1.0}
    far = tmp_path / "far" / CYCLE
    far.mkdir(parents=True)
    (far / "a").write_bytes(b"other bytes")
    assert await near(house, "alice", folder) == {"ral": 1.0}
    shutil.copy2(tmp_path / "archive" / CYCLE / "a", far / "a")
    await house.places.storages["archive"].close()
    again = build(tmp_path / "volumes.yaml")
    assert await near(again, "alice", folder) == {"ral": 1.0, "dls": 0.75}
    assert await near(again, "alice", "/archive") == {"ral": 1.0, "dls": 0.75}
    assert await near(again, "alice", f"{folder}/b") == {"ral": 1.0}
    assert await near(again, "alice", f"{folder}/b", f"{folder}/b") == {"ral": 1.0}
    await again.namespace.close()


async def test_several_paths_count_by_their_bytes(house: House) -> None:
    experiment = "/rb/SANS2D/RBNumber/RB1310123"  # 25 bytes
    found = await near(house, "alice", f"/archive/{CYCLE}/b", experiment)
    assert found == {"ral": 0.8, "esrf": 0.2}
    assert list(found) == ["ral", "esrf"]
    await house.namespace.close()


async def test_a_storage_that_says_no_location_is_nowhere(house: House) -> None:
    await house.namespace.make_folder("/home/alice")
    assert await near(house, "alice", "/home/alice") == {}
    await house.namespace.close()


async def test_only_what_the_user_may_know_of(house: House) -> None:
    for path in ("/rb/SANS2D/RBNumber/RB1310124", "/archive/absent", "/absent"):
        with pytest.raises((errors.NotFound, errors.NotAllowed)):
            await near(house, "alice", path)
    for paths in ((), ("/",), ("relative",), ("/archive",) * 65):
        with pytest.raises(errors.BadRequest):
            await near(house, "alice", *paths)
    await house.namespace.close()


async def test_the_client_asks(service: Service) -> None:
    async with DmsClient(service.url, service.token("alice")) as dms:
        assert await dms.where_is(["/archive/NDXSANS2D"]) == ()  # no locations configured
        with pytest.raises(errors.NotFound):
            await dms.where_is(["/rb/LOQ/RBNumber/RB1410001"])
        with pytest.raises(errors.BadRequest):
            await dms.where_is([])
        assert (await dms.health()).status == "ok"
    async with DmsClient(service.url) as dms:
        with pytest.raises(errors.NotAuthenticated):
            await dms.where_is(["/archive"])


def test_a_share_is_some() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Near(location="ral", share=0)
