"""From data to a place: the DMS says where it is, the request wishes to be there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tornado.testing import bind_unused_port

from dms_core.access.frontends import Frontends
from dms_core.access.identity import Tokens, key_at
from dms_core.client.service import DmsClient
from dms_core.config import build
from dms_core.service.application import server
from dms_core.service.handler import Parts
from jupyterhub_daaas_spawner.near import nearness
from jupyterhub_daaas_spawner.options import Options, OptionsError
from jupyterhub_daaas_spawner.settle import settle

from ..vmm_core.world import CATALOGUE, world
from .examples import OFFERS

VOLUMES = """\
storages:
  - {name: archive-disk, kind: posix, location: dls, options: {folder: archive, read_only: true}}
  - {name: home-disk, kind: posix, options: {folder: home}}
  - {name: rb-disk, kind: posix, location: ral, options: {folder: rb}}
volumes:
  - {name: archive, policy: archive, storage: archive-disk}
  - {name: home, policy: home, storage: home-disk}
  - {name: rb, policy: rb, storage: rb-disk}
membership: membership.yaml
"""
MEMBERSHIP = """\
instruments:
  LOQ: {}
  SANS2D: {}
experiments:
  RB1310123: {instrument: SANS2D, members: [alice]}
"""


@pytest.fixture
async def dms(tmp_path: Path) -> AsyncIterator[tuple[str, Tokens]]:
    """A DMS whose storages say where they are."""
    for folder in ("archive/NDXSANS2D", "home", "rb/LOQ/RBNumber", "rb/SANS2D/RBNumber/RB1310123"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "archive/NDXSANS2D/run.nxs").write_bytes(b"x" * 1000)
    (tmp_path / "membership.yaml").write_text(MEMBERSHIP)
    (tmp_path / "volumes.yaml").write_text(VOLUMES)
    house = build(tmp_path / "volumes.yaml")
    tokens = Tokens(key_at(tmp_path / "key.pem"))
    http = server(
        Parts(
            namespace=house.namespace,
            membership=house.membership,
            tokens=tokens,
            frontends=Frontends(None),
            places=house.places,
        )
    )
    socket, port = bind_unused_port()
    http.add_socket(socket)
    yield f"http://127.0.0.1:{port}", tokens
    http.stop()
    await http.close_all_connections()
    await house.namespace.close()


async def near(dms: tuple[str, Tokens], user: str, wanted: str) -> tuple[str, ...]:
    url, tokens = dms
    async with DmsClient(url, tokens.issue(user).token) as client:
        return await nearness(client, wanted)


async def test_paths_and_experiments_are_found(dms) -> None:
    assert await near(dms, "bob", "/archive/NDXSANS2D/run.nxs") == ("dls=1.00",)
    for wanted in ("/rb/SANS2D/RBNumber/RB1310123", "RB1310123", "rb1310123", "1310123"):
        assert await near(dms, "alice", wanted) == ("ral=1.00",)


@pytest.mark.parametrize(
    "wanted", ["/archive/none", "/nowhere", "/", "RB1310123", "RB99999", "RB", "run.nxs", "/a//b"]
)
async def test_what_the_user_may_not_read_is_not_there(dms, wanted: str) -> None:
    with pytest.raises(OptionsError, match="that you may read: give near as a path like"):
        await near(dms, "bob", wanted)


async def test_the_machine_is_where_the_data_is(dms, tmp_path: Path) -> None:
    found = await near(dms, "bob", "/archive")
    choice = settle(Options(environment="mantid"), OFFERS).near(found)
    assert choice.needs.near == ("dls=1.00",)
    (tmp_path / "vmm").mkdir()
    text = CATALOGUE.replace("ready: 0", "ready: 1")
    async with world(tmp_path / "vmm", text) as w:
        await w.step(2)
        lease = await w.acquire(needs=choice.needs.model_copy(update={"cpus": 0, "ram_gb": 0}))
        assert lease.machine is not None
        assert lease.machine.location == "dls"
        assert lease.explanation.summary.endswith(" at Diamond, where the data is")
