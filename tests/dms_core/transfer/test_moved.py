"""A mover as a storage: pages, what never changes, the door, and how a configuration names it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dms_core import errors
from dms_core.cache.site import SiteCache
from dms_core.config import build
from dms_core.model import Entry
from dms_core.movers.http.mover import HttpMover
from dms_core.storage.base import Storage
from dms_core.storage.conformance import ReadableConformance, lay_out, scan_all
from dms_core.transfer.moved import Moved
from tests.dms_core.movers.conftest import need_gridftp, need_nginx, pattern
from tests.support.gridftp import gridftp_server
from tests.support.nginx import Nginx, nginx
from tests.support.waiting import until_async


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def web(files: Path) -> Iterator[Nginx]:
    need_nginx()
    with nginx(files) as server:
        yield server


async def test_pages_stay_together_while_the_folder_changes(web: Nginx) -> None:
    for number in range(10):
        (web.folder / f"{number}").touch()
    storage = Moved(HttpMover(web.url))
    before = len(web.requests())
    page = await storage.scan("/", limit=4)
    (web.folder / "5").unlink()
    rest = await storage.scan("/", cursor=page.cursor)
    names = [entry.path for entry in (*page.entries, *rest.entries)]
    assert names == [f"/{number}" for number in range(10)]
    await until_async(lambda: len(web.requests()) > before, "the request is logged")
    assert len(web.requests()) == before + 1, "one listing serves the pages of a scan"
    assert "/5" not in [entry.path for entry in await scan_all(storage, "/", 4)]
    await storage.close()


async def test_a_listing_goes_on_when_nobody_waits_for_it(web: Nginx) -> None:
    """As for a folder so large that its first caller ran out of time."""
    storage = Moved(HttpMover(web.url))
    (web.folder / "file").touch()
    before = len(web.requests())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await storage.scan("/")
    pages = await asyncio.gather(*(storage.scan("/") for _ in range(5)))
    assert {page.entries[0].path for page in pages} == {"/file"}
    await until_async(lambda: len(web.requests()) > before, "the request is logged")
    assert len(web.requests()) <= before + 2
    await storage.close()


async def test_what_never_changes(web: Nginx) -> None:
    for name, age_s in (("closed", 7200), ("open", 0)):
        (web.folder / name).touch()
        os.utime(web.folder / name, (time.time() - age_s,) * 2)
    (web.folder / "folder").mkdir()

    async def immutable(**options: object) -> set[str]:
        storage = Moved(HttpMover(web.url), **options)  # type: ignore[arg-type]
        entries = await scan_all(storage, "/")
        assert [await storage.lookup(entry.path) for entry in entries] == entries
        assert storage.immutable == (options == {"immutable": True})
        await storage.close()
        return {entry.path for entry in entries if entry.immutable}

    assert await immutable() == set()
    assert await immutable(immutable=True) == {"/closed", "/open"}
    assert await immutable(immutable=True, settle_s=3600) == {"/closed"}


async def test_while_it_is_away_every_call_fails_at_once(web: Nginx) -> None:
    storage = Moved(HttpMover(web.url, timeout_s=0.5))
    await storage.lookup("/")
    web.freeze()
    with pytest.raises(errors.StorageAway, match="too slow"):
        await storage.lookup("/")
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(errors.StorageAway):
            await storage.lookup("/a")
    assert time.monotonic() - began < 0.5
    web.thaw()
    await until_async(lambda: storage.reach.reachable, "it recovers by itself")
    with pytest.raises(errors.NotFound):
        await storage.lookup("/a")
    await storage.close()


CONFIG = """\
storages:
  - name: far
    kind: {kind}
    options: {{url: "{url}", immutable: true}}
{cache}
volumes:
  - {{name: archive, policy: archive, storage: far}}
