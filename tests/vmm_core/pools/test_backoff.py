from __future__ import annotations

from datetime import timedelta

import pytest

from vmm_core.allocation.trouble import Trouble
from vmm_core.clouds.base import NoCapacity, QuotaExceeded, Refused, Throttled, Unreachable
from vmm_core.pools.backoff import after_cloud_error, after_failure
from vmm_core.pools.policy import Policy
from vmm_core.store.records import Backoff

from .test_plan import NOW

POLICY = Policy(backoff_first_s=5, backoff_most_s=60, failures_to_stop=6, quota_pause_s=100)


def fail(before: Backoff | None, now=NOW, fingerprint: str = "f") -> Backoff:
    return after_failure(
        before, pool="p", fingerprint=fingerprint, reason="r", now=now, policy=POLICY
    )


def refuse(before: Backoff | None, error) -> Backoff:
    return after_cloud_error(before, error, pool="p", fingerprint="f", now=NOW, policy=POLICY)


def test_pauses_double_up_to_a_most_and_then_the_pool_stops():
    pauses, now, backoff = [], NOW, None
    while backoff is None or backoff.until is not None:
        backoff = fail(backoff, now)
        if backoff.until:
            pauses.append((backoff.until - now).total_seconds())
            now = backoff.until
    assert pauses == [5, 10, 20, 40, 60]
    assert backoff.failures == 6
    assert "stopped after 6 failures" in backoff.reason
    assert fail(backoff, now + timedelta(days=1)) == backoff


def test_failures_within_a_pause_are_one_failure():
    first = fail(None)
    assert fail(first, NOW + timedelta(seconds=1)) == first


def test_what_is_built_from_something_else_starts_afresh():
    assert fail(Backoff("p", 8, None, "stopped", "other")).failures == 1


@pytest.mark.parametrize("error", [QuotaExceeded("q"), NoCapacity("q")])
def test_want_of_quota_or_room_is_no_failure(error):
    backoff = refuse(Backoff("p", 2, NOW, "r", "f"), error)
    assert (backoff.failures, backoff.until) == (2, NOW + timedelta(seconds=100))


def test_a_throttled_cloud_says_how_long():
    assert refuse(None, Throttled("slow", 7)).until == NOW + timedelta(seconds=7)


def test_a_refusal_stops_the_pool_and_an_unreachable_cloud_is_a_failure():
    assert refuse(None, Refused("bad credentials")).until is None
    assert refuse(None, Unreachable("away")) == Backoff(
        "p", 1, NOW + timedelta(seconds=5), "away", "f", Trouble.AWAY
    )
