"""Azure's errors in the words of the VMM, each with what an operator can do. Pure.

Classes of the SDK say little (every 409 is a ``ResourceExistsError``), so the
code in the answer decides, as documented for Azure Resource Manager and
Azure Compute. Where there is no answer, what decides is whether the request
can have been sent: aiohttp's error below the SDK's tells that.
"""

from __future__ import annotations

import email.utils
import math

import aiohttp
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
)

from ..base import (
    CloudError,
    NoCapacity,
    OutcomeUnknown,
    QuotaExceeded,
    Refused,
    Throttled,
    Unreachable,
)

PATIENCE_S = 60.0
"""How long to wait when Azure asks for patience and does not say for how long."""

BUSY_S = 10.0
"""How long to wait when another operation holds what is needed."""

_QUOTA = frozenset(
    {
        "QuotaExceeded",
        "ResourceQuotaExceeded",
        "PublicIPCountLimitReached",
        "NetworkInterfaceCountLimitReached",
        "ResourceGroupQuotaExceeded",
        "SubnetIsFull",
    }
)
_CAPACITY = frozenset(
    {
        "SkuNotAvailable",
        "AllocationFailed",
        "ZonalAllocationFailed",
        "OverconstrainedAllocationRequest",
        "OverconstrainedZonalAllocationRequest",
    }
)
_PATIENCE = frozenset({"TooManyRequests", "SubscriptionRequestsThrottled"})
_BUSY = frozenset({"AnotherOperationInProgress", "NicReservedForAnotherVm", "RetryableError"})
_REMEDY = {
    "AuthorizationFailed": "give the application the role of docs/clouds/azure.md",
    "LinkedAuthorizationFailed": "give the application the role also on the network and the image",
    "InvalidAuthenticationToken": "check tenant, client and secret",
    "ExpiredAuthenticationToken": "check this host's clock",
    "InvalidAuthenticationTokenTenant": "use the tenant of the subscription",
    "SubscriptionNotFound": "correct the subscription",
    "InvalidSubscriptionId": "correct the subscription",
    "ReadOnlyDisabledSubscription": "enable the subscription",
    "ResourceGroupNotFound": "make the resource group or correct its name",
    "MissingSubscriptionRegistration": "register the resource provider in the subscription",
    "PlatformImageNotFound": "correct the image in the catalogue",
    "GalleryImageNotFound": "correct the image in the catalogue",
    "ImageNotFound": "correct the image in the catalogue",
    "RequestDisallowedByPolicy": "ask who keeps the subscription's policies",
    "LocationNotAvailableForResourceType": "correct the region",
    "NoRegisteredProviderFound": "correct the region",
}


def told(error: AzureError, *, cloud: str, doing: str, writes: bool) -> CloudError:
    """The error to raise for what the SDK raised.

    Args:
        error: from the SDK, its transport or azure-identity.
        cloud: the account's name in the catalogue.
        doing: what was being done, as in ``make vmm-1``.
        writes: whether the request changes anything at Azure if it arrives.
    """
    said = f"cloud {cloud} cannot {doing}"
    if isinstance(error, HttpResponseError):
        return _answered(error, said, writes)
    why = _broken(error)
    if isinstance(error, ServiceRequestError) and never_sent(error):
        return Unreachable(
            f"{said}: no connection to Azure ({why}): check the endpoint, DNS, proxy and firewall"
        )
    if writes:
        return OutcomeUnknown(f"{said}: it was asked and did not answer ({why}): it is looked up")
    return Unreachable(f"{said}: Azure did not answer ({why}): it is asked again")


def not_azure(*, cloud: str, doing: str, writes: bool) -> CloudError:
    """The error to raise when something answered that is no answer of Azure's."""
    said = f"cloud {cloud} cannot {doing}: what answered is not Azure: check endpoint and proxy"
    return OutcomeUnknown(said) if writes else Unreachable(said)


def never_sent(error: ServiceRequestError) -> bool:
    """Whether no connection was made. The SDK says the same when one broke after sending."""
    if isinstance(error, ServiceRequestTimeoutError):
        return True  # while connecting
    cause = error.inner_exception
    return not isinstance(cause, aiohttp.ClientError) or isinstance(
        cause, aiohttp.ClientConnectorError | aiohttp.InvalidURL
    )


def reason(code: str, message: str) -> str:
    """Why Azure could not build a machine it had accepted, in one line."""
    return f"{_first_line(message) or 'Azure says no more'} ({code or 'no code'})"


def _answered(error: HttpResponseError, said: str, writes: bool) -> CloudError:
    status = error.status_code or 0
    code, message, details = _parts(error)
    what = f"{message} ({code})" if code else message
    if status == 429 or code in _PATIENCE or details & _PATIENCE:
        wait_s = _retry_after_s(error) or PATIENCE_S
        return Throttled(
            f"{said}: Azure asks for patience, {wait_s:g} s: {what}; fewer pools, or a "
            f"subscription of its own, would help",
            wait_s,
        )
    if code in _BUSY:
        return Throttled(f"{said} yet: {what}", _retry_after_s(error) or BUSY_S)
    if code in _CAPACITY:
        return NoCapacity(f"{said}: Azure has no room: {what}; try another size, zone or region")
    if code in _QUOTA or (code == "OperationNotAllowed" and "quota" in message.lower()):
        return QuotaExceeded(
            f"{said}: the subscription's quota is used up: {what}; "
            f"ask for more under Quotas in the portal, or lower the pools"
        )
    if isinstance(error, DecodeError) or status >= 500 or status == 408:
        what = what or f"HTTP {status}"
        if writes:
            return OutcomeUnknown(f"{said}: Azure failed: {what}: it is looked up")
        return Unreachable(f"{said}: Azure failed: {what}: it is asked again")
    if isinstance(error, ClientAuthenticationError) and not code:
        return Refused(f"{said}: the credentials do not work: {what}; correct them")
    if not code:
        return Refused(
            f"{said}: what answers does not speak for Azure (HTTP {status}): correct the endpoint"
        )
    return Refused(f"{said}: Azure refuses: {what}; {_REMEDY.get(code, 'correct the options')}")


def _parts(error: HttpResponseError) -> tuple[str, str, frozenset[str]]:
    """Code, message in one line, and the codes of the details."""
    inner = error.error
    if inner is None:
        return "", _first_line(error.message), frozenset()
    details = frozenset(str(each.code) for each in inner.details or () if each.code)
    message = inner.message if isinstance(inner.message, str) else error.message
    return str(inner.code or ""), _first_line(message), details


def _retry_after_s(error: HttpResponseError) -> float | None:
    """Seconds of the header ``Retry-After``: a number, or a time by Azure's own clock."""
    headers = getattr(error.response, "headers", {})  # the SDK's type does not declare them
    value = str(headers.get("Retry-After", ""))
    try:
        wait_s = float(value)
    except ValueError:
        try:
            now = email.utils.parsedate_to_datetime(str(headers.get("Date", "")))
            wait_s = (email.utils.parsedate_to_datetime(value) - now).total_seconds()
        except (TypeError, ValueError):
            return None
    return wait_s if math.isfinite(wait_s) and wait_s > 0 else None


def _broken(error: AzureError) -> str:
    """What broke below the SDK."""
    cause = error.inner_exception
    if isinstance(cause, aiohttp.ClientConnectorError):
        system = cause.os_error
        return f"{cause.host}:{cause.port}: {_first_line(system.strerror or str(system))}"
    return _first_line(str(error)) or type(cause or error).__name__


def _first_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[0].strip().rstrip(".")[:500] if lines else ""
