"""How the storages are, as the service tells it: in one way for all, and why only to some."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.testing import bind_unused_port

from dms_core import errors
from dms_core.access.frontends import Frontends
from dms_core.access.identity import Tokens, key_at
from dms_core.cli import main
from dms_core.client.service import DmsClient
from dms_core.config import House, build
from dms_core.model import Health
from dms_core.service.application import server
from dms_core.service.handler import Parts

from ...support.gridftp import gridftp_server
from ...support.nginx import nginx
from ...support.waiting import until_async
from ..movers.conftest import need_gridftp, need_nginx
from .conftest import lay_out_volumes


@asynccontextmanager
async def serving(
    folder: Path, config: dict[str, object]
) -> AsyncIterator[tuple[str, Tokens, House]]:
    """A service with this configuration, what makes its tokens, and what it is made of."""
    lay_out_volumes(folder)
    (folder / "volumes.yaml").write_text(json.dumps({**config, "membership": "membership.yaml"}))
    house = build(folder / "volumes.yaml", start_without=True)
    tokens = Tokens(key_at(folder / "key.pem"))
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
    yield f"http://127.0.0.1:{port}", tokens, house
    http.stop()
    await http.close_all_connections()
    await house.namespace.close()


def volumes_over(kind: str, url: str, **more: object) -> dict[str, object]:
    """An archive behind a server, and homes in a folder."""
    far = {"name": "far", "kind": kind, "location": "dls", "options": {"url": url}, **more}
    home = {"name": "home-disk", "kind": "posix", "options": {"folder": "home"}}
    return {
        "storages": [far, home],
        "volumes": [
            {"name": "archive", "policy": "archive", "storage": "far"},
            {"name": "home", "policy": "home", "storage": "home-disk"},
        ],
    }


async def told(url: str, token: str = "") -> Health:
    async with DmsClient(url, token) as dms:
        return await dms.health()


@pytest.mark.root
@pytest.mark.parametrize("kind", ["http", "gridftp"])
@pytest.mark.parametrize("cached", [False, True], ids=["alone", "behind a site's cache"])
async def test_an_archive_behind_one_server_is_away_and_back(
    tmp_path: Path, kind: str, cached: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    need_nginx()
    need_gridftp()
    files = tmp_path / "files"
    files.mkdir()
    (files / "run").write_bytes(b"neutrons")
    near = {"cache": {"folder": str(tmp_path / "near"), "limit_gb": 0.1}} if cached else {}
    with (nginx if kind == "http" else gridftp_server)(files) as far:
        async with serving(tmp_path, volumes_over(kind, far.url, **near)) as (url, tokens, house):
            alice, root = (tokens.issue(user).token for user in ("alice", "root"))
            began = time.time()
            async with DmsClient(url, alice) as dms:
                assert await dms.read("/archive/run") == b"neutrons"
                health = await told(url)
                [used] = health.storages
                assert health.status == "ok", "the folder that is the home tells nothing"
                assert (used.volume, used.storage, used.location) == ("archive", "far", "dls")
                assert (used.state, used.times_away, used.served_bytes) == ("used", 0, 8)

                far.kill()
                with pytest.raises(errors.Unreachable):
                    await dms.lookup("/archive/another")
            await until_async(lambda: states(house) == ["away"], "a probe has failed, too")
            health = await told(url)
            [away] = health.storages
            assert health.status == "degraded"
            assert health.detail == "Storage far of archive is away; see the log."
            assert (away.state, away.reason, away.times_away) == ("away", "", 1)
            assert began <= away.since_s <= time.time()

            for token in ("", alice, "nonsense"):
                assert await told(url, token) == health, "nobody else reads why"
            [away] = (await told(url, root)).storages
            assert away.reason.startswith(f"{kind} {far.url}"), away.reason
            assert "near" not in away.reason

            assert await dms_health(url) == 1
            out, _ = capsys.readouterr()
            assert " far " in out
            assert far.url not in out
            (tmp_path / "root.token").write_text(root)
            assert await dms_health(url, "--token-file", str(tmp_path / "root.token")) == 1
            out, _ = capsys.readouterr()
            assert far.url in out

            far.start()
            await until_async(lambda: states(house) == ["used"], "it comes back by itself")
            health = await told(url, alice)
            assert (health.status, health.detail) == ("ok", "")
            assert health.storages[0].since_s > away.since_s
            assert await dms_health(url) == 0


async def test_all_replicas_away_is_not_said_to_be_stood_in_for(tmp_path: Path) -> None:
    def posix(name: str) -> dict[str, object]:
        options = {"folder": str(tmp_path / name), "read_only": True}
        return {"name": name, "kind": "posix", "options": options}

    volume = {"name": "archive", "policy": "archive", "storages": ["near", "other"]}
    for name in ("near", "other"):
        (tmp_path / name).mkdir()
    config = {"storages": [posix("near"), posix("other")], "volumes": [volume]}
    async with serving(tmp_path, config) as (url, tokens, house):
        (tmp_path / "near").rename(tmp_path / "gone")
        await house.namespace.scan("/archive")
        assert (await told(url)).detail == (
            "Storage near of archive is away, others stand in; see the log."
        )
        (tmp_path / "other").rename(tmp_path / "gone, too")
        with pytest.raises(errors.StorageAway):
            await house.namespace.scan("/archive")
        assert (await told(url)).detail == (
            "Storage near of archive is away; see the log. "
            "Storage other of archive is away; see the log."
        )
        assert all(each.reason for each in (await told(url, tokens.issue("root").token)).storages)
        (tmp_path / "gone").rename(tmp_path / "near")
        await until_async(lambda: states(house) == ["used", "away"], "the near one is back")


async def test_a_replica_behind_a_server_is_away_for_the_servers_reason(tmp_path: Path) -> None:
    need_nginx()
    (tmp_path / "files").mkdir()
    with nginx(tmp_path / "files") as far:
        config = volumes_over("http", far.url)
        other = {"name": "disk", "kind": "posix", "options": {"folder": "archive"}}
        config["storages"] = [*config["storages"], other]  # type: ignore[misc]
        config["volumes"] = [{"name": "archive", "policy": "archive", "storages": ["far", "disk"]}]
        async with serving(tmp_path, config) as (_, _, house):
            volumes = house.namespace.volumes
            await house.namespace.scan("/archive")
            far.kill()
            await house.namespace.scan("/archive")
            assert states(house) == ["away", "used"]
            await until_async(
                lambda: house.places.health(volumes)[0].reason.startswith(f"http {far.url}"),
                "its own probe has failed, too",
            )


def states(house: House) -> list[str]:
    return [each.state for each in house.places.health(house.namespace.volumes)]


async def dms_health(url: str, *arguments: str) -> int:
    return await asyncio.to_thread(main, ["health", "--url", url, *arguments])
