"""The simulated cloud keeps the contract of every cloud, and each fault does what its name says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmm_core.clouds.base import (
    CONSOLE_BYTES,
    Abilities,
    CloudMachine,
    CloudState,
    MachineSpec,
    NoCapacity,
    OutcomeUnknown,
    QuotaExceeded,
    Refused,
    ResourceKind,
    Throttled,
    Unreachable,
)
from vmm_core.clouds.conformance import CloudConformance, LeaveSide
from vmm_core.clouds.simulated import Fault, SimulatedCloud, SimulatedOptions


class _Simulated(CloudConformance):
    @pytest.fixture(params=["leaves-port", "leaves-disk", "leaves-address"])
    def leave_side(self, cloud: SimulatedCloud, request: pytest.FixtureRequest) -> LeaveSide:
        fault: Fault = request.param

        async def leave(machine: CloudMachine) -> ResourceKind:
            cloud.inject(fault)
            await cloud.delete(machine.id)
            return ResourceKind(fault.removeprefix("leaves-"))

        return leave


class TestInMemory(_Simulated):
    @pytest.fixture
    def cloud(self) -> SimulatedCloud:
        return SimulatedCloud("test", SimulatedOptions())


class TestWithNothingOptional(_Simulated):
    @pytest.fixture
    def cloud(self) -> SimulatedCloud:
        return SimulatedCloud("test", SimulatedOptions(suspend=False, console=False))


class TestOnDisk(_Simulated):
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


async def _machine(cloud: SimulatedCloud) -> CloudMachine:
    (machine,) = await cloud.list_owned("me")
    return machine


async def test_abilities_are_an_accounts_own():
    able, unable = SimulatedOptions(), SimulatedOptions(suspend=False, console=False)
    assert SimulatedCloud("a", able).abilities == Abilities(suspend=True, console=True)
    assert SimulatedCloud("b", unable).abilities == Abilities(suspend=False, console=False)


async def test_a_suspended_machine_runs_when_its_time_to_resume_has_passed():
    now = [100.0]
    cloud = SimulatedCloud("test", SimulatedOptions(resume_s=5), clock=lambda: now[0])
    made = await cloud.create(_spec(cloud))
    await cloud.suspend(made.id)
    now[0] += 1000
    assert (await _machine(cloud)).state is CloudState.SUSPENDED
    await cloud.resume(made.id)
    now[0] += 4
    await cloud.resume(made.id)  # asked again on its way, it takes no longer
    assert (await _machine(cloud)).state is CloudState.SUSPENDED
    now[0] += 1
    assert (await _machine(cloud)).state is CloudState.RUNNING


@pytest.mark.parametrize(
    ("fault", "error", "state"),
    [
        ("suspend-fails", Refused, CloudState.RUNNING),
        ("suspend-lost-answer", OutcomeUnknown, CloudState.SUSPENDED),
    ],
)
async def test_a_suspension_that_goes_wrong(fault, error, state):
    cloud = SimulatedCloud("test", SimulatedOptions())
    made = await cloud.create(_spec(cloud))
    cloud.inject(fault)
    with pytest.raises(error, match=fault):
        await cloud.suspend(made.id)
    assert (await _machine(cloud)).state is state
    await cloud.suspend(made.id)
    assert (await _machine(cloud)).state is CloudState.SUSPENDED


@pytest.mark.parametrize(
    ("fault", "error", "state"),
    [
        ("resume-fails", NoCapacity, CloudState.SUSPENDED),
        ("resume-lost-answer", OutcomeUnknown, CloudState.RUNNING),
    ],
)
async def test_a_resume_that_goes_wrong(fault, error, state):
    cloud = SimulatedCloud("test", SimulatedOptions())
    made = await cloud.create(_spec(cloud))
    await cloud.suspend(made.id)
    cloud.inject(fault)
    with pytest.raises(error, match=fault):
        await cloud.resume(made.id)
    assert (await _machine(cloud)).state is state
    await cloud.resume(made.id)
    assert (await _machine(cloud)).state is CloudState.RUNNING


async def test_a_resume_that_breaks_the_machine():
    cloud = SimulatedCloud("test", SimulatedOptions())
    made = await cloud.create(_spec(cloud))
    await cloud.suspend(made.id)
    cloud.inject("resume-breaks")
    await cloud.resume(made.id)
    broken = await _machine(cloud)
    assert (broken.state, broken.reason) == (CloudState.FAILED, "simulated fault resume-breaks")
    for verb in (cloud.suspend, cloud.resume):
        with pytest.raises(Refused, match="it is failed"):
            await verb(made.id)


async def test_a_machine_that_is_not_up_cannot_be_suspended():
    cloud = SimulatedCloud("test", SimulatedOptions(boot_s=30))
    made = await cloud.create(_spec(cloud))
    with pytest.raises(Refused, match="it is building: wait until it runs"):
        await cloud.suspend(made.id)


async def test_what_a_machine_wrote_is_read_from_its_end():
    cloud = SimulatedCloud("test", SimulatedOptions())
    cloud.inject("boot-fails")
    made = await cloud.create(_spec(cloud))
    assert "simulated fault boot-fails" in await cloud.console(made.id)
    cloud.write(made.id, "\u00e4 long line\n" * 10_000 + "the last\n")
    text = await cloud.console(made.id)
    assert CONSOLE_BYTES - 20 < len(text.encode()) <= CONSOLE_BYTES
    assert text.startswith("\u00e4 long line\n")
    assert text.endswith("the last\n")


async def test_what_is_left_needs_no_quota():
    cloud = SimulatedCloud("test", SimulatedOptions(max_machines=1, max_cpus=2))
    made = await cloud.create(_spec(cloud))
    cloud.inject("leaves-disk")
    await cloud.delete(made.id)
    assert (await _machine(cloud)).kind is ResourceKind.DISK
    await cloud.create(_spec(cloud))


async def test_cpus_are_counted_exactly_however_many_come_and_go():
    sizes = [{"name": "tenth", "cpus": 0.1, "ram_gb": 1}]
    options = SimulatedOptions.model_validate({"sizes": sizes, "max_cpus": 0.3})
    cloud = SimulatedCloud("test", options)
    for _ in range(50):
        made = [await cloud.create(_spec(cloud, name)) for name in ("a", "b", "c")]
        with pytest.raises(QuotaExceeded, match=r"it may have 0\.3 CPUs and uses 0\.3"):
            await cloud.create(_spec(cloud, "d"))
        for machine in made:
            await cloud.delete(machine.id)
