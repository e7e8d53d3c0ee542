"""What a machine offers over SSH, as the catalogue says it: pool-wide, nothing personal."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ..model import Daemon, Noun, Program
from ..model.sessions import LONGEST_S

TOKENS = "run/vmm/websockify/tokens"
"""Below a machine's root: which token leads to which ``host:port``, one a line."""

_KINDS = ("ssh-", "ecdsa-", "sk-")


def _keys(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not all(line.startswith(_KINDS) for line in lines):
        raise ValueError("it must be the one line of a file KEY.pub, without options before it")
    return "\n".join(lines)


AuthorizedKey = Annotated[str, AfterValidator(_keys)]
"""A public key as in ``KEY.pub``; several lines are several keys."""


class Desktop(Noun):
    """The desktop that the first person let in over SSH gets.

    ``program`` runs as that person's account, with its HOME and USER, and must
    serve VNC on ``port`` of 127.0.0.1; ``daemons`` are root's and start before it.
    """

    program: Program
    port: int = Field(default=5901, ge=1, le=65535, description="where VNC answers; tokens lead it")
    daemons: tuple[Daemon, ...] = Field(
        default=(), description="websockify, if the image does not start it"
    )
    timeout_s: float = Field(default=30, gt=0, le=LONGEST_S, description="VNC must answer by then")


class SshAccess(Noun):
    """An SSH endpoint that offers a few commands to one key, and nothing else."""

    user: str = Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$", description="the name to log in with")
    authorized_key: AuthorizedKey
    port: int = Field(default=22, ge=1, le=65535)
    desktop: Desktop
