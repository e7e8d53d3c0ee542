"""Hibernation and consoles at the fake Azure, beyond the contract of every cloud."""

from __future__ import annotations

import logging

import pytest

from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.base import (
    CONSOLE_BYTES,
    Abilities,
    CloudState,
    NoCapacity,
    OutcomeUnknown,
    Refused,
    Unreachable,
)

from .conftest import OpenCloud, machine
from .fake import LOST_ANSWER, LOST_REQUEST, Error, FakeAzure


@pytest.fixture
def able(open_cloud: OpenCloud) -> AzureCloud:
    """A cloud whose machines hibernate and keep their console."""
    return open_cloud(hibernate=True, boot_diagnostics=True)


async def becomes(cloud: AzureCloud, state: CloudState) -> None:
    for _ in range(10):
        (seen,) = await cloud.list_owned("vmm-a")
        if seen.state is state:
            return
    raise AssertionError(seen)


def test_abilities_are_what_the_options_say(open_cloud: OpenCloud) -> None:
    assert open_cloud().abilities == Abilities(suspend=False, console=False)
    assert open_cloud(hibernate=True).abilities == Abilities(suspend=True, console=False)
    assert open_cloud(boot_diagnostics=True).abilities == Abilities(suspend=False, console=True)


async def test_a_machine_is_made_able_to_hibernate_only_if_told(
    azure: FakeAzure, cloud: AzureCloud, able: AzureCloud
) -> None:
    await cloud.create(machine("vmm-1"))
    await able.create(machine("vmm-2"))
    plain, made = (azure.account.machines[name].asked["properties"] for name in ("vmm-1", "vmm-2"))
    assert not {"additionalCapabilities", "diagnosticsProfile"} & set(plain)
    assert made["additionalCapabilities"] == {"hibernationEnabled": True}
    assert made["diagnosticsProfile"] == {"bootDiagnostics": {"enabled": True}}


async def test_it_is_hibernated_and_not_just_switched_off(
    azure: FakeAzure, able: AzureCloud
) -> None:
    await able.create(machine())
    await becomes(able, CloudState.RUNNING)
    await able.suspend("vmm-1")
    (asked,) = [each for each in azure.exchanges if each.operation.name == "deallocate machine"]
    assert asked.query["hibernate"] == "true"
    await becomes(able, CloudState.SUSPENDED)
    azure.account.machines["vmm-1"].hibernated = False  # as somebody's own deallocation leaves it
    await becomes(able, CloudState.STOPPED)
    for verb in (able.suspend, able.resume):
        with pytest.raises(Refused, match="it is stopped: wait until it runs, or delete it"):
            await verb("vmm-1")


async def test_one_request_however_often_it_is_asked(azure: FakeAzure, able: AzureCloud) -> None:
    await able.create(machine())
    await becomes(able, CloudState.RUNNING)
    for _ in range(3):
        await able.suspend("vmm-1")
    await able.resume("vmm-1")  # waits until it is suspended
    for _ in range(3):
        await able.resume("vmm-1")
    await becomes(able, CloudState.RUNNING)
    assert azure.requests.count("deallocate machine") == 1
    assert azure.requests.count("start machine") == 1


async def test_a_machine_made_before_the_option_was_set_is_refused(
    azure: FakeAzure, cloud: AzureCloud, able: AzureCloud
) -> None:
    await cloud.create(machine())
    await becomes(able, CloudState.RUNNING)
    with pytest.raises(Refused, match="not enabled for hibernation"):
        await able.suspend("vmm-1")
    await becomes(able, CloudState.RUNNING)


async def test_no_room_to_resume_leaves_it_suspended(azure: FakeAzure, able: AzureCloud) -> None:
    await able.create(machine())
    await becomes(able, CloudState.RUNNING)
    await able.suspend("vmm-1")
    await becomes(able, CloudState.SUSPENDED)
    azure.fail("start machine", Error(409, "AllocationFailed", "Allocation failed."))
    with pytest.raises(NoCapacity):
        await able.resume("vmm-1")
    await becomes(able, CloudState.SUSPENDED)


@pytest.mark.parametrize(
    ("fault", "state"), [(LOST_REQUEST, CloudState.RUNNING), (LOST_ANSWER, CloudState.SUSPENDED)]
)
async def test_a_lost_answer_is_looked_up(
    azure: FakeAzure, able: AzureCloud, fault: str, state: CloudState
) -> None:
    await able.create(machine())
    await becomes(able, CloudState.RUNNING)
    azure.fail("deallocate machine", fault)
    with pytest.raises(OutcomeUnknown):
        await able.suspend("vmm-1")
    await becomes(able, state)
    await able.suspend("vmm-1")
    await becomes(able, CloudState.SUSPENDED)


async def test_one_that_is_at_something_for_too_long(
    azure: FakeAzure, open_cloud: OpenCloud
) -> None:
    cloud = open_cloud(hibernate=True, delete_timeout_s=0.2, poll_s=0.05)
    await cloud.create(machine())
    await becomes(cloud, CloudState.RUNNING)
    await cloud.suspend("vmm-1")
    azure.account.build_looks = 1_000_000
    with pytest.raises(OutcomeUnknown, match=r"is not done with what it is at after 0\.2 s"):
        await cloud.resume("vmm-1")


async def test_the_end_of_a_long_console_and_no_secret_in_the_log(
    azure: FakeAzure, able: AzureCloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await able.create(machine())
    assert await able.console("vmm-1") == ""  # nothing was written yet
    await becomes(able, CloudState.RUNNING)
    assert await able.console("vmm-1") == "vmm-1 login: "
    azure.account.machines["vmm-1"].console = b"line\n" * CONSOLE_BYTES + b"the last\n"
    text = await able.console("vmm-1")
    assert text.startswith("line\n")
    assert text.endswith("the last\n")
    assert CONSOLE_BYTES - 10 < len(text) <= CONSOLE_BYTES
    assert azure.signature not in caplog.text


async def test_a_console_that_may_not_be_read(
    azure: FakeAzure, able: AzureCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    await able.create(machine())
    monkeypatch.setattr(
        azure,
        "_diagnostics",
        lambda each: {"serialConsoleLogBlobUri": f"{azure.url}/console/{each.name}?sig=old"},
    )
    with pytest.raises(Unreachable, match="storage answers 403"):
        await able.console("vmm-1")
