"""From when on a machine is in use, and what says so."""

from __future__ import annotations

import pytest

from vmm_core.agent.protocol import Activity
from vmm_core.lifetimes.activity import Thresholds, active


def seen(**more: object) -> Activity:
    return Activity.model_validate({"cpu_percent": 0.4, "processes": 40, **more})


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"kernels_busy": 1}, "1 kernel computes"),
        ({"kernels_busy": 2}, "2 kernels compute"),
        ({"cpu_percent": 10.0}, "programs use 10 % of a CPU"),
        ({"gpu_percent": 5.0}, "a GPU is used to 5 %"),
        ({"logins": 1}, "1 login"),
        ({"logins": 3}, "3 logins"),
        ({"input_idle_s": 12.4}, "input 12 s ago"),
        ({"kernels_busy": 1, "input_idle_s": 0.0}, "1 kernel computes, input 0 s ago"),
    ],
)
def test_each_source_alone_is_enough(more: dict[str, object], says: str) -> None:
    assert active(seen(**more)) == (True, says)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"kernels_busy": 0},
        {"cpu_percent": 9.9},
        {"gpu_percent": 0.0},
        {"logins": 0},
        {"input_idle_s": 301.0},
    ],
)
def test_what_is_below_is_no_use(more: dict[str, object]) -> None:
    assert active(seen(**more)) == (False, "nothing is in use")


def test_thresholds_are_a_facilitys_choice() -> None:
    assert not active(seen(logins=3), Thresholds(logins=0))[0]
    assert not active(seen(logins=1), Thresholds(logins=2))[0]
    assert active(seen(input_idle_s=400.0), Thresholds(input_s=600))[0]
    assert not active(seen(cpu_percent=50.0), Thresholds(cpu_percent=80))[0]
