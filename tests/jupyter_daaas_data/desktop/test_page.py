"""The page and its sentences, with a real server; nothing is offered that is not there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from examples.demo.stack import until
from jupyter_daaas_data.desktop import page

from ...support.messages import expected, says
from .running import ABSENT, Server, server

needs_desktop = pytest.mark.skipif(
    ABSENT is not None, reason=ABSENT.for_operator() if ABSENT else ""
)


def test_programs_missing() -> None:
    promised = expected("desktop", "programs missing")
    with server(path=str(Path(sys.executable).parent)) as running:
        status, text = running.get("desktop/")
        _, servers = running.get("server-proxy/servers-info")
        log = running.log()
    assert status == 503
    assert promised.user in text
    assert promised.operator in log
    assert json.loads(servers)["server_processes"] == []  # so the launcher shows no entry


def test_all_there(desktop: Server) -> None:
    status, text = desktop.get("desktop/")
    assert status == 200
    assert "viewer.js" in text
    assert "desktop/daaas/desktop.js" in text
    assert "desktop-notice" in desktop.get("desktop/daaas/desktop.js")[1]
    assert desktop.get("desktop/state") == (200, '{"problem": ""}')
    (offered,) = json.loads(desktop.get("server-proxy/servers-info")[1])["server_processes"]
    assert offered["launcher_entry"]["title"] == "Desktop"
    assert offered["launcher_entry"]["path_info"] == "desktop"


@pytest.mark.parametrize("path", ["desktop/", "desktop/state", "desktop/daaas/desktop.js"])
def test_a_stranger_gets_no_page(desktop: Server, path: str) -> None:
    status, text = desktop.get(path, token="")
    assert status == 403 or "<title>Jupyter Server</title>" in text  # its page for logging in


def test_the_page_gave_up_and_nobody_knows_why(desktop: Server) -> None:
    problem = json.loads(desktop.get("desktop/state?failed=1")[1])["problem"]
    assert says(expected("desktop", "X server does not start").user, problem)
    assert page.NO_REASON in problem


@needs_desktop
async def test_the_window_manager_does_not_start() -> None:
    promised = expected("desktop", "X server does not start")
    with server("--DesktopApp.window_manager=false") as running:
        stream = await running.open_desktop()
        for _ in until(20):
            problem = json.loads(running.get("desktop/state")[1])["problem"]
            if problem:
                break
        stream.close()
        log = running.log()
    assert says(promised.user, problem), problem
    assert "false ended at once with status 1" in problem
    assert any(says(f"…{promised.operator}", line) for line in log.splitlines())


@needs_desktop
def test_the_x_servers_own_reason(tmp_path: Path) -> None:
    log = tmp_path / "host:1.log"
    log.write_text("Fatal server error:\n(EE) of an earlier start\n\n")
    with log.open("ab") as output:
        argv = ["Xtigervnc", ":4711", "-rfbport", "-1", "-rfbunixpath", "/nowhere/socket"]
        subprocess.run(argv, stdout=output, stderr=output, timeout=20, check=False)
    reason = page.start_failure(tmp_path, time.time())
    assert reason.startswith("vncExtInit: unable to bind listening socket")
    assert page.start_failure(tmp_path, time.time() + 3600) == ""
    log.write_text(f"{log.read_text()}\nXvnc TigerVNC 1.12.0\nall is well now\n")
    assert page.start_failure(tmp_path, time.time()) == ""
    assert page.start_failure(tmp_path / "none", time.time()) == ""
