"""The nouns of people around machines: bookings, members of a lease, and who did what."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from .base import Noun
from .leases import Needs


class Reservation(Noun):
    """Machines booked for a time: they are ready at its start, and nobody else gets them."""

    id: str
    owner: str = Field(description="who may use it, beside the members of its group")
    group: str = Field(default="", description="whose members may use it; empty: the owner only")
    frontend: str = Field(description="who asked: the token's name")
    key: str = Field(description="idempotency key, unique per frontend and owner")
    needs: Needs
    pool: str = Field(description="where the machines are, chosen when it was booked")
    machines: int = Field(ge=1, description="at any moment of it")
    used: int = Field(default=0, ge=0, description="of them that leases have now")
    ready_from: datetime = Field(description="from then on machines are made for it")
    starts_at: datetime
    ends_at: datetime = Field(description="its leases end then, too")
    created_at: datetime
    cancelled_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether leases can be had of it."""
        return self.cancelled_at is None and self.starts_at <= now < self.ends_at

    def is_for(self, owner: str, groups: Collection[str]) -> bool:
        """Whether a user in these groups may use it."""
        return owner == self.owner or (bool(self.group) and self.group in groups)


class Role(StrEnum):
    """What somebody may do on a lease that is not theirs."""

    MEMBER = "member"  # see it and enter
    SUPPORT = "support"  # the same, for as long as they are asked to help


class Member(Noun):
    """Somebody besides the owner who may enter a lease's machine."""

    lease: str
    user: str
    role: Role
    granted_by: str
    granted_at: datetime
    revoked_at: datetime | None = None


class AuditEntry(Noun):
    """One line of who did what to whose machine. Entries are never changed."""

    number: int = Field(description="counts up from 1; ask from here on")
    at: datetime
    actor: str = Field(description="the user or operator")
    frontend: str = Field(description="the token that it came by")
    action: str = Field(description="such as grant, revoke, enter, extend, release, pause")
    lease: str | None = None
    machine: str | None = None
    subject: str = Field(default="", description="whom or what it was done to")
    detail: str = ""


class Switch(Noun):
    """An operator's hand on a pool or a cloud. The catalogue's ``paused`` counts besides."""

    kind: str = Field(pattern="^(pool|cloud)$")
    name: str
    state: str = Field(
        pattern="^(paused|draining)$",
        description="paused: creates nothing; draining: serves nobody either, and is emptied",
    )
    by: str
    reason: str = ""
    since: datetime
