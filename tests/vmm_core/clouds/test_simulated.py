from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmm_core.clouds.base import (
    CloudState,
    MachineSpec,
    NoCapacity,
    OutcomeUnknown,
    QuotaExceeded,
    Refused,
    Throttled,
    Unreachable,
)
from vmm_core.clouds.conformance import CloudConformance
from vmm_core.clouds.simulated import SimulatedCloud, SimulatedOptions


class TestInMemory(CloudConformance):
    @pytest.fixture
    def cloud(self) -> SimulatedCloud:
        return SimulatedCloud("test", SimulatedOptions())


class TestOnDisk(CloudConformance):
    @pytest.fixture
    def options(self, tmp_path: Path) -> SimulatedOptions:
        return SimulatedOptions(state_file=tmp_path / "cloud.json")

    @pytest.fixture
    def cloud(self, options: SimulatedOptions) -> SimulatedCloud:
        return SimulatedCloud("test", options)

    @pytest.fixture
    def reopen(self, options: SimulatedOptions) -> Callable[[], SimulatedCloud]:
        return lambda: SimulatedCloud("test", options)


def _spec(cloud: SimulatedCloud, name: str = "a") -> MachineSpec:
    return MachineSpec(
        name=name,
        owner="me",
        image="default",
        size=cloud.options.sizes[0].fact().size,
        user_data="{}",
        ports=(8888,),
    )


@pytest.mark.parametrize(
    ("fault", "error", "made"),
    [
        ("quota", QuotaExceeded, 0),
        ("no-capacity", NoCapacity, 0),
        ("throttled", Throttled, 0),
        ("refused", Refused, 0),
        ("unreachable", Unreachable, 0),
        ("lost-request", OutcomeUnknown, 0),
        ("lost-answer", OutcomeUnknown, 1),
    ],
)
async def test_each_named_fault_of_create_happens_once(fault, error, made):
    cloud = SimulatedCloud("test", SimulatedOptions())
    cloud.inject(fault)
    with pytest.raises(error, match=fault):
        await cloud.create(_spec(cloud))
    assert len(await cloud.list_owned("me")) == made
    await cloud.create(_spec(cloud))
    assert len(await cloud.list_owned("me")) == 1


async def test_a_machine_runs_when_its_boot_time_has_passed():
    now = [100.0]
    cloud = SimulatedCloud("test", SimulatedOptions(boot_s=30), clock=lambda: now[0])
    assert (await cloud.create(_spec(cloud))).state is CloudState.BUILDING
    now[0] += 29
    assert (await cloud.list_owned("me"))[0].state is CloudState.BUILDING
    now[0] += 1
    assert (await cloud.list_owned("me"))[0].state is CloudState.RUNNING


@pytest.mark.parametrize(
    ("fault", "state"), [("never-boots", CloudState.BUILDING), ("boot-fails", CloudState.FAILED)]
)
async def test_a_boot_that_goes_wrong(fault, state):
    cloud = SimulatedCloud("test", SimulatedOptions())
    cloud.inject(fault)
    await cloud.create(_spec(cloud))
    assert (await cloud.list_owned("me"))[0].state is state


async def test_quotas_count_machines_and_cpus():
    cloud = SimulatedCloud("test", SimulatedOptions(max_machines=1))
    await cloud.create(_spec(cloud))
    with pytest.raises(QuotaExceeded, match="1 machine"):
        await cloud.create(_spec(cloud, "b"))
    cloud = SimulatedCloud("test", SimulatedOptions(max_cpus=3))
    await cloud.create(_spec(cloud))
    with pytest.raises(QuotaExceeded, match="3 CPUs"):
        await cloud.create(_spec(cloud, "b"))


async def test_faults_of_list_and_delete():
    cloud = SimulatedCloud("test", SimulatedOptions())
    made = await cloud.create(_spec(cloud))
    cloud.inject("list-unreachable")
    with pytest.raises(Unreachable):
        await cloud.list_owned("me")
    cloud.inject("delete-unreachable")
    with pytest.raises(Unreachable):
        await cloud.delete(made.id)
    assert await cloud.list_owned("me")
    cloud.inject("delete-lost-answer")
    with pytest.raises(OutcomeUnknown):
        await cloud.delete(made.id)
    assert await cloud.list_owned("me") == []


def test_an_unknown_fault_is_told_with_the_known_ones():
    with pytest.raises(ValueError, match="lost-answer"):
        SimulatedCloud("test", SimulatedOptions()).inject("gremlins")  # type: ignore[arg-type]


async def test_a_size_that_cannot_be_had_is_a_fact_and_is_refused():
    options = SimulatedOptions.model_validate(
        {"sizes": [{"name": "gpu", "cpus": 2, "ram_gb": 8, "gpus": 1, "unavailable": "no GPU"}]}
    )
    cloud = SimulatedCloud("test", options)
    assert (await cloud.sizes())["gpu"].unavailable == "no GPU"
    with pytest.raises(Refused, match="no GPU"):
        await cloud.create(_spec(cloud))
