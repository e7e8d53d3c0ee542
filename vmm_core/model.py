"""The nouns of the Virtual Machine Manager, one word per thing.

Everything here is an immutable pydantic model: the same classes check the
catalogue, the rows of the store, and every request and answer of the API.
Units are in the names: ``ram_gb`` is GiB, ``*_s`` is seconds, times are
timezone-aware UTC.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
"""An identifier a person types: lower case letters, digits, dots, hyphens, 63 at most."""

Nearness = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?(=(0?\.\d+|[01](\.0*)?))?$"),
]
"""A location and the share of some data's bytes that is there: ``ral=0.8``; ``ral`` is all."""


class Noun(BaseModel):
    """An immutable record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MachineState(StrEnum):
    """A machine's life: the original DAaaS words, in order, then the two beside it."""

    REQUESTED = "requested"  # a row exists, the cloud may or may not know
    BUILDING = "building"  # the cloud accepted it
    PROVISIONED = "provisioned"  # the cloud says it runs
    VACANT = "vacant"  # its agent says the user's protocol can answer
    ACQUIRED = "acquired"  # leased; it never goes back to vacant
    DELETING = "deleting"
    DELETED = "deleted"
    FAILED = "failed"  # will be deleted
    HELD = "held"  # kept for an operator to look at


class LeaseState(StrEnum):
    """A lease waits for a machine, holds one, or is over."""

    WAITING = "waiting"
    ACQUIRED = "acquired"
    RELEASED = "released"
    REFUSED = "refused"


class Size(Noun):
    """What a machine has."""

    name: str
    cpus: float = Field(gt=0)
    ram_gb: float = Field(gt=0)
    gpus: int = Field(default=0, ge=0)
    gpu_model: str | None = None


class Environment(Noun):
    """What a user picks: an image with its software, and who may use it."""

    name: Name
    title: str
    description: str = ""
    image: str = "default"
    software: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    preload: tuple[str, ...] = Field(
        default=(), description="Python modules the agent imports before anyone asks"
    )


class Location(Noun):
    """Where a cloud runs."""

    name: Name
    title: str


class CloudAccount(Noun):
    """A cloud: one account at one provider, at one location.

    ``kind`` names the entry point in ``vmm_core.clouds``; ``options`` are that
    provider's own, checked by its ``Options`` model.
    """

    name: Name
    kind: str
    location: Name
    options: dict[str, object] = Field(default_factory=dict)


class Pool(Noun):
    """Ready machines of one environment in one size at one cloud."""

    environment: Name
    cloud: Name
    size: str
    ready: int = Field(default=1, ge=0, description="machines kept vacant")
    maximum: int = Field(default=10, ge=0, description="machines of this pool at any time")
    paused: bool = Field(default=False, description="create nothing; leases go on")

    @property
    def name(self) -> str:
        """``environment@cloud/size``, unique in a catalogue."""
        return f"{self.environment}@{self.cloud}/{self.size}"


class Needs(Noun):
    """What a request must have, and at the end what it wishes. None and empty mean "any"."""

    environment: Name | None = None
    cpus: float = Field(default=0, ge=0, description="at least")
    ram_gb: float = Field(default=0, ge=0, description="at least, GiB")
    gpus: int = Field(default=0, ge=0, description="at least")
    gpu_model: str | None = None
    locations: tuple[Name, ...] = Field(
        default=(), description="one of these and no other, the best first"
    )
    prefer: tuple[Name, ...] = Field(
        default=(), description="locations that are rather taken than others, the best first"
    )
    near: tuple[Nearness, ...] = Field(
        default=(), description="where the data is that will be read: LOCATION=SHARE of its bytes"
    )

    def share_near(self, location: str) -> float:
        """The share of the request's data that is at ``location``, from 0 to 1."""
        return self.nearness.get(location, 0.0)

    @property
    def nearness(self) -> dict[str, float]:
        """``near`` as a mapping of locations to shares, the greatest first."""
        parts = [each.partition("=") for each in self.near]
        shares = {name: float(share) if share else 1.0 for name, _, share in parts}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))


class Machine(Noun):
    """One virtual machine, as the ledger knows it."""

    id: str
    pool: str
    cloud: str
    location: str
    environment: str
    size: Size
    state: MachineState
    fingerprint: str = Field(description="hash of what it was built from")
    cloud_id: str | None = Field(default=None, description="the provider's id, once known")
    address: str | None = None
    ports: dict[int, int] = Field(
        default_factory=dict, description="port on the machine -> port to dial at `address`"
    )
    root: str = Field(default="/", description="folder on the machine that stands for /")
    isolation: str = Field(default="", description="what separates it, in a few words")
    lease: str | None = None
    reason: str = Field(default="", description="why it is in this state, for people")
    holding: str = Field(
        default="", description="what of its user's is on it and nowhere else yet, for people"
    )
    created_at: datetime
    changed_at: datetime


class Candidate(Noun):
    """One pool as the allocation saw it, for the explanation."""

    pool: str
    location: str
    cloud: str = ""
    free: int
    removed_by: str = Field(default="", description="why it does not fit; empty if it fits")
    score: float | None = Field(default=None, description="penalty, lowest wins")


class Explanation(Noun):
    """Why a request got what it got."""

    summary: str
    elsewhere: str = Field(default="", description="why it is not where it would first have been")
    trouble: str = Field(default="", description="which places make no machines now")
    candidates: tuple[Candidate, ...] = ()


class Lease(Noun):
    """A user's hold on a machine."""

    id: str
    owner: str = Field(description="the user the machine is for")
    frontend: str = Field(description="who asked: the token's name")
    key: str = Field(description="idempotency key, unique per frontend and owner while it lasts")
    needs: Needs
    state: LeaseState
    machine: Machine | None = None
    explanation: Explanation
    created_at: datetime
    ended_at: datetime | None = None


class Offer(Noun):
    """An environment in one size at one place, with what is free now."""

    environment: Environment
    location: Location
    cloud: Name
    size: Size | None = Field(description="None: the place has not told it, ``reason`` says why")
    free: int = Field(description="vacant now")
    booting: int = Field(description="on their way")
    next_in_s: float | None = Field(description="estimate until the next is free; 0 if free now")
    available: bool = Field(description="False if a request would be refused")
    reason: str = Field(
        default="", description="for people: why not available, or why one would wait"
    )


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
    timeout_s: float = 10
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
    port: int = Field(description="where the program answers, on the machine")
    health_path: str = Field(description="HTTP path that answers below 500 when it is ready")
    timeout_s: float = 30


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


class LeaseEvent(Noun):
    """One step of a lease, as it happened. Sent on the event stream."""

    lease: str
    number: int = Field(description="counts from 0 within the lease; ask from here on")
    at: datetime
    stage: Literal["requested", "claimed", "waiting", "binding", "ready", "refused", "released"]
    percent: int = Field(ge=0, le=100)
    message: str
