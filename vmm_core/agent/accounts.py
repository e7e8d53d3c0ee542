"""The user's account on the machine.

As root the machine's own account files are edited, as ``useradd`` does, with
its lock, but in milliseconds and the same everywhere. As a normal user there
is one account, ours: it gets the user's name if the machine's ``/etc`` is ours
to write (a user namespace), else only the environment carries it.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FIRST_UID = 1000
NOBODY = 65534


class AccountError(Exception):
    """The account cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who the session's program runs as."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    ours: bool
    """It is the agent's own account, so nothing is to be changed to become it."""


def make_account(name: str, root: str) -> Account:
    """The account ``name``, made if it is not there, with a home of its own.

    Args:
        name: of the user, checked before.
        root: folder that stands for ``/``, ending in a slash.

    Raises:
        AccountError: the name is a system account's.
    """
    shell = "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"
    home = f"{root}home/{name}"
    ours = os.geteuid() != 0
    if ours:
        uid, gid = os.geteuid(), os.getegid()
        if root == "/" and os.access("/etc", os.W_OK):
            _put(Path("/etc/passwd"), f"{name}:x:{uid}:{gid}::{home}:{shell}", first=True)
    elif root != "/":
        raise AccountError("sessions would run as root here: run the agent as a normal user")
    else:
        uid, gid, home, shell = _edit(name, home, shell)
    _make_home(Path(home), uid, gid)
    return Account(name, uid, gid, home, shell, ours)


def _edit(name: str, home: str, shell: str) -> tuple[int, int, str, str]:
    with open("/etc/.pwd.lock", "w") as lock:  # noqa: PTH123 - the lock of lckpwdf(3)
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with suppress(KeyError):
            known = pwd.getpwnam(name)
            if known.pw_uid < FIRST_UID or known.pw_uid == NOBODY:
                raise AccountError(f"{name} is a system account: it cannot be a user's")
            return known.pw_uid, known.pw_gid, known.pw_dir, known.pw_shell or shell
        taken = _numbers("/etc/passwd") | _numbers("/etc/group")
        number = next(n for n in range(FIRST_UID, NOBODY) if n not in taken)
        _put(Path("/etc/group"), f"{name}:x:{number}:")
        _put(Path("/etc/shadow"), f"{name}:!*:19000:0:99999:7:::")
        _put(Path("/etc/passwd"), f"{name}:x:{number}:{number}::{home}:{shell}")
    return number, number, home, shell


def _numbers(file: str) -> set[int]:
    lines = Path(file).read_text(errors="surrogateescape").splitlines()
    fields = (line.split(":") for line in lines)
    return {int(f[2]) for f in fields if len(f) > 2 and f[2].isdigit()}


def _put(file: Path, line: str, *, first: bool = False) -> None:
    """Add a line to an account file, whole or not at all, keeping its mode and owner."""
    try:
        text = file.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return
    if text and not text.endswith("\n"):
        text += "\n"
    facts = file.stat()
    draft = file.with_name(f"{file.name}.vmm")
    draft.touch(mode=0o600)
    draft.write_text(f"{line}\n{text}" if first else f"{text}{line}\n", errors="surrogateescape")
    with suppress(PermissionError):  # owners outside of a user namespace cannot be repeated
        os.chown(draft, facts.st_uid, facts.st_gid)
    draft.chmod(stat.S_IMODE(facts.st_mode))
    draft.replace(file)


def _make_home(home: Path, uid: int, gid: int) -> None:
    if home.is_symlink():
        raise AccountError(f"the home {home} is a link: it cannot be a user's")
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        skeleton = Path("/etc/skel")
        if skeleton.is_dir():
            shutil.copytree(skeleton, home, symlinks=True)
        else:
            home.mkdir()
        for path in (home, *home.rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)
    home.chmod(0o700)
