"""What went wrong at OpenStack, as one of the six errors of a cloud. Pure.

Who raises what is not obvious: errors of a service's answer are openstacksdk's,
errors of logging in and of the line are keystoneauth's, which calls every kind
of silence ``ConnectTimeout`` and every broken line ``ConnectFailure``. Only
what never reached the cloud is *unreachable* when something was to change.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import urllib3.exceptions
from keystoneauth1 import exceptions as ksa
from openstack import exceptions as exc

from ..base import (
    CloudError,
    NoCapacity,
    OutcomeUnknown,
    QuotaExceeded,
    Refused,
    Throttled,
    Unreachable,
)

RETRY_AFTER_S = 30.0
"""Where a throttled answer does not say how long to wait."""

_QUOTA = ("quota exceeded", "maximum number of ports exceeded", "quota for", "exceeds quota")
_NO_ADDRESS = ("no more ip addresses", "ip address generation failure")
_NO_SERVICE = (ksa.CatalogException, exc.EndpointNotFound, exc.ServiceDisabledException)
_NEVER_SENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)


def classify(error: Exception, *, cloud: str, doing: str, changes: bool) -> CloudError:
    """The error to raise for ``error``.

    Args:
        error: what openstacksdk raised.
        cloud: the cloud's name in the catalogue.
        doing: what was tried, as in "cannot list servers".
        changes: whether the request could have changed something.
    """
    if isinstance(error, CloudError):
        return error
    where = f"cloud {cloud}: cannot {doing}"
    if isinstance(error, ksa.SSLError):
        return Refused(
            f"{where}: its certificate is not trusted ({_line(error)}): set ca_file to the "
            f"certificates it is signed with"
        )
    if isinstance(error, ksa.ConnectionError):
        return _line_broke(error, where, changes=changes)
    if isinstance(error, exc.HttpException):
        return _answer(error, where, cloud=cloud, changes=changes)
    if isinstance(error, ksa.HttpError):
        return _login(error, where)
    if isinstance(error, ksa.DiscoveryFailure):
        return Refused(
            f"{where}: auth_url does not lead to a Keystone ({_line(error)}): correct it, "
            f"it usually ends in /v3"
        )
    if isinstance(error, _NO_SERVICE):
        return Refused(
            f"{where}: the account has no such service ({_line(error)}): correct the region, "
            f"or ask the cloud's administrators"
        )
    text = f"{where}: {_line(error)}"
    if changes:
        return OutcomeUnknown(f"{text}; it is looked up before it is tried again")
    return Refused(f"{text}: correct the cloud's options in the catalogue")


def never_sent(error: BaseException) -> bool:
    """Whether no connection came about, so that nothing can have been seen of the request."""
    return any(isinstance(cause, _NEVER_SENT) for cause in _causes(error))


def late(cloud: str, doing: str, after_s: float, *, changes: bool, began: bool) -> CloudError:
    """The error of a call that was given up after its deadline."""
    where = f"cloud {cloud}: cannot {doing}"
    if not began:
        return Unreachable(f"{where}: too many calls hang; trying again later")
    text = f"{where}: no answer within {after_s:g} s"
    if changes:
        return OutcomeUnknown(f"{text}; it is looked up before it is tried again")
    return Unreachable(f"{text}: see whether its services are well, or raise timeout_s")


def _line_broke(error: Exception, where: str, *, changes: bool) -> CloudError:
    if changes and not never_sent(error):
        return OutcomeUnknown(
            f"{where}: the connection broke before the answer ({_line(error)}); it is looked up "
            f"before it is tried again"
        )
    if never_sent(error):
        return Unreachable(
            f"{where}: no connection ({_line(error)}): correct the address, or see whether its "
            f"services run"
        )
    return Unreachable(f"{where}: the connection broke ({_line(error)}); trying again later")


def _login(error: ksa.HttpError, where: str) -> CloudError:
    """Keystone's answer to a login: keystoneauth raises these itself."""
    status, text = error.http_status or 0, _line(error)
    if status == 404 and "credential" not in text.lower():
        return Refused(
            f"{where}: auth_url does not lead to a Keystone ({text}): correct it, it usually "
            f"ends in /v3"
        )
    if status in (400, 401, 403, 404):
        return Refused(
            f"{where}: the credentials are refused ({text}): correct the account's entry in "
            f"clouds.yaml, or its credential_id and secret file"
        )
    if status in (413, 429):
        return Throttled(
            f"{where}: too many calls ({text}): give the account a higher rate, or wait",
            _retry_after(error),
        )
    return Unreachable(f"{where}: Keystone answers with an error ({text}); trying again later")


def _answer(error: exc.HttpException, where: str, *, cloud: str, changes: bool) -> CloudError:
    """A service's answer to a request."""
    status = error.status_code or 0
    text = _line(error)
    said = text.lower()
    if status in (403, 409, 413) and any(word in said for word in _QUOTA):
        return QuotaExceeded(
            f"cloud {cloud} is full: {text}: raise the project's quota, or lower the pools' maximum"
        )
    if status == 409 and any(word in said for word in _NO_ADDRESS):
        return NoCapacity(f"cloud {cloud} is full: {text}: give its network a larger subnet")
    if status in (413, 429):
        return Throttled(
            f"{where}: too many calls ({text}): give the account a higher rate, or wait",
            _retry_after(error),
        )
    if status == 401:
        return Refused(f"{where}: its token is refused ({text}): correct the account's credentials")
    if status == 403:
        return Refused(f"{where}: not allowed ({text}): give the account the role it needs")
    if status == 409:
        return Refused(f"{where}: it is in the way of something ({text}): see what holds it")
    if status == 503:
        return Unreachable(f"{where}: the service is not available ({text}); trying again later")
    if status >= 500:
        if changes:
            return OutcomeUnknown(
                f"{where}: an error of the cloud's own ({text}); it is looked up before it is "
                f"tried again"
            )
        return Unreachable(f"{where}: an error of the cloud's own ({text}); trying again later")
    return Refused(f"{where}: {text}: correct the cloud's options or the environment's image")


def _retry_after(error: Exception) -> float:
    """Seconds to wait, from the header (RFC 9110, 10.2.3): seconds or a date."""
    response = getattr(error, "response", None)
    value = response.headers.get("Retry-After", "") if response is not None else ""
    if value.strip().isdecimal():
        return float(value)
    try:
        wait_s = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return RETRY_AFTER_S
    return max(wait_s, 1.0)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all it came from: chained, or carried by requests and urllib3."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting += [each for each in inner if isinstance(each, BaseException)]


def _line(error: Exception) -> str:
    """What the cloud said, on one line, without the part that repeats the status and the URL."""
    text = str(getattr(error, "details", None) or error)
    if (cause := _root(error)) is not None:
        text = f"{text.partition(': HTTP')[0]}: {cause}"
    return " ".join(text.split()).rstrip(".")[:400]


def _root(error: Exception) -> str | None:
    """The operating system's word for a connection that did not come about."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror and type(cause).__module__ == "builtins":
            return cause.strerror
    return None
