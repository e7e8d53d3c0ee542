"""The nouns of leases: what is asked for, got, and offered."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import Name, Noun
from .catalogue import Environment, Location
from .machines import Machine, Size


class LeaseState(StrEnum):
    """A lease waits for a machine, holds one, or is over."""

    WAITING = "waiting"
    ACQUIRED = "acquired"
    RELEASED = "released"
    REFUSED = "refused"


Nearness = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?(=(0?\.\d+|[01](\.0*)?))?$"),
]
"""A location and the share of some data's bytes that is there: ``ral=0.8``; ``ral`` is all."""


MOST = 1_000_000
"""More of anything is no machine. Beyond some size numbers cannot be reckoned with or stored."""

GpuModel = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{0,255}$")]
"""As a cloud names it."""


class Needs(Noun):
    """What a request must have, and at the end what it wishes. None and empty mean "any"."""

    environment: Name | None = None
    cpus: float = Field(default=0, ge=0, le=MOST, description="at least")
    ram_gb: float = Field(default=0, ge=0, le=MOST, description="at least, GiB")
    gpus: int = Field(default=0, ge=0, le=MOST, description="at least")
    gpu_model: GpuModel | None = None
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
    trouble: str = Field(
        default="", description="which places make no machines now, or which limit is reached"
    )
    held: str = Field(default="", description="the limit that keeps it waiting")
    candidates: tuple[Candidate, ...] = ()


class QueuePlace(Noun):
    """Where a lease stands that waits."""

    place: int = Field(ge=1, description="1 is next")
    estimate_s: float | None = Field(
        default=None, description="until it has a machine, as far as the past tells"
    )


class Lease(Noun):
    """A user's hold on a machine."""

    id: str
    owner: str = Field(description="the user the machine is for")
    frontend: str = Field(description="who asked: the token's name")
    key: str = Field(description="idempotency key, unique per frontend and owner while it lasts")
    needs: Needs
    group: str = Field(default="", description="the group of the owner's that it counts for")
    state: LeaseState
    machine: Machine | None = None
    queue: QueuePlace | None = Field(default=None, description="while it waits")
    reservation: str | None = Field(default=None, description="the reservation that it is part of")
    explanation: Explanation
    created_at: datetime
    ends_at: datetime | None = Field(default=None, description="None: when it is released")
    extensions: int = Field(default=0, ge=0, description="how often it was extended")
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
    free_at: int | None = Field(
        default=None, description="neither leased nor booked at the time that was asked for"
    )
    available: bool = Field(description="False if a request would be refused")
    reason: str = Field(
        default="", description="for people: why not available, or why one would wait"
    )


class LeaseEvent(Noun):
    """One step of a lease, as it happened. Sent on the event stream."""

    lease: str
    number: int = Field(description="counts from 0 within the lease; ask from here on")
    at: datetime
    stage: Literal[
        "requested",
        "claimed",
        "waiting",
        "binding",
        "ready",
        "warning",
        "extended",
        "refused",
        "released",
        "restored",
    ]
    percent: int = Field(ge=0, le=100)
    message: str
