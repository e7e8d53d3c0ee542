"""Each of Azure's errors comes out as the right one of ours, with a sentence for the operator."""

from __future__ import annotations

import datetime
import email.utils

import pytest

from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.base import (
    CloudError,
    CloudState,
    NoCapacity,
    OutcomeUnknown,
    QuotaExceeded,
    Refused,
    Throttled,
    Unreachable,
)

from .conftest import SMALL, OpenCloud, machine, promised
from .fake import LOGIN_PAGE, Error, FakeAzure

QUOTA = "Operation results in exceeding approved Total Regional Cores quota."


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Error(409, "OperationNotAllowed", QUOTA), QuotaExceeded),
        (Error(409, "QuotaExceeded", "Too many machines."), QuotaExceeded),
        (Error(400, "SubnetIsFull", "Subnet has not enough addresses."), QuotaExceeded),
        (Error(409, "SkuNotAvailable", "Not available in location."), NoCapacity),
        (Error(409, "AllocationFailed", "Not sufficient capacity."), NoCapacity),
        (Error(409, "ZonalAllocationFailed", "Not sufficient capacity."), NoCapacity),
        (Error(409, "OverconstrainedZonalAllocationRequest", "No capacity."), NoCapacity),
        (Error(409, "AnotherOperationInProgress", "Busy."), Throttled),
        (Error(429, "TooManyRequests", "Slower."), Throttled),
        (Error(409, "OperationNotAllowed", "The machine is marked for deletion."), Refused),
        (Error(409, "PropertyChangeNotAllowed", "Not allowed."), Refused),
        (Error(403, "AuthorizationFailed", "No action virtualMachines/write."), Refused),
        (Error(403, "RequestDisallowedByPolicy", "No."), Refused),
        (Error(400, "InvalidParameter", "Bad."), Refused),
        (Error(404, "PlatformImageNotFound", "No image."), Refused),
        (Error(500, "InternalServerError", "Oops."), OutcomeUnknown),
        (Error(503, "ServiceUnavailable", "Later."), OutcomeUnknown),
        (Error(504, "GatewayTimeout", "Late."), OutcomeUnknown),
    ],
)
async def test_a_create_is_told_by_its_code(
    azure: FakeAzure, cloud: AzureCloud, answer: Error, kind: type[CloudError]
) -> None:
    azure.fail("put machine", answer)
    with pytest.raises(kind) as caught:
        await cloud.create(machine())
    assert type(caught.value) is kind
    assert "lab" in str(caught.value)
    assert "vmm-1" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert azure.requests.count("put machine") == 1  # nobody below tries again
    assert await cloud.list_owned("vmm-a") == []


async def test_quota_of_cores(azure: FakeAzure, cloud: AzureCloud) -> None:
    azure.account.cores = 3
    await cloud.create(machine("vmm-1"))
    with pytest.raises(QuotaExceeded) as caught:
        await cloud.create(machine("vmm-2"))
    assert promised("full: quota", caught.value)
    assert [each.name for each in await cloud.list_owned("vmm-a")] == ["vmm-1"]


async def test_no_capacity(azure: FakeAzure, cloud: AzureCloud) -> None:
    azure.account.sizes[SMALL.name].capacity = 1
    await cloud.create(machine("vmm-1"))
    with pytest.raises(NoCapacity) as caught:
        await cloud.create(machine("vmm-2"))
    assert promised("full: no room at Azure", caught.value)


@pytest.mark.parametrize("zone", [None, "1"])
async def test_room_that_is_found_wanting_later(
    azure: FakeAzure, open_cloud: OpenCloud, zone: str | None
) -> None:
    azure.account.sizes[SMALL.name].allocation_fails = True
    cloud = open_cloud(zone=zone)
    assert (await cloud.create(machine())).state is CloudState.BUILDING
    for _ in range(azure.account.build_looks + 1):
        (seen,) = await cloud.list_owned("vmm-a")
    assert seen.state is CloudState.FAILED
    assert promised("full: found while building", Refused(seen.reason))
    assert ("(ZonalAllocationFailed" if zone else "(AllocationFailed") in seen.reason
    await cloud.delete(seen.id)
    assert await cloud.list_owned("vmm-a") == []


@pytest.mark.parametrize("form", ["seconds", "date", "nothing"])
async def test_throttled(azure: FakeAzure, cloud: AzureCloud, form: str) -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=17)
    after = {"seconds": "17", "date": email.utils.format_datetime(later, usegmt=True)}.get(form)
    azure.fail(
        "list machines",
        Error(429, "OperationNotAllowed", "Too many.", ("TooManyRequests",), retry_after=after),
    )
    with pytest.raises(Throttled) as caught:
        await cloud.list_owned("vmm-a")
    assert caught.value.retry_after_s == pytest.approx(17 if after else 60, abs=5)
    assert promised("slow: throttled", caught.value)
    assert await cloud.list_owned("vmm-a") == []


async def test_busy_with_quota_in_its_words_is_still_patience(
    azure: FakeAzure, cloud: AzureCloud
) -> None:
    azure.fail(
        "put machine",
        Error(429, "OperationNotAllowed", "The quota of requests.", ("TooManyRequests",)),
    )
    with pytest.raises(Throttled):
        await cloud.create(machine())


async def test_nobody_listens(azure: FakeAzure, open_cloud: OpenCloud) -> None:
    cloud = open_cloud(endpoint="https://127.0.0.1:9")
    await azure.stop()
    for call in (cloud.sizes, cloud.limits, lambda: cloud.list_owned("vmm-a")):
        with pytest.raises(Unreachable) as caught:
            await call()
    assert promised("wrong address", caught.value)


async def test_a_certificate_that_is_not_trusted(azure: FakeAzure, open_cloud: OpenCloud) -> None:
    with pytest.raises(Unreachable, match="no connection to Azure"):
        await open_cloud(ca_file=None).sizes()
    assert not azure.requests


async def test_a_region_that_is_not_there(open_cloud: OpenCloud) -> None:
    with pytest.raises(Refused, match="Azure refuses"):
        await open_cloud(region="ukwest").sizes()


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("list usages", Unreachable),
        ("list interfaces", Unreachable),
        ("list machines", Unreachable),
        ("put machine", OutcomeUnknown),
    ],
)
async def test_somebody_else_answers(
    azure: FakeAzure, cloud: AzureCloud, operation: str, kind: type[CloudError]
) -> None:
    async def use() -> None:
        await cloud.create(machine())
        await cloud.list_owned("vmm-a")

    azure.fail(operation, LOGIN_PAGE)
    with pytest.raises(kind, match=r"not Azure|cannot be read"):
        await use()


@pytest.mark.parametrize(
    ("situation", "options"),
    [
        ("gone", {"subscription": "11111111-1111-1111-1111-111111111111"}),
        ("gone: resource group", {"resource_group": "other"}),
    ],
)
async def test_gone(open_cloud: OpenCloud, situation: str, options: dict[str, str]) -> None:
    with pytest.raises(Refused) as caught:
        await open_cloud(**options).list_owned("vmm-a")
    assert promised(situation, caught.value)
