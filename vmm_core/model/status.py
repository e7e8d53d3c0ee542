"""The nouns of how things stand, for operators."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from .base import Noun
from .catalogue import Pool
from .machines import Machine, MachineState
from .people import Switch


class PoolStatus(Noun):
    """A pool, its machines by state, and why it creates none if it lacks some."""

    name: str
    pool: Pool | None = Field(description="None if the catalogue does not have it any more")
    location: str
    machines: dict[MachineState, int] = Field(description="how many, by state")
    floor: int | None = Field(
        default=None, description="how many should be vacant now; None: no plan was made yet"
    )
    standby: int = Field(default=0, description="how many should be suspended")
    suspended: int = Field(default=0, description="how many are")
    failures: int = Field(default=0, description="in a row")
    hold: str = Field(default="", description="why it creates none though it lacks some")
    hold_until: datetime | None = Field(default=None, description="if that is known")
    switch: Switch | None = Field(default=None, description="what an operator did to it")


class CloudStatus(Noun):
    """A cloud, what it has of ours, and how it is."""

    name: str
    kind: str
    location: str
    machines: dict[MachineState, int] = Field(description="how many, by state")
    most: dict[str, float] = Field(
        default_factory=dict, description="its limits, as far as it says them"
    )
    orphans: dict[str, int] = Field(
        default_factory=dict, description="what is there and in no ledger, by kind"
    )
    suspends: bool = Field(default=False, description="whether machines can be kept suspended")
    trouble: str = Field(default="", description="in the cloud's own words; empty: it answers")
    switch: Switch | None = Field(default=None, description="what an operator did to it")


class ReplicaStatus(Noun):
    """A process of the service."""

    id: str
    url: str = Field(description="at which the others reach it")
    started_at: datetime
    seen_at: datetime


class Status(Noun):
    """How the service stands."""

    version: str
    at: datetime
    replicas: tuple[ReplicaStatus, ...] = Field(description="the service's processes that run")
    clouds: tuple[CloudStatus, ...]
    pools: tuple[PoolStatus, ...]
    leased: int = Field(description="leases that hold a machine")
    waiting: int = Field(description="leases that wait for one")
    longest_wait_s: float = Field(default=0, description="of those")
    held: tuple[Machine, ...] = Field(
        default=(), description="kept for somebody to look at, or to take back"
    )
    step_age_s: float | None = Field(
        default=None, description="since the pool manager of the process that answers ended a step"
    )
