"""What the store hands out beside the nouns. Plain records, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..allocation.trouble import Trouble
from ..model import Machine, MachineState, Needs, Size, Switch


@dataclass(frozen=True, slots=True)
class Backoff:
    """Why a pool creates nothing for a while."""

    pool: str
    failures: int
    """In a row; refusals for want of quota are not failures."""
    until: datetime | None
    """None: until an operator resumes it, or its catalogue entry changes."""
    reason: str
    fingerprint: str
    """What the pool built when it failed; something else is worth a new try."""
    trouble: Trouble | None = None
    """The reason in a word, for what users are told."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something: a person, and the token that it came by."""

    name: str
    frontend: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A machine that is held after its lease, or was taken back after that."""

    machine: str
    lease: str
    settled: bool
    """No session of the lease runs on it."""
    holding: str
    """What of its user's is on it and nowhere else yet; empty: nothing."""
    awake: bool
    """Its agent answered since it was taken back."""
    ports: Mapping[int, int]
    """Port on the machine -> port to dial."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a lease is bound to, or is being bound to."""

    session_sha256: str
    port: int | None
    """Where the session answers; None until it does."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many requests came for a pool in an hour."""

    pool: str
    hour: datetime
    """Its beginning."""
    requests: int
    served: int
    """At once, from what was ready."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A change that is made only while a pool's lock is ours."""

    pool: str
    holder: str


@dataclass(frozen=True, slots=True)
class Replica:
    """A process of the service that runs."""

    id: str
    url: str
    """Where the others reach it."""
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A lease that waits for a machine."""

    lease: str
    needs: Needs
    since: datetime
    trouble: str = ""
    """What its explanation says of places in trouble."""
    held: str = ""
    """The limit that keeps it waiting, whatever is vacant; empty: none does."""
    groups: tuple[str, ...] = ()
    """Its owner's."""
    reservation: str | None = None
    """The booking that it is part of."""
    behind: bool = False
    """Whether its explanation says that others come before it."""
    summary: str = ""
    """What it was told that it waits for."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """One state of the store: all that plans are made of."""

    now: datetime
    machines: tuple[Machine, ...]
    """All that are not deleted, oldest first."""
    waiting: tuple[Waiting, ...]
    """Oldest first."""
    backoffs: Mapping[str, Backoff]


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A machine that is not deleted, as far as a step of the pool manager needs it.

    Its fields mean what they do in :class:`vmm_core.model.Machine`. There may be
    very many of these, and each step reads them all: they are cheap to make.
    """

    id: str
    pool: str
    cloud: str
    state: MachineState
    fingerprint: str
    size: Size
    created_at: datetime
    changed_at: datetime
    cloud_id: str | None = None
    address: str | None = None
    reason: str = ""
    holding: str = ""
    location: str = ""
    replica: str | None = None
    agent_lost_at: datetime | None = None
    kept_until: datetime | None = None
    vacant_at: datetime | None = None
    """When it first was vacant; one that is on its way and has been so is being resumed."""
    kept: bool = False
    """It failed, and is or was kept to be looked at."""


@dataclass(frozen=True, slots=True)
class Stock:
    """One state of the store: all that a step of the pool manager goes by."""

    now: datetime
    machines: tuple[MachineRow, ...]
    """All that are not deleted, oldest first."""
    waiting: tuple[Waiting, ...]
    """Oldest first."""
    backoffs: Mapping[str, Backoff]
    switches: tuple[Switch, ...]
