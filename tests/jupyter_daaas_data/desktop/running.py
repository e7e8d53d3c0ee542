"""A notebook server with the desktop's extension, as a process with a home of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tornado.websocket import WebSocketClientConnection, websocket_connect

from examples.demo.stack import free_ports, until
from jupyter_daaas_data.desktop.programs import missing

TOKEN = "of-this-test"
ABSENT = missing("icewm", shutil.which)
NAMES = {"Xtigervnc", "icewm", "pcmanfm", "xterm", "dbus-daemon", "dbus-run-sessio"}


@dataclass
class Server:
    """The server's process, its home and its address."""

    process: subprocess.Popen[bytes]
    home: Path
    port: int

    def get(self, path: str, token: str = TOKEN) -> tuple[int, str]:
        """Status and text of a page."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}", headers={"Authorization": f"token {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    async def open_desktop(self) -> WebSocketClientConnection:
        """What the desktop's page does: start it and get its stream."""
        url = f"ws://127.0.0.1:{self.port}/desktop-websockify/?token={TOKEN}"
        return await websocket_connect(url, connect_timeout=40)

    def log(self) -> str:
        """What the server printed."""
        return (self.home / "server.log").read_text()

    def processes(self) -> dict[str, set[int]]:
        """The desktop's processes of this home, by name."""
        found: dict[str, set[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"HOME={self.home}".encode() not in (folder / "environ").read_bytes().split(
                    b"\0"
                ):
                    continue
                name = (folder / "comm").read_text().strip()
            except OSError:
                continue
            if name in NAMES:
                found.setdefault(name, set()).add(int(folder.name))
        return found

    def wait_until_gone(self) -> dict[str, set[int]]:
        """Wait for the end of all of it; what is left is returned."""
        for _ in until(15):
            if not self.processes():
                break
        return self.processes()


@contextmanager
def server(*options: str, path: str | None = None) -> Iterator[Server]:
    """A running server that has only the desktop's extensions; stopped at the end.

    Its folder has a short name: a socket's path may have 107 bytes.
    """
    with TemporaryDirectory(prefix="desktop-") as folder:
        yield from _serve(Path(folder), options, path)


def _serve(home: Path, options: tuple[str, ...], path: str | None) -> Iterator[Server]:
    for name in ("work", "tmp"):
        (home / name).mkdir()
    (port,) = free_ports(1)
    extensions = ("jupyter_daaas_data.desktop", "jupyter_remote_desktop_proxy")
    wanted = dict.fromkeys((*extensions, "jupyter_server_proxy"), True)
    tools = Path(sys.executable).parent
    environment = {
        "HOME": str(home),
        "PATH": path or f"{tools}:{os.environ['PATH']}",
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_NO_CONFIG": "1",
        "JUPYTER_TOKEN": TOKEN,
        "LANG": "C.UTF-8",
        "TMPDIR": str(home / "tmp"),
    }
    argv = [
        *(str(tools / "jupyter-server"), "--no-browser", "--allow-root"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        f"--ServerApp.root_dir={home / 'work'}",
        f"--ServerApp.jpserver_extensions={wanted}",
        *options,
    ]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
    running = Server(process, home, port)
    try:
        for _ in until(40):
            try:
                if running.get("api")[0] == 200 or process.poll() is not None:
                    break
            except OSError:
                continue
        assert process.poll() is None, running.log()
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)
        left = running.wait_until_gone()
        for pid in set().union(*left.values()):
            os.kill(pid, signal.SIGKILL)
