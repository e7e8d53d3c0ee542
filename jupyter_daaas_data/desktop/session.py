"""What runs on the X server: ``daaas-desktop``, the start script that the proxy hands to it.

It starts a session bus, the window manager and, with icewm, the desktop's
shortcuts and a terminal in the user's home. When the user logs out of the
desktop a fresh one begins: the proxy starts an X server once in a notebook
server's life, and its end would leave nothing to open.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from . import files, places, programs

WINDOW_MANAGER_VARIABLE = "DAAAS_DESKTOP"
"""Command line of the window manager, as configured for the notebook server."""

FOLDER_VARIABLE = "DAAAS_DESKTOP_FOLDER"
"""Where the notebook server works: the folder that terminals start in."""

LEAST_S = 2.0
"""A window manager that ends sooner did not start: there is nothing to begin anew."""

SERVER_VARIABLE = "DAAAS_DESKTOP_SERVER"
"""Process id of the notebook server, whose end is the desktop's."""

_END_S = 3.0


def main() -> int:
    """Run sessions until the X server ends; 1 if the window manager does not start."""
    if "DBUS_SESSION_BUS_ADDRESS" not in os.environ and shutil.which("dbus-run-session"):
        os.execvp("dbus-run-session", ["dbus-run-session", "--", *sys.argv])  # noqa: S606
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _end)
    command = shlex.split(os.environ.get(WINDOW_MANAGER_VARIABLE) or programs.WINDOW_MANAGER)
    folder = Path(os.environ.get(FOLDER_VARIABLE) or Path.home())
    os.chdir(folder if folder.is_dir() else Path.home())
    if server := os.environ.get(SERVER_VARIABLE):
        threading.Thread(target=_end_with, args=(int(server),), daemon=True).start()
    companions = _prepare_icewm(folder) if Path(command[0]).name == "icewm" else []
    while True:
        begun = time.monotonic()
        status = _run(command, companions)
        if time.monotonic() - begun < LEAST_S:
            sys.stderr.write(f"desktop: {command[0]} ended at once with status {status}\n")
            return 1


def _prepare_icewm(folder: Path) -> list[list[str]]:
    """Lay out what icewm and its companions read; returns the companions' command lines."""
    home = Path.home()
    os.environ["XDG_CONFIG_DIRS"] = _first(files.CONFIG, "XDG_CONFIG_DIRS", "/etc/xdg")
    private = home / ".cache" / "daaas-desktop"
    files.write_types(private / "share")
    os.environ["XDG_DATA_DIRS"] = _first(
        private / "share", "XDG_DATA_DIRS", "/usr/local/share:/usr/share"
    )
    os.environ.setdefault("XENVIRONMENT", str(files.CONFIG / "Xresources"))
    os.environ.setdefault("GTK2_RC_FILES", str(files.CONFIG / "gtkrc"))
    shown = places.find_places(folder)
    own = home / ".config" / "icewm", home / ".icewm"
    if not any(one.is_dir() for one in own):  # else the user has chosen
        files.write_icewm(private / "icewm", shown, shutil.which)
        os.environ["ICEWM_PRIVCFG"] = str(private / "icewm")
    files.link_places(home / "Desktop", shown)
    files.bookmark_places(home, shown)
    shortcuts = ["pcmanfm", "--desktop", "--profile", "daaas"]
    wanted = [
        shortcuts if shutil.which("pcmanfm") else ["icewmbg"],  # either paints the background
        ["xterm", "-geometry", "96x20+330+30"],
    ]
    return [line for line in wanted if shutil.which(line[0])]


def _first(folder: Path, variable: str, default: str) -> str:
    return f"{folder}:{os.environ.get(variable) or default}"


def _run(command: list[str], companions: list[list[str]]) -> int:
    """One session: the window manager, and what is to end with it."""
    manager = subprocess.Popen(command)
    started = [subprocess.Popen(companion) for companion in companions]
    try:
        return manager.wait()
    finally:
        for process in (*started, manager):
            process.terminate()
        end = time.monotonic() + _END_S
        for process in (*started, manager):
            try:
                process.wait(max(0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _end_with(server: int) -> None:
    """End the X server, and so all that shows on it, once the notebook server has ended.

    The X server leaves the notebook server's process group, and outlives it when
    that is killed.
    """
    display = os.environ["DISPLAY"].partition(":")[2].partition(".")[0]
    with suppress(OSError, ValueError):
        x_server = os.pidfd_open(int(Path(f"/tmp/.X{display}-lock").read_text()))  # noqa: S108
        with suppress(ProcessLookupError):
            poll = select.poll()
            poll.register(os.pidfd_open(server), select.POLLIN)
            poll.poll()
        signal.pidfd_send_signal(x_server, signal.SIGTERM)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
