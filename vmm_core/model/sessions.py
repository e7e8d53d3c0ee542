"""The nouns of sessions: what a machine is made when it is bound."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from .base import Name, Noun

LONGEST_S = 24 * 3600
"""A wait for anything of a session ends by then."""


class File(Noun):
    """A file the agent writes before it starts anything of a session."""

    path: str
    content: str
    mode: int = 0o600
    owner: Literal["root", "user"] = "root"


class Program(Noun):
    """Something to run on the machine.

    ``entry`` is ``module:function``, called in a process forked from the
    agent's pre-imported one, with ``argv`` as ``sys.argv``. None executes
    ``argv`` as a command instead.
    """

    argv: tuple[str, ...] = Field(min_length=1)
    entry: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None


HOLD_FOLDER = "run/vmm/hold"
"""Below a machine's root. A daemon that has a file there holds something of the user's that is
nowhere else yet: the file's text says what, and the machine is not deleted while it is there."""


class Daemon(Noun):
    """A program of root's that must be up before the session starts."""

    name: Name
    program: Program
    mountpoint: str | None = Field(default=None, description="up when something is mounted here")
    socket: str | None = Field(default=None, description="up when this Unix socket accepts")
    timeout_s: float = Field(default=10, ge=0, le=LONGEST_S)
    stop_s: float = Field(
        default=5, ge=0, le=60, description="to end in; longer while something is held"
    )


class Session(Noun):
    """What ``bind`` makes of a machine: an account, files, daemons, one program.

    Nothing here is stored: it passes through the service to the machine once,
    because it carries the user's tokens.
    """

    user: str = Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$", description="the account to make")
    files: tuple[File, ...] = ()
    daemons: tuple[Daemon, ...] = ()
    program: Program
    port: int = Field(ge=0, le=65535, description="where the program answers, on the machine")
    health_path: str = Field(description="HTTP path that answers below 500 when it is ready")
    timeout_s: float = Field(default=30, ge=0, le=LONGEST_S)


class Handover(Noun):
    """Where the user's protocol answers now. Neutral: any frontend can use it."""

    lease: str
    protocol: Literal["http"] = "http"
    address: str
    port: int
    expires_at: datetime | None = None

    @property
    def url(self) -> str:
        """``http://address:port``."""
        return f"{self.protocol}://{self.address}:{self.port}"
