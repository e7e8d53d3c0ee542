"""dms:// against a real service: looking, reading by ranges, and writing whole files."""

from __future__ import annotations

import asyncio
import errno
import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress

import fsspec
import pytest

from dms_core.fs import DmsFileSystem

from .conftest import Served

LONG = "/archive/long.raw"


@pytest.fixture
def folder(alice: DmsFileSystem) -> Iterator[str]:
    alice.mkdir("/home/alice/work")
    yield "/home/alice/work"
    alice.rm("/home/alice/work", recursive=True)


def test_a_url_opens_a_file(served: Served) -> None:
    url = f"dms://{served.host}{LONG}"
    with fsspec.open(url, "rb", token_file=str(served.token_file("alice"))) as file:
        assert file.read(100) == (served.folder / LONG[1:]).read_bytes()[:100]
        assert file.fs.unstrip_protocol(LONG) == url


def test_the_sessions_service_needs_no_host(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DMS_URL", served.url)
    monkeypatch.setenv("DMS_TOKEN_FILE", str(served.token_file("bob")))
    fs, path = fsspec.core.url_to_fs("dms:///home", skip_instance_cache=True)
    assert fs.ls(path, detail=False) == ["/home/bob"]
    fs.close()


def test_looking(alice: DmsFileSystem) -> None:
    assert alice.ls("/", detail=False) == ["/archive", "/home", "/rb"]
    assert alice.info("/archive")["type"] == "directory"
    found = alice.info(LONG)
    assert (found["type"], found["size"], found["name"]) == ("file", 9 << 20, LONG)
    assert alice.glob("/archive/**/run*.raw") == [f"/archive/cycle/run{one}.raw" for one in (1, 2)]
    assert alice.find("/archive/cycle") == alice.glob("/archive/cycle/*")
    walked = {path: files for path, _, files in alice.walk("/archive")}
    assert set(walked) == {"/archive", "/archive/cycle"}
    assert alice.du("/archive/cycle") == (3 << 20) + 10
    assert not alice.exists("/archive/nope")
    assert not alice.exists(f"{LONG}/below")
    assert alice.modified(LONG).year >= 2000


def test_links_lead_to_files_and_end_walks(alice: DmsFileSystem) -> None:
    assert alice.info("/archive/latest.raw")["size"] == 3 << 20
    assert alice.cat("/archive/latest.raw") == alice.cat("/archive/cycle/run1.raw")
    types = {one["name"]: one["type"] for one in alice.ls("/archive")}
    assert types["/archive/latest.raw"] == "file"
    assert types["/archive/last"] == "link"
    assert "/archive/last/run1.raw" in alice.ls("/archive/last", detail=False)


def test_ranges_are_as_slices(alice: DmsFileSystem, served: Served) -> None:
    data = (served.folder / LONG[1:]).read_bytes()
    assert alice.cat_file(LONG) == data
    for start, end in [(5, 10), (-10, None), (None, 3), (3, -5), (10, 5), (len(data), None)]:
        assert alice.cat_file(LONG, start, end) == data[start:end]
    starts, ends = [0, 1 << 20, 8 << 20], [10, (1 << 20) + 7, None]
    assert alice.cat_ranges([LONG] * 3, starts, ends) == [
        data[start:end] for start, end in zip(starts, ends, strict=True)
    ]
    good, bad = alice.cat_ranges([LONG, "/archive/nope"], 0, 4)
    assert good == data[:4]
    assert isinstance(bad, FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        alice.cat_ranges([LONG, "/archive/nope"], 0, 4, on_error="raise")


def test_a_file_is_read_in_any_order(alice: DmsFileSystem, served: Served) -> None:
    data = (served.folder / LONG[1:]).read_bytes()
    with alice.open(LONG) as file:
        file.seek(-5, 2)
        assert file.read() == data[-5:]
        file.seek((2 << 20) - 3)
        assert file.read(6) == data[(2 << 20) - 3 : (2 << 20) + 3]
        file.seek(0)
        assert file.read() == data
        assert file.cache.miss_count == 3  # blocks; the whole file went past them


def test_a_file_that_changes_is_no_mixture(alice: DmsFileSystem, folder: str) -> None:
    alice.pipe(f"{folder}/a", b"old" * (1 << 20))
    with alice.open(f"{folder}/a") as file:
        assert file.read(3) == b"old"
        alice.pipe(f"{folder}/a", b"new" * (1 << 20))
        file.seek(2 << 20)
        with pytest.raises(OSError, match="changed since it was looked up") as caught:
            file.read(3)
    assert caught.value.errno == errno.ESTALE


def test_what_is_written_appears_whole(alice: DmsFileSystem, folder: str) -> None:
    path = f"{folder}/big"
    with alice.open(path, "wb") as file:
        file.write(b"x" * (3 << 20))
        assert not alice.exists(path)
        file.write(b"end")
    assert alice.info(path)["size"] == (3 << 20) + 3
    with alice.open(path, "ab") as file:
        file.write(b"more")
    assert alice.cat_file(path, -7) == b"endmore"
    assert alice.ls(folder, detail=False) == [path]


def test_what_fails_leaves_nothing(alice: DmsFileSystem, folder: str) -> None:
    path = f"{folder}/kept"
    alice.pipe(path, b"before")
    with suppress(ZeroDivisionError), alice.open(path, "wb") as file:
        file.write(b"x" * (2 << 20))
        raise ZeroDivisionError
    assert alice.cat(path) == b"before"
    assert alice.ls(folder, detail=False) == [path]


def test_a_transaction_is_all_or_nothing(alice: DmsFileSystem, folder: str) -> None:
    with alice.transaction:
        with alice.open(f"{folder}/a", "wb") as file:
            file.write(b"a")
        assert not alice.exists(f"{folder}/a")
    assert alice.cat(f"{folder}/a") == b"a"


def test_moving_and_removing(alice: DmsFileSystem, folder: str) -> None:
    alice.pipe(f"{folder}/deep/er/file", b"data")
    alice.mv(f"{folder}/deep", f"{folder}/moved", recursive=True)
    assert alice.cat(f"{folder}/moved/er/file") == b"data"
    alice.mkdir(f"{folder}/into")
    alice.mv(f"{folder}/moved/er/file", f"{folder}/into/")
    assert alice.exists(f"{folder}/into/file")
    with pytest.raises(IsADirectoryError):
        alice.rm(f"{folder}/moved")
    with pytest.raises(OSError, match="not empty") as caught:
        alice.rmdir(f"{folder}/moved")
    assert caught.value.errno == errno.ENOTEMPTY
    alice.rmdir(f"{folder}/moved/er")
    alice.rm(f"{folder}/moved", recursive=True)
    assert not alice.exists(f"{folder}/moved")


def test_it_travels_to_other_processes(alice: DmsFileSystem) -> None:
    there = pickle.loads(pickle.dumps(alice))
    assert there.info(LONG)["size"] == 9 << 20


async def test_it_works_in_a_loop_of_its_own(
    fs_of: Callable[..., DmsFileSystem], served: Served
) -> None:
    fs = fsspec.filesystem(
        "dms",
        host=served.host,
        token_file=str(served.token_file("alice")),
        asynchronous=True,
        skip_instance_cache=True,
    )
    one, other = await asyncio.gather(fs._cat_file(LONG, 0, 4), fs._info(LONG))
    assert (len(one), other["size"]) == (4, 9 << 20)
    await (await fs.storage()).close()