membership: membership.yaml
"""


def configured(folder: Path, kind: str, url: str, cache: str = "") -> Path:
    (folder / "membership.yaml").write_text("{}\n")
    file = folder / "volumes.yaml"
    file.write_text(CONFIG.format(kind=kind, url=url, cache=cache))
    return file


@pytest.mark.root
@pytest.mark.parametrize("kind", ["http", "gridftp"])
async def test_a_configuration_names_a_mover_as_it_names_a_storage(
    files: Path, tmp_path: Path, kind: str
) -> None:
    need_gridftp()
    need_nginx()
    pattern(files / "small", 1000)
    with (nginx if kind == "http" else gridftp_server)(files) as server:
        house = build(configured(tmp_path, kind, server.url))
        entry = await house.namespace.lookup("/archive/small")
        assert entry.immutable
        assert await house.namespace.read(entry, 16, 16) == b"%015d\n" % 16
        with pytest.raises(errors.ReadOnly):
            await house.namespace.create("/archive/new")
        server.stop()
        with pytest.raises(errors.StorageAway, match=r"^/archive/other cannot be reached now"):
            await house.namespace.lookup("/archive/other")
        await house.namespace.close()


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("http", "{url: 'ftp://x/'}", ":4: storages.0.options.url: "),
        ("http", "{url: 'http://x/', imutable: true}", "options.imutable: is not known here"),
        ("gridftp", "{url: 'gsiftp://x/'}", "needs 'ca' and 'certificate'"),
        ("gridftp", "{url: 'gsiftp://x/', ca: a, certificate: b}", "certificates of gsiftp://x/"),
        ("htp", "{}", ":2: storage far: There is no storage of kind 'htp'; choose one of gridftp"),
    ],
)
def test_what_is_wrong_in_a_configuration(
    tmp_path: Path, kind: str, options: str, told: str
) -> None:
    file = configured(tmp_path, kind, "x")
    text = file.read_text()
    file.write_text(text.replace('{url: "x", immutable: true}', options))
    with pytest.raises(errors.ConfigError) as error:
        build(file)
    assert told in str(error.value)


class TestSiteCache(ReadableConformance):
    """What a site's service keeps near of a far storage is a storage like another."""

    @pytest.fixture
    async def storage(self, web: Nginx, tmp_path: Path):
        lay_out(web.folder)
        cache = "    cache: {folder: near, limit_gb: 0.1, block_kib: 64}"
        house = build(configured(tmp_path, "http", web.url, cache))
        yield _inner(house.namespace)
        await house.namespace.close()

    async def test_another_version_is_stale(self, storage: Storage) -> None:
        """Of what is known to be immutable the cache keeps bytes by version, and asks for none."""
        entry = await storage.lookup("/greeting.txt")
        other = entry.model_copy(update={"version": "1-1", "mtime_ns": 10**9})
        with pytest.raises(errors.Stale):
            await storage.read(other, 0, 1)

    async def test_what_was_read_is_read_without_the_server(
        self, storage: SiteCache, web: Nginx
    ) -> None:
        entry: Entry = await storage.lookup("/greeting.txt")
        content = await storage.read(entry, 0, entry.size)
        web.kill()
        assert await storage.read(await storage.lookup("/greeting.txt"), 0, 99) == content
        with pytest.raises(errors.StorageAway):
            await storage.read(await storage.lookup("/many/a"), 0, 1)
        assert storage.reach.reachable, "what is near is not behind a closed door"
        assert storage.store.used_bytes >= len(content)
        web.start()
        source = storage._source
        assert isinstance(source, Moved)
        await until_async(lambda: source.reach.reachable, "it recovers by itself")
        entry = await storage.lookup("/many/a")
        assert await storage.read(entry, 0, 1) == b"1"


def _inner(namespace: object) -> SiteCache:
    storage = namespace._volumes["archive"][1]  # type: ignore[attr-defined]
    assert isinstance(storage, SiteCache)
    return storage


def test_a_cache_folder_belongs_to_one_service(web: Nginx, tmp_path: Path) -> None:
    file = configured(tmp_path, "http", web.url, "    cache: {folder: near, limit_gb: 0.1}")
    house = build(file)
    with pytest.raises(errors.ConfigError, match=r"volumes\.yaml:2: .*in use by process"):
        build(file)
    assert house.namespace.volumes
