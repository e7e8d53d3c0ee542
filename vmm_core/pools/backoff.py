"""How long a pool pauses after something went wrong. Pure.

A failure is a machine that was made and is of no use, or a cloud that cannot
be used: pauses double, and after too many in a row the pool is stopped. Want
of quota or room is no failure: the pool pauses for a while and others serve.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..allocation.trouble import Trouble
from ..clouds.base import CloudError, NoCapacity, QuotaExceeded, Refused, Throttled, Unreachable
from ..store.records import Backoff
from .policy import Policy


def after_failure(
    before: Backoff | None,
    *,
    pool: str,
    fingerprint: str,
    reason: str,
    now: datetime,
    policy: Policy,
    trouble: Trouble = Trouble.FAILING,
) -> Backoff:
    """The backoff after a failure; one that falls into a running pause is the same failure."""
    known = before if before and before.fingerprint == fingerprint else None
    if known and (known.until is None or known.until > now):
        return known
    failures = (known.failures if known else 0) + 1
    if failures >= policy.failures_to_stop:
        stopped = f"stopped after {failures} failures, the last: {reason}"
        return Backoff(pool, failures, None, stopped, fingerprint, trouble)
    pause_s = min(policy.backoff_first_s * 2 ** (failures - 1), policy.backoff_most_s)
    until = now + timedelta(seconds=pause_s)
    return Backoff(pool, failures, until, reason, fingerprint, trouble)


def after_cloud_error(
    before: Backoff | None,
    error: CloudError,
    *,
    pool: str,
    fingerprint: str,
    now: datetime,
    policy: Policy,
) -> Backoff:
    """The backoff after a create that a cloud answered with ``error``."""
    failures = before.failures if before and before.fingerprint == fingerprint else 0
    reason = str(error)
    match error:
        case QuotaExceeded() | NoCapacity():
            until = now + timedelta(seconds=policy.quota_pause_s)
            return Backoff(pool, failures, until, reason, fingerprint, trouble_of(error))
        case Throttled():
            until = now + timedelta(seconds=error.retry_after_s)
            return Backoff(pool, failures, until, reason, fingerprint, Trouble.BUSY)
        case Refused():
            return Backoff(pool, failures + 1, None, reason, fingerprint, Trouble.REFUSED)
        case _:
            return after_failure(
                before,
                pool=pool,
                fingerprint=fingerprint,
                reason=reason,
                now=now,
                policy=policy,
                trouble=trouble_of(error),
            )


def trouble_of(error: Exception) -> Trouble:
    """What an error of a cloud is for users."""
    match error:
        case QuotaExceeded():
            return Trouble.FULL
        case NoCapacity():
            return Trouble.NO_ROOM
        case Throttled():
            return Trouble.BUSY
        case Refused():
            return Trouble.REFUSED
        case Unreachable() | TimeoutError():
            return Trouble.AWAY
        case _:
            return Trouble.FAILING
