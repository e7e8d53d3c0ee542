"""Widgets without a mount, and with a mount whose service is away."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import pytest

from jupyter_daaas_data import DataBrowser, TransferMonitor

from ...support.messages import expected, says
from ...support.waiting import until
from ..world import CYCLE, running


def test_wrong_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monitor = TransferMonitor(socket=tmp_path / "no.sock")
    until(lambda: monitor.away, "that the mount is away is said")
    row = expected("widgets", "wrong address")
    assert says(row.user, monitor.away)
    assert any(says(row.operator, said) for said in caplog.messages)
    monitor.close()
    monitor.close()


@pytest.mark.mount
def test_service_away_then_mount_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with running(tmp_path) as world:
        browser = DataBrowser("/archive", socket=world.socket)
        until(lambda: browser._view.get("complete"), "the folder is listed")
        os.kill(world.service_pid, signal.SIGTERM)
        until(
            lambda: b"State:\tZ" in Path(f"/proc/{world.service_pid}/status").read_bytes(),
            "the service has ended",
        )
        browser.path = f"/{CYCLE}"
        until(lambda: browser.error, "an error is said")
        row = expected("widgets", "service away")
        assert says(row.user, browser.error)
        assert browser.path == "/archive"
        until(lambda: browser.mount["reachable"] is False, "the service is known to be away")
        assert says(row.operator, browser.mount["reason"])
    until(lambda: browser.away, "that the mount is gone is said")
    row = expected("widgets", "mount gone")
    assert says(row.user, browser.away)
    assert any(says(row.operator, said) for said in caplog.messages)
    browser.close()
