"""How long a pool pauses after something went wrong. Pure.

A failure is a machine that was made and is of no use, or a cloud that cannot
be used: pauses double, and after too many in a row the pool is stopped. Want
of quota or room is no failure: the pool pauses for a while and others serve.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..clouds.base import CloudError, NoCapacity, QuotaExceeded, Refused, Throttled
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
) -> Backoff:
    """The backoff after a failure; one that falls into a running pause is the same failure."""
    known = before if before and before.fingerprint == fingerprint else None
    if known and (known.until is None or known.until > now):
        return known
    failures = (known.failures if known else 0) + 1
    if failures >= policy.failures_to_stop:
        stopped = f"stopped after {failures} failures, the last: {reason}"
        return Backoff(pool, failures, None, stopped, fingerprint)
    pause_s = min(policy.backoff_first_s * 2 ** (failures - 1), policy.backoff_most_s)
    return Backoff(pool, failures, now + timedelta(seconds=pause_s), reason, fingerprint)


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
            return Backoff(pool, failures, until, reason, fingerprint)
        case Throttled():
            until = now + timedelta(seconds=error.retry_after_s)
            return Backoff(pool, failures, until, reason, fingerprint)
        case Refused():
            return Backoff(pool, failures + 1, None, reason, fingerprint)
        case _:
            return after_failure(
                before, pool=pool, fingerprint=fingerprint, reason=reason, now=now, policy=policy
            )
