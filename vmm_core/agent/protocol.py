"""The words between a machine's agent and the VMM, over one WebSocket.

The agent dials ``<service>/vmm/api/v1/agent`` with ``Authorization: Bearer``
and either its one-time enrolment token (first time) or the reconnect token
that ``Welcome`` gave it. Every frame is one JSON object with a ``type``.
Liveness is WebSocket ping/pong, nothing of ours.

``Bind.signed`` is a JWT (EdDSA) of the service's key, whose public half is in
the user data, with claims ``machine``, ``lease``, ``exp`` and ``session`` (a
:class:`vmm_core.model.Session`): a machine obeys nobody else.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from ..model import Noun
from .access import SshAccess

_LONGEST = 4096


def _plain(text: str) -> str:
    """The text in one line without what is for terminals, or what no database takes."""
    if not text.isprintable():
        text = "".join(
            each if each.isprintable() else " " if each.isspace() else "\N{REPLACEMENT CHARACTER}"
            for each in text
        )
    return text[:_LONGEST]


Said = Annotated[str, AfterValidator(_plain)]
"""Words for people. Some are what a user's programs wrote: they go into the ledger, into logs
and to the terminals of operators."""


class UserData(Noun):
    """What a machine is given at creation, as JSON. Readable by its root only."""

    service: str = Field(description="URLs of the VMM, as dialled from the machine")
    machine: str
    enrolment_token: str = Field(description="works once")
    public_key: str = Field(description="PEM of the key that signs binds")
    preload: tuple[str, ...] = ()
    activity_s: float = Field(default=30, ge=0.1, description="between two reports of activity")
    ssh: SshAccess | None = Field(default=None, description="commands that are offered over SSH")


class Hello(Noun):
    """The agent's first frame."""

    type: Literal["hello"] = "hello"
    machine: str
    version: str
    root: Said = "/"
    isolation: Said = ""


class Ready(Noun):
    """Modules are imported: the machine can be bound within a fraction of a second."""

    type: Literal["ready"] = "ready"
    preload_s: float


class Failed(Noun):
    """The machine can never be ready: a module of its environment cannot be imported."""

    type: Literal["failed"] = "failed"
    reason: Said


class Progress(Noun):
    """A step of a bind, for the user's progress page."""

    type: Literal["progress"] = "progress"
    lease: str
    percent: int
    message: Said


class Bound(Noun):
    """The user's protocol answers on ``port``."""

    type: Literal["bound"] = "bound"
    lease: str
    port: int
    seconds: dict[str, float] = Field(default_factory=dict, description="time of each stage")


class BindError(Noun):
    """The bind failed and was undone; the machine is of no use any more."""

    type: Literal["bind-error"] = "bind-error"
    lease: str
    reason: Said


class Ended(Noun):
    """The session's program ended by itself."""

    type: Literal["ended"] = "ended"
    lease: str
    exit_status: int


class Holding(Noun):
    """Something of the lease's user is on this machine and nowhere else yet."""

    type: Literal["holding"] = "holding"
    lease: str
    reason: Said = Field(max_length=1000, description="what, for people; empty: nothing any more")


class Unbound(Noun):
    """The user's session ended; all of it is reaped but the daemons that hold something.

    Said again when those have ended, too.
    """

    type: Literal["unbound"] = "unbound"
    lease: str


class Activity(Noun):
    """How busy the machine is: what it sees itself, and never browser traffic.

    Since the last report. None: there is no such source on this machine.
    """

    type: Literal["activity"] = "activity"
    cpu_percent: float = Field(
        description="of one CPU, by what the user runs: not the agent, the session's own server, "
        "its daemons or an X server"
    )
    processes: int
    kernels_busy: int | None = Field(default=None, description="kernels that computed")
    gpu_percent: float | None = Field(default=None, description="of the busiest GPU")
    logins: int | None = Field(default=None, description="on terminals of the machine")
    input_idle_s: float | None = Field(
        default=None, description="since the last key or pointer, on a desktop or a terminal"
    )


class Person(Noun):
    """Somebody who was let in over SSH: ``name`` as it was said, ``account`` on the machine."""

    name: str = Field(pattern=r"^[^\s/\x00-\x1f\x7f]{1,255}$")
    account: str = Field(max_length=255)
    role: Literal["primary", "secondary"]


class People(Noun):
    """Everybody who is let in over SSH now; said at each change and after each welcome."""

    type: Literal["people"] = "people"
    people: tuple[Person, ...]


class Welcome(Noun):
    """The service knows the machine."""

    type: Literal["welcome"] = "welcome"
    reconnect_token: str


class Bind(Noun):
    """Make the machine a user's."""

    type: Literal["bind"] = "bind"
    signed: str


class Unbind(Noun):
    """End the session and reap everything of it."""

    type: Literal["unbind"] = "unbind"
    lease: str


FromAgent = Annotated[
    Hello
    | Ready
    | Failed
    | Progress
    | Bound
    | BindError
    | Ended
    | Holding
    | Unbound
    | Activity
    | People,
    Field(discriminator="type"),
]
ToAgent = Annotated[Welcome | Bind | Unbind, Field(discriminator="type")]

CLOSE_RESTART = 1012
"""Close code: the service restarts; dial again (RFC 6455's registry)."""
CLOSE_ERROR = 1011
"""Close code: something broke in the service; dial again."""
CLOSE_BAD_FRAME = 4400
"""Close code: no ``Hello`` in time, or a frame that is none."""
CLOSE_NOT_AUTHENTICATED = 4401
"""Close code: unknown machine, or wrong or spent token; dialling again cannot help."""
CLOSE_REPLACED = 4409
"""Close code: the same machine has connected again."""

from_agent: TypeAdapter[FromAgent] = TypeAdapter(FromAgent)
to_agent: TypeAdapter[ToAgent] = TypeAdapter(ToAgent)
