"""What runs on the desktop, who can reach it, and that nothing of it outlives its server."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

from examples.demo.stack import until
from jupyter_daaas_data.desktop import session
from vmm_core.processes import start_time

from .running import Server

HEX_LISTENS = "0A"
PARTS = {"Xtigervnc", "icewm", "xterm"}


def tcp_listeners(pids: set[int]) -> list[str]:
    """Rows of the kernel's tables of TCP sockets that these processes listen on."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    rows = [
        line
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return [row for row in rows if row.split()[3] == HEX_LISTENS and row.split()[9] in inodes]


def age_s(pid: int) -> float:
    """How long a process has been running."""
    started = start_time(pid)
    assert started is not None
    return float(Path("/proc/uptime").read_text().split()[0]) - started / os.sysconf("SC_CLK_TCK")


def is_private(desktop: Server, running: dict[str, set[int]]) -> None:
    """Nobody else on this host gets at it: no port, a private socket, a private cookie."""
    assert tcp_listeners(set().union(*running.values())) == []
    (socket,) = (desktop.home / "tmp").glob("jupyter-server-proxy-*/socket")
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((desktop.home / ".Xauthority").stat().st_mode) == 0o600


def shows_the_users_folder(desktop: Server, running: dict[str, set[int]]) -> None:
    """A shortcut leads there, and terminals start there."""
    (terminal,) = running["xterm"]
    assert Path(f"/proc/{terminal}/cwd").readlink() == desktop.home / "work"
    assert f"file://{desktop.home}/work" in (desktop.home / "Desktop/home.desktop").read_text()
    assert "Terminal" in (desktop.home / ".cache/daaas-desktop/icewm/menu").read_text()


async def test_from_the_first_picture_to_a_killed_server(desktop: Server) -> None:
    stream = await desktop.open_desktop()
    assert await stream.read_message() == b"RFB 003.008\n"
    for _ in until(20):
        running = desktop.processes()
        if running.keys() >= PARTS:
            break
    assert running.keys() >= PARTS
    is_private(desktop, running)
    shows_the_users_folder(desktop, running)

    # Logging out of the desktop begins a fresh one on the same X server.
    (manager,) = running["icewm"]
    for _ in until(20):
        if age_s(manager) > session.LEAST_S:  # one that ends sooner did not start
            break
    os.kill(manager, signal.SIGTERM)
    for _ in until(20):
        fresh = desktop.processes()
        if fresh.get("icewm", {manager}) != {manager} and fresh.keys() >= PARTS:
            break
    assert fresh["icewm"] != {manager}
    assert fresh["Xtigervnc"] == running["Xtigervnc"]

    desktop.process.kill()
    stream.close()
    assert desktop.wait_until_gone() == {}
