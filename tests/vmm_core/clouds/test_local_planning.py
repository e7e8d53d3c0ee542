"""Room, sizes and GPUs of local machines: decisions from facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmm_core.clouds.base import MachineSpec, NoCapacity, Refused
from vmm_core.clouds.local.folder import Record
from vmm_core.clouds.local.host import Gpu, Host
from vmm_core.clouds.local.namespaces import Way
from vmm_core.clouds.local.options import LocalSize, Options
from vmm_core.clouds.local.planning import lacking, place, plan
from vmm_core.model import Size

HOST = Host(
    cpus=4,
    ram_gb=16,
    gpus=(
        Gpu("NVIDIA A100", ("/dev/nvidia0", "/dev/nvidiactl")),
        Gpu("NVIDIA A100", ("/dev/nvidia1", "/dev/nvidiactl")),
        Gpu("amdgpu", ("/dev/dri/renderD128",)),
    ),
)
OPTIONS = Options.model_validate(
    {
        "folder": "/srv/machines",
        "sizes": {
            "small": {"cpus": 1, "ram_gb": 4},
            "a100": {"cpus": 1, "ram_gb": 4, "gpus": 1, "gpu_model": "A100"},
        },
        "overcommit": {"cpus": 2, "ram": 1},
    }
)


def record(name: str, size: str = "small", *, way: Way = Way.NAMESPACES, data: str = "") -> Record:
    spec = MachineSpec(
        name=name,
        owner="tests",
        image="default",
        size=Size(name=size, cpus=1, ram_gb=4),
        user_data=data,
        ports=(8888,),
    )
    return plan(spec, OPTIONS, HOST, way)


def test_room_ends_with_the_memory() -> None:
    machines: list[Record] = []
    for number in range(4):
        machines.append(place(record(f"m{number}"), machines, OPTIONS, HOST))
    with pytest.raises(NoCapacity, match="room for 16 GiB, 20 were asked"):
        place(record("m4"), machines, OPTIONS, HOST)
    assert place(record("m3"), machines, OPTIONS, HOST).name == "m3"  # its own place is its own


def test_each_gpu_goes_to_one_machine() -> None:
    machines: list[Record] = []
    for number in range(2):
        machines.append(place(record(f"m{number}", "a100"), machines, OPTIONS, HOST))
    assert [m.devices for m in machines] == [
        ("/dev/nvidia0", "/dev/nvidiactl"),
        ("/dev/nvidia1", "/dev/nvidiactl"),
    ]
    with pytest.raises(NoCapacity, match="0 GPUs of this host are free"):
        place(record("m2", "a100"), machines, OPTIONS, HOST)
    assert place(record("m2"), machines, OPTIONS, HOST).devices == ()


def test_without_isolation_there_is_one_machine() -> None:
    first = record("m1", way=Way.PROCESS)
    with pytest.raises(NoCapacity, match="room for 1 machines"):
        place(record("m2", way=Way.PROCESS), [first], OPTIONS, HOST)


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (LocalSize(cpus=4, ram_gb=16, gpus=2, gpu_model="A100"), ""),
        (LocalSize(cpus=5, ram_gb=1), "it needs 5 CPUs and this host has 4"),
        (LocalSize(cpus=1, ram_gb=17), "it needs 17 GiB and this host has 16.0"),
        (LocalSize(cpus=1, ram_gb=1, gpus=4), "it needs 4 GPUs and this host has 3"),
        (
            LocalSize(cpus=1, ram_gb=1, gpus=1, gpu_model="H100"),
            "it needs 1 H100 GPU and this host has none",
        ),
    ],
)
def test_what_a_host_lacks_is_told(size: LocalSize, reason: str) -> None:
    assert lacking(size, HOST) == reason


@pytest.mark.parametrize(
    ("data", "reach"),
    [
        ('{"service": "http://127.0.0.1:8123/x"}', ("127.0.0.1:8123",)),
        ('{"service": "https://localhost"}', ("127.0.0.1:443",)),
        ('{"service": "http://10.1.2.3:8440"}', ("10.1.2.3:8440",)),
        ('{"service": "https://vmm.example.org"}', ()),
        ("{}", ()),
        ("#cloud-config", ()),
        ("[]", ()),
    ],
)
def test_the_vmm_is_reached_when_its_url_has_an_address(data: str, reach: tuple[str, ...]) -> None:
    assert record("m1", data=data).reach == reach


def test_the_clouds_own_folder_is_hidden_and_this_python_is_shown() -> None:
    made = record("m1")
    assert made.hide == ("/srv/machines",)
    assert any(Path(__file__).is_relative_to(path) for path in made.show)


def test_an_unknown_size_names_the_known_ones() -> None:
    with pytest.raises(Refused, match="no size 'huge': it has small, a100"):
        record("m1", "huge")
