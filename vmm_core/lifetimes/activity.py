"""Whether a machine is in use, decided from what its agent saw on it.

Pure. Nothing that a browser does counts by itself: an open page asks its
notebook server for ever, and nobody need sit before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..agent.protocol import Activity


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on each source says that the machine is in use.

    ``cpu_percent`` is of one CPU, ``input_s`` the seconds that a key or pointer
    counts for, ``logins`` how many are enough (0: logins alone say nothing).
    """

    cpu_percent: float = 10.0
    gpu_percent: float = 5.0
    logins: int = 1
    input_s: float = 300.0


DEFAULT = Thresholds()


def active(activity: Activity, thresholds: Thresholds = DEFAULT) -> tuple[bool, str]:
    """Whether the machine is in use, and by what.

    Args:
        activity: one report of the machine's agent; what is None in it is not there.
        thresholds: from when on each source counts.

    Returns:
        True with every source that says so ("2 kernels compute, input 12 s ago"), or
        False with the sentence that nothing does.
    """
    seen = activity
    said = []
    if seen.kernels_busy:
        many = seen.kernels_busy > 1
        said.append(f"{seen.kernels_busy} kernel{'s' if many else ''} compute{'' if many else 's'}")
    if seen.cpu_percent >= thresholds.cpu_percent:
        said.append(f"programs use {seen.cpu_percent:.0f} % of a CPU")
    if seen.gpu_percent is not None and seen.gpu_percent >= thresholds.gpu_percent:
        said.append(f"a GPU is used to {seen.gpu_percent:.0f} %")
    if seen.logins and 0 < thresholds.logins <= seen.logins:
        said.append(f"{seen.logins} login{'s' if seen.logins > 1 else ''}")
    if seen.input_idle_s is not None and seen.input_idle_s <= thresholds.input_s:
        said.append(f"input {seen.input_idle_s:.0f} s ago")
    return (True, ", ".join(said)) if said else (False, "nothing is in use")
