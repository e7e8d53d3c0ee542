"""The process between a machine and its supervisor: it makes the namespaces and stays.

It lives in the machine's user and network namespaces and on the host for the
rest. It makes sockets in the machine's network for the supervisor (whoever
is in the namespace can, and a normal user's supervisor could never enter
it), starts the machine's first process, and takes it along when the
supervisor dies. Words on the channel, one packet each: ``start`` and
``socket`` come in; ``listening``, ``socket``, ``init``, ``up``, ``failed`` and
``ended`` go out.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ... import linux
from . import init, network, rootfs
from .folder import Folder, Record

MEBIBYTE = 1 << 20
_DESCRIPTORS = 1 << 20
_PACKET = 1 << 16
_MOST_SOCKETS = 250  # of one packet, by the kernel


class Way(StrEnum):
    """How a machine is kept apart, best first."""

    NAMESPACES = "namespaces"
    USER_NAMESPACES = "user namespaces"
    PROCESS = "process"

    @property
    def text(self) -> str:
        """For people."""
        return "not isolated" if self is Way.PROCESS else self.value


@dataclass(frozen=True, slots=True)
class Helper:
    """The supervisor's view of this process."""

    pid: int
    channel: socket.socket


def start(folder: Folder, record: Record, log: int) -> Helper:
    """Fork the helper. Call it before anything makes threads or an event loop."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervisor = os.getpid()
    pid = os.fork()
    if pid:
        theirs.close()
        return Helper(pid, ours)
    status = 1
    try:
        linux.set_process_name("vmm-helper")
        os.dup2(log, 1)
        os.dup2(log, 2)
        theirs = _alone_with(theirs)
        status = _help(theirs, folder, record, supervisor)
    except BaseException as error:
        with suppress(OSError):
            say(theirs, {"word": "failed", "reason": _sentence(error)})
    finally:
        os._exit(status)


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One word with its sockets; an empty one at the end of the other side."""
    text, descriptors, _, _ = socket.recv_fds(channel, _PACKET, _MOST_SOCKETS)
    return (json.loads(text) if text else {}), list(descriptors)


def say(channel: socket.socket, word: dict[str, Any], sockets: Sequence[int] = ()) -> None:
    """Send one word, and sockets with it."""
    socket.send_fds(channel, [json.dumps(word).encode()], list(sockets))


def _help(channel: socket.socket, folder: Folder, record: Record, supervisor: int) -> int:
    way = Way(record.way)
    if way is Way.USER_NAMESPACES:
        _become_user_namespace()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of credentials clears it
    if os.getppid() != supervisor:
        return 1
    listening: list[socket.socket] = []
    if way is not Way.PROCESS:
        linux.unshare(linux.CLONE_NEWNET)
        network.loopback_up()
        wanted = [network.endpoint(text) for text in record.reach]
        network.hold(address for address, _ in wanted)
        listening = network.listeners(wanted)
    say(channel, {"word": "listening"}, [listener.fileno() for listener in listening])
    for listener in listening:
        listener.close()
    word, _ = receive(channel)
    if word.get("word") != "start":  # by then we are in our cgroups
        return 1
    first = _start_init(channel, folder, record, word["isolation"])
    say(channel, {"word": "init", "pid": first})
    return _serve(channel, first)


def _serve(channel: socket.socket, first: int) -> int:
    """Hand out sockets until the first process ended or the supervisor is gone."""
    handle = os.pidfd_open(first)
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(handle, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if handle in ready:
            _, status = os.waitpid(first, 0)
            say(channel, {"word": "ended", "status": os.waitstatus_to_exitcode(status)})
            return 0
        word, _ = receive(channel)
        if not word:
            return 0
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
            say(channel, {"word": "socket"}, [made.fileno()])


def _start_init(channel: socket.socket, folder: Folder, record: Record, isolation: str) -> int:
    alone = Way(record.way) is not Way.PROCESS
    if alone:
        linux.unshare(linux.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        linux.set_process_name("vmm-init")
        signal_at_end = signal.SIGKILL if alone else signal.SIGTERM
        linux.prctl(linux.PR_SET_PDEATHSIG, signal_at_end)
        root = _enter(folder, record) if alone else _plain_root(folder)
        command = (*record.command, *_agent_options(record, root, isolation))
        environment = {**record.environment, "HOME": f"{root}root"}
        say(channel, {"word": "up"})
        channel.close()
        os.closerange(3, _DESCRIPTORS)
        status = init.run(command, environment, alone=alone, grace_s=record.stop_timeout_s)
    except BaseException as error:
        with suppress(OSError):
            say(channel, {"word": "failed", "reason": _sentence(error)})
    finally:
        os._exit(status)


def _enter(folder: Folder, record: Record) -> str:
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
    name = record.name.replace("_", "-")[:63]
    socket.sethostname(name)
    rootfs.enter(
        folder.disk,
        name,
        show=record.show,
        hide=record.hide,
        devices=record.devices,
        memory_bytes=int(record.ram_gb * 1024) * MEBIBYTE,
    )
    if os.geteuid() == 0:
        init.limit_capabilities()
    return "/"


def _plain_root(folder: Folder) -> str:
    root = folder.disk / "root"
    for name in ("root", "home", "run", "tmp", "var/cache", "var/tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    os.chdir(root)
    return f"{root}/"


def _agent_options(record: Record, root: str, isolation: str) -> tuple[str, ...]:
    """Write the user data where only the machine's root reads it, and say where."""
    own = Path(root, "run", "vmm")
    own.mkdir(mode=0o700, exist_ok=True)
    data = own / "user-data.json"
    data.touch(mode=0o600)
    data.write_text(record.user_data)
    return ("--user-data", str(data), "--root", root, "--isolation", isolation)


def _become_user_namespace() -> None:
    """A user namespace in which we are ourselves, with every capability over what is ours."""
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        Path("/proc/self", name).write_text(text)


def _alone_with(channel: socket.socket) -> socket.socket:
    """Close every inherited descriptor but the standard ones and the channel."""
    os.dup2(channel.detach(), 3, inheritable=False)
    os.closerange(4, _DESCRIPTORS)
    return socket.socket(fileno=3)


def _sentence(error: BaseException) -> str:
    return str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
