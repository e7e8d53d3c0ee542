"""How long a lease lasts: when it ends, what an extension adds, when it is warned, when idle. Pure.

The first lifetime of the catalogue that fits a lease's group and environment
counts. What was decided when the machine was given (the end) stays; warnings,
extensions, idleness and the grace after the end go by the catalogue of now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..errors import Conflict
from ..model import Lifetime


@dataclass(frozen=True, slots=True)
class Term:
    """What is known of a lease that holds a machine."""

    lease: str
    machine: str
    group: str
    environment: str
    since: datetime
    """When it got the machine."""
    ends_at: datetime | None = None
    extensions: int = 0
    warned_at: datetime | None = None
    active_at: datetime | None = None
    """When its user was last seen at work; None: never."""

    @property
    def idle_since(self) -> datetime:
        """From when on nothing was seen of its user."""
        return max(self.since, self.active_at) if self.active_at else self.since


@dataclass(frozen=True, slots=True)
class Warn:
    """The lease ends soon: tell its user."""

    message: str


@dataclass(frozen=True, slots=True)
class End:
    """The lease is over."""

    message: str


def fitting(lifetimes: Sequence[Lifetime], group: str, environment: str) -> Lifetime | None:
    """The lifetime that counts for a lease of ``group`` on a machine of ``environment``."""
    for each in lifetimes:
        if each.groups and group not in each.groups:
            continue
        if not each.environments or environment in each.environments:
            return each
    return None


def ends_at(
    lifetimes: Sequence[Lifetime], group: str, environment: str, start: datetime
) -> datetime | None:
    """When a lease ends that gets its machine at ``start``; None: when it is released."""
    lifetime = fitting(lifetimes, group, environment)
    if lifetime is None or lifetime.hours is None:
        return None
    return start + timedelta(hours=lifetime.hours)


def kept_until(
    lifetimes: Sequence[Lifetime], group: str, environment: str, end: datetime
) -> datetime | None:
    """Until when a lease that ended at ``end`` can be taken back; None: it cannot."""
    lifetime = fitting(lifetimes, group, environment)
    if lifetime is None or not lifetime.undelete_hours:
        return None
    return end + timedelta(hours=lifetime.undelete_hours)


def extended(
    term: Term, lifetime: Lifetime | None, now: datetime, *, hours: float | None = None
) -> datetime:
    """When the lease ends after one more extension.

    Args:
        term: the lease.
        lifetime: what counts for it.
        now: the time.
        hours: an operator's, who is bound by no rule; None goes by the rule.

    Raises:
        Conflict: the rule allows none, or not yet; with when the lease ends.
    """
    if term.ends_at is None:
        raise Conflict(f"lease {term.lease} has no end: it lasts until it is released")
    if hours is not None:
        return max(term.ends_at, now) + timedelta(hours=hours)
    until = f"it ends at {clock(term.ends_at)}"
    if lifetime is None or not lifetime.extend_hours or not lifetime.extensions:
        raise Conflict(
            f"lease {term.lease} cannot be extended and {until}: "
            "save your work, or ask an operator to extend it"
        )
    if term.extensions >= lifetime.extensions:
        times = "once" if lifetime.extensions == 1 else f"{lifetime.extensions} times"
        raise Conflict(
            f"lease {term.lease} was extended {times}, which is the most, and {until}: "
            "save your work, or ask an operator to extend it"
        )
    ahead = timedelta(hours=lifetime.hours or lifetime.extend_hours)
    if term.ends_at - now > ahead:
        raise Conflict(
            f"lease {term.lease} was extended already and {until}: "
            f"extend it again after {clock(term.ends_at - ahead)}"
        )
    return term.ends_at + timedelta(hours=lifetime.extend_hours)


def restored(
    term: Term, lifetime: Lifetime | None, now: datetime, *, operator: bool
) -> datetime | None:
    """When a lease ends that is taken back now.

    One that had time left has it still. One whose time was over gets an extension if
    there is one left; else once the time of a warning, to save what is there. Either
    counts as an extension.

    Raises:
        Conflict: its time is over and it was taken back after that before.
    """
    if term.ends_at is None or term.ends_at - now > timedelta(minutes=5):
        return term.ends_at
    left = lifetime.extensions - term.extensions if lifetime else 0
    if lifetime and left > 0 and lifetime.extend_hours:
        return now + timedelta(hours=lifetime.extend_hours)
    if left < 0 and not operator:
        raise Conflict(
            f"the time of lease {term.lease} is over and it was taken back after that before: "
            "ask an operator to restore it, or acquire again"
        )
    return now + timedelta(hours=_notice_hours(lifetime))


def judge(
    term: Term, lifetime: Lifetime | None, now: datetime, *, quiet: bool = False
) -> Warn | End | None:
    """What is due for a lease: its end, a warning, or nothing.

    Args:
        term: the lease.
        lifetime: what counts for it.
        now: the time.
        quiet: whether its machine's agent says just now that nothing is in use. What
            nobody says is not so: idleness is decided on such a report only.
    """
    if term.ends_at is not None and now >= term.ends_at:
        return End(f"its time was over at {clock(term.ends_at)}")
    idle = _idle(term, lifetime, now) if quiet else None
    if idle is not None:
        return idle
    notice = timedelta(hours=lifetime.warn_hours if lifetime else 0)
    if term.ends_at is None or not notice or now < term.ends_at - notice:
        return None
    if term.warned_at is not None and term.warned_at >= term.ends_at - notice:
        return None
    return Warn(f"this machine is yours until {clock(term.ends_at)}: {_remedy(term, lifetime)}")


def notice_hours(lifetimes: Sequence[Lifetime]) -> float:
    """The longest notice that any lifetime gives of its end, in hours."""
    return max((each.warn_hours for each in lifetimes), default=0)


def clock(at: datetime) -> str:
    """A time as people read it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _idle(term: Term, lifetime: Lifetime | None, now: datetime) -> Warn | End | None:
    if lifetime is None or lifetime.idle_hours is None:
        return None
    notice = timedelta(hours=min(lifetime.warn_hours, lifetime.idle_hours / 2))
    since = term.idle_since
    warned = term.warned_at if term.warned_at and term.warned_at > since else None
    end = since + timedelta(hours=lifetime.idle_hours)
    if now < end - notice:
        return None
    if warned is None or warned < end - notice:
        at = max(end, now + notice)
        if term.ends_at is not None and at >= term.ends_at:
            return None  # its time is over before that
        return Warn(
            f"nothing was in use on this machine since {clock(since)}: it is taken back at "
            f"{clock(at)} unless something is used by then{_latest(term, lifetime, now)}"
        )
    if now >= max(end, warned + notice):
        return End(f"nothing was in use on its machine since {clock(since)}")
    return None


def _latest(term: Term, lifetime: Lifetime, now: datetime) -> str:
    """The other warning, if it is due as well: one word counts for both."""
    if term.ends_at is None or now < term.ends_at - timedelta(hours=lifetime.warn_hours):
        return ""
    return f", and at {clock(term.ends_at)} in any case: {_remedy(term, lifetime)}"


def _remedy(term: Term, lifetime: Lifetime | None) -> str:
    if lifetime and lifetime.extend_hours and term.extensions < lifetime.extensions:
        return f"extend it by {lifetime.extend_hours:g} h, or save your work by then"
    back = ""
    if lifetime and lifetime.undelete_hours:
        back = f"; it can be taken back for {lifetime.undelete_hours:g} h after that"
    return f"save your work by then{back}"


def _notice_hours(lifetime: Lifetime | None) -> float:
    return max(lifetime.warn_hours if lifetime else 0, 1)
