"""Programs and daemons of test sessions, as ``module:function`` entries."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path


def web() -> None:
    """HTTP on ``argv[1]``: answers who and how it is. ``POST`` ends it with that status."""
    facts = {
        "argv": sys.argv,
        "env": dict(os.environ),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "cwd": str(Path.cwd()),
        "sid": os.getsid(0) == os.getpid(),
        "status": Path("/proc/self/status").read_text(),
        "main": sorted(vars(sys.modules["__main__"])),
        "file": Path(sys.argv[2]).read_text() if len(sys.argv) > 2 else None,
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 500)
            self.end_headers()
            self.wfile.write(json.dumps(facts).encode())

        def do_POST(self) -> None:
            os._exit(int(self.path[1:]))

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    sys.stdout.write("serving\n")
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


def web_that_leaves() -> None:
    """Like ``web``, once it has written what ``N`` says to ``work`` in its home."""
    Path.home().joinpath("work").write_text(os.environ["N"])
    web()


def web_with_desktop() -> None:
    """``PORT DISPLAY [key]``: like ``web``, with an X server whose picture changes all the time."""
    display, press = sys.argv[2], "key" in sys.argv
    authority = Path.home() / ".Xauthority"
    authority.touch(mode=0o600)
    add = ["xauth", "-f", str(authority), "add", display, ".", os.urandom(16).hex()]
    subprocess.run(add, check=True)
    line = ["Xtigervnc", display, "-auth", str(authority), "-SecurityTypes", "None"]
    subprocess.Popen([*line, "-localhost", "-rfbport", "5909", "-geometry", "320x200"])
    os.environ["XAUTHORITY"] = str(authority)
    code = (
        "import sys, time\n"
        "from Xlib import X, display\n"
        "from Xlib.ext import xtest\n"
        "end = time.monotonic() + 20\n"
        "while True:\n"
        "    try:\n"
        "        server = display.Display(sys.argv[1]); break\n"
        "    except Exception:\n"
        "        assert time.monotonic() < end; time.sleep(0.05)\n"
        "root = server.screen().root\n"
        "colours = [root.create_gc(foreground=one) for one in (0, 0xFFFFFF)]\n"
        "number = 0\n"
        "while True:\n"
        "    root.fill_rectangle(colours[number % 2], 0, 0, 99, 99); number += 1\n"
        "    if 'key' in sys.argv and number % 5 == 0:\n"
        "        xtest.fake_input(server, X.KeyPress, 38)\n"
        "        xtest.fake_input(server, X.KeyRelease, 38)\n"
        "    server.sync(); time.sleep(0.1)\n"
    )
    subprocess.Popen([sys.executable, "-c", code, display, *(["key"] if press else [])])
    del sys.argv[2:]
    web()


def login() -> None:
    """``USER``: on the list of logins, as sshd puts people there, until SIGTERM."""
    import ctypes
    import struct

    libc = ctypes.CDLL(None)
    Path("/run/utmp").touch()

    def write(kind: int) -> None:
        head = struct.pack("hxxi32s4s32s256s", kind, os.getpid(), b"pts/0", b"ts/0", b"alice", b"x")
        record = head + struct.pack("hhiii16s20x", 0, 0, 0, int(time.time()), 0, b"")
        libc.setutxent()
        libc.pututxline.restype = ctypes.c_void_p
        assert libc.pututxline(ctypes.create_string_buffer(record, 400))

    def end(*_: object) -> None:
        write(8)  # DEAD_PROCESS
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    write(7)  # USER_PROCESS
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("/run/login")
    listener.listen()
    threading.Event().wait()


def exits() -> int:
    """Ends before it answers."""
    sys.stderr.write("the disk is made of cheese?token=verysecret&x=1\n")
    return 7


def clinging_web() -> None:
    """Like ``web``, with children that ignore SIGTERM, one of them a daemon of its own."""
    code = "import signal,time;signal.signal(15,signal.SIG_IGN);time.sleep(1000)"
    for _ in range(2):
        subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True)
    subprocess.run(["sh", "-c", "setsid sleep 1000 &"], check=True)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    web()


def daemon() -> None:
    """``NAME DIARY SOCKET``: up after a moment; writes its start and its end to the diary."""
    name, diary, path = sys.argv[1:4]
    mountpoint = sys.argv[4] if len(sys.argv) > 4 else None

    def write(word: str) -> None:
        with Path(diary).open("a") as file:
            file.write(f"{name} {word}\n")

    def end(*_: object) -> None:
        if mountpoint:
            subprocess.run(["umount", mountpoint], check=True)
        write("ends")
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    if mountpoint:
        subprocess.run(["mount", "-t", "tmpfs", "none", mountpoint], check=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    write("is up")
    threading.Event().wait()


def holding_daemon() -> None:
    """``HOLD SOCKET SENT``: holds something until SENT is there, also after SIGTERM."""
    hold, path, sent = map(Path, sys.argv[1:4])
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    hold.write_text("a file of alice\n")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    while not sent.exists():  # made by the test, in another process
        time.sleep(0.05)
    hold.unlink()
    ending.wait()


def forever() -> None:
    """Never answers."""
    time.sleep(1000)


def fuse() -> None:
    """``MOUNTPOINT``: a FUSE filesystem with one file, ``hello``, for everybody."""
    os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")
    import mfusepy

    class Hello(mfusepy.Operations):
        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            if path == "/":
                return {"st_mode": 0o40755, "st_nlink": 2}
            return {"st_mode": 0o100644, "st_nlink": 1, "st_size": 5}

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", "hello"]

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return b"hello"[offset : offset + size]

    mfusepy.FUSE(Hello(), sys.argv[1], foreground=True, allow_other=True, nothreads=True)
