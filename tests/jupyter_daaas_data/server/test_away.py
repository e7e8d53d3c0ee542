"""A mount that is not there, comes, and goes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..world import World, running
from .conftest import Call, Events


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    """Where a mount may come to be."""
    return tmp_path / "control.sock"


async def test_without_a_mount_every_answer_is_one_sentence(call: Call, socket: Path) -> None:
    for route in ("mount", "transfers", "contents/archive"):
        code, answer = await call("GET", route)
        assert code == 503
        assert str(socket) in answer["message"]
        assert "dms mount" in answer["message"]


@pytest.mark.mount
async def test_a_mount_is_noticed_when_it_comes(
    call: Call, events: Events, socket: Path, world: World
) -> None:
    await asyncio.to_thread(socket.symlink_to, world.socket)
    event = await events.until(lambda event: event["connected"])
    assert event["mount"]["mountpoint"] == str(world.mountpoint)
    code, _ = await call("GET", "mount")
    assert code == 200


class TestGoing:
    """With a mount of its own, to stop."""

    @pytest.fixture
    def own(self, tmp_path: Path) -> Iterator[World]:
        with running(tmp_path / "dms") as own:
            yield own

    @pytest.fixture
    def socket(self, own: World) -> Path:
        return own.socket

    @pytest.mark.mount
    async def test_a_mount_that_stops_is_told_with_the_remedy(
        self, call: Call, events: Events, own: World
    ) -> None:
        await events.until(lambda event: event["connected"])
        os.kill(own.mount_pid, signal.SIGTERM)
        event = await events.until(lambda event: not event["connected"])
        assert event["reason"]
        code, answer = await call("GET", "contents/")
        assert code == 503
        assert "dms mount" in answer["message"]
