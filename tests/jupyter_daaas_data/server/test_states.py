"""Telling and steering the cache, and the events of it, over a real mount."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ..world import CYCLE, MIB, USER, World
from .conftest import Call, Event, Events

pytestmark = pytest.mark.mount


@pytest.fixture
async def events(events: Events) -> Events:
    """Once the mount is heard, so that no change is missed."""
    await events.until(lambda event: event["connected"])
    return events


def _state(event: Event, path: str) -> str | None:
    return next((row["state"] for row in event["statuses"] if row["path"] == path), None)


async def test_mount_tells_itself_and_the_root_folder(
    call: Call, world: World, jp_root_dir: Any
) -> None:
    code, mount = await call("GET", "mount")
    assert code == 200
    assert mount["mountpoint"] == str(world.mountpoint)
    assert mount["user"] == USER
    assert mount["reachable"] is True
    assert mount["root_dir"] == str(jp_root_dir)


async def test_prefetch_is_accepted_and_told_until_it_is_cached(call: Call, events: Events) -> None:
    path = f"/{CYCLE}/SANS2D00022043.nxs"
    code, transfer = await call("POST", "prefetch", body={"path": path})
    assert code == 202
    assert transfer["path"] == path
    await events.until(lambda event: _state(event, path) == "cached")
    _, status = await call("GET", "status", path=path)
    assert (status["state"], status["percent"], status["cached_bytes"]) == ("cached", 100, 2 * MIB)
    _, answer = await call("GET", "transfers")
    assert transfer["id"] in [known["id"] for known in answer["transfers"]]


async def test_transfers_end_in_an_event(call: Call, events: Events) -> None:
    path = f"/{CYCLE}/SANS2D00022044.nxs"
    _, transfer = await call("POST", "prefetch", body={"path": path})
    event = await events.until(
        lambda event: any(
            row["id"] == transfer["id"] and row["state"] == "done" for row in event["transfers"]
        )
    )
    assert event["mount"]["cache_bytes"] >= 2 * MIB, "how full the cache is goes along"


async def test_reading_through_the_mount_is_told(call: Call, events: Events, world: World) -> None:
    path = f"/{CYCLE}/SANS2D00033838_events.nxs"
    with (world.mountpoint / path[1:]).open("rb") as file:
        await asyncio.to_thread(file.read, 4096)
    await events.until(lambda event: _state(event, path) == "partial")
    _, status = await call("GET", "status", path=path)
    assert 0 < status["percent"] < 100


async def test_pin_unpin_and_free_space(call: Call, events: Events) -> None:
    path = f"/{CYCLE}/SANS2D00022045.nxs"
    code, status = await call("POST", "pin", body={"path": path})
    assert (code, status["state"]) == (200, "pinned")
    await events.until(lambda event: _state(event, path) == "pinned")
    code, status = await call("POST", "unpin", body={"path": path})
    assert code == 200
    assert status["state"] != "pinned"
    code, status = await call("POST", "evict", body={"path": path})
    assert (code, status["state"], status["cached_bytes"]) == (200, "remote", 0)


async def test_a_transfer_is_stopped(call: Call) -> None:
    path = f"/{CYCLE}/SANS2D00022046.nxs"
    _, transfer = await call("POST", "prefetch", body={"path": path})
    code, ended = await call("DELETE", f"transfers/{transfer['id']}")
    assert code == 200
    assert ended["state"] in ("cancelled", "done")
    code, _ = await call("DELETE", "transfers/0000")
    assert code == 404


@pytest.mark.parametrize("body", [None, {}, {"path": 3}, {"path": "/a", "more": 1}, "no"])
async def test_a_wrong_body_is_one_sentence(call: Call, body: object) -> None:
    code, answer = await call("POST", "pin", body=body)
    assert code == 400
    assert '{"path":' in answer["message"]


async def test_acting_on_nothing_is_one_sentence(call: Call) -> None:
    code, answer = await call("POST", "prefetch", body={"path": "/archive/nowhere.nxs"})
    assert code == 404
    assert "nowhere.nxs" in answer["message"]
