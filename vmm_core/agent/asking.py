"""Short questions to other programs: X servers, the GPU's tool, the list of logins.

Each is a process of its own that ends within a bound, so that whatever hangs
there hangs alone.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from typing import Any

from .snapshot import Seen, display_of

ASK_S = 10.0
"""A program that has not answered by then is ended."""

_MOST = 1 << 26
_GPU = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")


class NoAnswerError(Exception):
    """A program is not there, failed or did not answer; the text says which."""


async def ask(
    command: tuple[str, ...],
    *,
    environment: dict[str, str] | None = None,
    uid: int | None = None,
    gid: int | None = None,
) -> bytes:
    """The output of a program.

    Args:
        command: program and arguments.
        environment: all that it sees; None: search path and language only.
        uid: whose right it has; None: ours.
        gid: its group; None: ours.

    Raises:
        NoAnswerError: there is no answer.
    """
    name = os.path.basename(command[0])  # noqa: PTH119 - of a command, not of a file
    path = os.environ.get("PATH", os.defpath)
    who: dict[str, Any] = {}
    if uid is not None and os.geteuid() == 0:
        who = {"user": uid, "group": gid, "extra_groups": []}
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": path, "LC_ALL": "C.UTF-8", **(environment or {})},
            cwd="/",
            **who,
        )
    except OSError as error:
        raise NoAnswerError(f"{name} cannot be started: {error.strerror}") from None
    try:
        async with asyncio.timeout(ASK_S):
            output, errors = await process.communicate()
    except TimeoutError:
        raise NoAnswerError(f"{name} did not answer within {ASK_S:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0 or len(output) > _MOST:
        said = errors.decode(errors="replace").strip()[-200:]
        raise NoAnswerError(said or f"{name} ended with status {process.returncode}")
    return output


async def ask_display(question: str, x_server: Seen) -> bytes:
    """What the desktop of an X server answers, asked as its own user.

    Raises:
        NoAnswerError: there is no answer.
    """
    display, authority = display_of(x_server)
    environment = {"DISPLAY": display, "XAUTHORITY": authority or "/dev/null"}
    for name in ("PYTHONPATH",):
        if name in os.environ:
            environment[name] = os.environ[name]
    command = (sys.executable, "-P", "-m", "vmm_core.agent.display", question)
    return await ask(command, environment=environment, uid=x_server.uid, gid=x_server.gid)


async def input_idle_s(x_server: Seen) -> float | None:
    """Seconds since the last key or pointer at a desktop; None if it does not say."""
    try:
        return int(await ask_display("idle", x_server)) / 1000
    except (NoAnswerError, ValueError):
        return None


async def gpu_percent() -> float | None:
    """How busy the busiest GPU is now; None without GPU or NVIDIA's tool."""
    if shutil.which("nvidia-smi") is None:
        return None
    try:
        return busiest((await ask(("nvidia-smi", *_GPU))).decode(errors="replace"))
    except NoAnswerError:
        return None


def busiest(said: str) -> float | None:
    """The highest figure of nvidia-smi's lines; None if no GPU tells (``[N/A]``)."""
    figures = [line.strip() for line in said.splitlines()]
    return max((float(one) for one in figures if one.isdigit()), default=None)


async def logins() -> int | None:
    """Logins on terminals; None if the machine keeps no list."""
    if shutil.which("who") is None:
        return None
    try:
        return on_terminals((await ask(("who",))).decode(errors="replace"))
    except NoAnswerError:
        return None


def on_terminals(said: str) -> int:
    """How many lines of ``who`` are of a terminal: a desktop has its own source."""
    lines = (line.split() for line in said.splitlines())
    return sum(len(words) > 1 and words[1].startswith(("pts/", "tty")) for words in lines)
