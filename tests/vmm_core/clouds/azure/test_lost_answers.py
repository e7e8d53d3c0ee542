"""Requests and answers that get lost: nothing is made twice, nothing is forgotten."""

from __future__ import annotations

import pytest

from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.base import OutcomeUnknown, Unreachable

from .conftest import OpenCloud, machine, promised
from .fake import LOGIN_PAGE, LOST_ANSWER, LOST_REQUEST, SILENCE, Error, FakeAzure


async def test_a_create_whose_request_or_answer_is_lost(
    azure: FakeAzure, cloud: AzureCloud
) -> None:
    await cloud.sizes()
    for fault, made in ((LOST_REQUEST, []), (LOST_ANSWER, ["vmm-1"])):
        azure.fail("put machine", fault)
        with pytest.raises(OutcomeUnknown) as caught:
            await cloud.create(machine())
        assert promised("slow: no answer", caught.value)
        assert [each.name for each in await cloud.list_owned("vmm-a")] == made
    again = await cloud.create(machine())
    assert again.name == "vmm-1"
    assert azure.account.made["vmm-1"] == 1


async def test_only_questions_are_sent_again_by_the_transport(
    azure: FakeAzure, cloud: AzureCloud
) -> None:
    """aiohttp would repeat a PUT, and tell of the second: refused, it hid what the first did."""
    await cloud.sizes()
    azure.fail("put machine", LOST_ANSWER, Error(429, "TooManyRequests", "Slower."))
    with pytest.raises(OutcomeUnknown):
        await cloud.create(machine())
    assert azure.requests.count("put machine") == 1
    azure.fail("list machines", LOST_ANSWER)
    assert [each.id for each in await cloud.list_owned("vmm-a")] == ["vmm-1"]


@pytest.mark.parametrize("fault", [LOGIN_PAGE, Error(429, "TooManyRequests", "Slower.")])
async def test_a_machine_that_is_there_and_cannot_be_looked_up(
    azure: FakeAzure, cloud: AzureCloud, fault: Error | str
) -> None:
    await cloud.create(machine())
    azure.fail("get machine", fault)
    with pytest.raises(OutcomeUnknown):
        await cloud.create(machine())


async def test_a_create_that_is_never_answered_ends(
    azure: FakeAzure, open_cloud: OpenCloud
) -> None:
    cloud = open_cloud(answer_timeout_s=0.3)
    await cloud.sizes()
    azure.fail("put machine", SILENCE)
    with pytest.raises(OutcomeUnknown) as caught:
        await cloud.create(machine())
    assert promised("slow: no answer", caught.value)
    assert (await cloud.create(machine())).name == "vmm-1"
    assert azure.account.made["vmm-1"] == 1


async def test_a_lost_answer_to_a_question_loses_nothing(
    azure: FakeAzure, cloud: AzureCloud
) -> None:
    azure.fail("list machines", LOST_ANSWER, LOST_ANSWER)
    with pytest.raises(Unreachable):
        await cloud.list_owned("vmm-a")
    assert await cloud.list_owned("vmm-a") == []


@pytest.mark.parametrize("fault", [LOST_REQUEST, LOST_ANSWER])
async def test_a_delete_without_an_answer_can_be_repeated(
    azure: FakeAzure, cloud: AzureCloud, fault: str
) -> None:
    made = await cloud.create(machine())
    azure.fail("delete machine", fault)
    with pytest.raises(OutcomeUnknown):
        await cloud.delete(made.id)
    await cloud.delete(made.id)
    assert await cloud.list_owned("vmm-a") == []
    assert not azure.account.machines
