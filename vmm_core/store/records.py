"""What the store hands out beside the nouns. Plain records, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..allocation.trouble import Trouble
from ..model import Machine, Needs


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
class Binding:
    """What a bound lease was bound to."""

    session_sha256: str
    port: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A lease that waits for a machine."""

    lease: str
    needs: Needs
    since: datetime
    trouble: str = ""
    """What its explanation says of places in trouble."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """One state of the store: all that plans are made of."""

    now: datetime
    machines: tuple[Machine, ...]
    """All that are not deleted, oldest first."""
    waiting: tuple[Waiting, ...]
    """Oldest first."""
    backoffs: Mapping[str, Backoff]
