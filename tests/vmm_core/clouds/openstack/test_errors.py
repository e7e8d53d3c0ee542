"""Every answer that OpenStack was seen to give, as one of the six errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from keystoneauth1 import exceptions as ksa
from openstack import exceptions as exc

from vmm_core.clouds.base import (
    CloudError,
    NoCapacity,
    OutcomeUnknown,
    QuotaExceeded,
    Refused,
    Throttled,
    Unreachable,
)
from vmm_core.clouds.openstack.errors import classify, late

from .answers import login_error, service_error

MADE = "make a server"


def told(error: Exception, *, changes: bool = True) -> CloudError:
    return classify(error, cloud="ral", doing=MADE, changes=changes)


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (
            403,
            "Quota exceeded for cores: Requested 4, but already used 1 of 2 cores",
            QuotaExceeded,
        ),
        (403, "Quota exceeded for instances: Requested 1", QuotaExceeded),
        (403, "Maximum number of ports exceeded", QuotaExceeded),
        (409, "Quota exceeded for resources: ['port'].", QuotaExceeded),
        (413, "Quota exceeded for ram", QuotaExceeded),
        (409, "No more IP addresses available on network 1234.", NoCapacity),
        (403, "Policy doesn't allow os_compute_api:servers:create to be performed.", Refused),
        (400, "The requested availability zone is not available", Refused),
        (400, "Invalid key_name provided.", Refused),
        (401, "The request you have made requires authentication.", Refused),
        (404, "Flavor could not be found", Refused),
        (409, "Port 1234 is still in use.", Refused),
        (413, "Too many requests", Throttled),
        (429, "Too many requests", Throttled),
        (500, "Unexpected API Error.", OutcomeUnknown),
        (502, "Bad Gateway", OutcomeUnknown),
        (503, "Service Unavailable", Unreachable),
        (504, "Gateway Time-out", OutcomeUnknown),
    ],
)
def test_answers_of_a_service(status: int, said: str, expected: type[CloudError]) -> None:
    error = told(service_error(status, said))
    assert type(error) is expected
    assert said.rstrip(".") in str(error)
    assert "ral" in str(error)


def test_an_error_of_the_clouds_own_changed_nothing_where_nothing_could_change() -> None:
    assert type(told(service_error(500, "Oops"), changes=False)) is Unreachable


@pytest.mark.parametrize(
    ("status", "said", "expected", "remedy"),
    [
        (401, "The request you have made requires authentication.", Refused, "clouds.yaml"),
        (404, "Could not find Application Credential: 0815.", Refused, "clouds.yaml"),
        (404, "The resource could not be found.", Refused, "auth_url"),
        (503, "The service is not available.", Unreachable, "later"),
        (500, "An unexpected error.", Unreachable, "later"),
        (429, "Slow down.", Throttled, "too many calls"),
    ],
)
def test_answers_to_a_login(
    status: int, said: str, expected: type[CloudError], remedy: str
) -> None:
    error = told(login_error(status, said))
    assert type(error) is expected
    assert remedy in str(error)


@pytest.mark.parametrize(
    ("value", "least_s", "most_s"),
    [
        ("7", 7, 7),
        (None, 30, 30),
        ("soon", 30, 30),
        (timedelta(seconds=90), 60, 90),
        (timedelta(seconds=-90), 1, 1),
    ],
)
def test_how_long_to_wait_is_read_from_the_answer(
    value: str | timedelta | None, least_s: float, most_s: float
) -> None:
    if isinstance(value, timedelta):
        value = format_datetime(datetime.now(UTC) + value)
    headers = {"Retry-After": value} if value else {}
    error = told(service_error(429, "Too many requests", headers=headers))
    assert isinstance(error, Throttled)
    assert least_s <= error.retry_after_s <= most_s


def test_a_service_that_the_account_lacks() -> None:
    error = told(ksa.EndpointNotFound("compute endpoint in region Mars not found"), changes=False)
    assert type(error) is Refused
    assert "region" in str(error)


def test_what_is_not_known_is_looked_up_if_something_may_have_changed() -> None:
    odd = exc.SDKException("odd")
    assert type(told(odd)) is OutcomeUnknown
    assert type(told(odd, changes=False)) is Refused


def test_an_error_of_a_cloud_stays_itself() -> None:
    known = Refused("known")
    assert told(known) is known


def test_what_is_late() -> None:
    def after(*, changes: bool, began: bool) -> type[CloudError]:
        return type(late("ral", MADE, 12, changes=changes, began=began))

    assert after(changes=False, began=True) is Unreachable
    assert after(changes=True, began=True) is OutcomeUnknown
    assert after(changes=True, began=False) is Unreachable
