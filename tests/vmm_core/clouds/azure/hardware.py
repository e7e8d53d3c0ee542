"""The sizes that the fake Azure has, and how much of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Size:
    """A size; ``capacity`` is how many more there is room for, None without end."""

    name: str
    family: str
    cpus: int
    ram_gb: float
    gpus: int = 0
    zones: tuple[str, ...] = ("1", "2", "3")
    closed_zones: tuple[str, ...] = ()
    closed: bool = False
    capacity: int | None = None
    allocation_fails: bool = False
    """Whether room is found wanting only after the request was accepted."""


def sizes() -> dict[str, Size]:
    known = (
        Size("Standard_D2s_v5", "standardDSv5Family", 2, 8),
        Size("Standard_D8s_v5", "standardDSv5Family", 8, 32, closed_zones=("2",)),
        Size("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, 28, gpus=1),
        Size("Standard_NC24ads_A100_v4", "StandardNCADSA100v4Family", 24, 220, 1, zones=("1", "3")),
        Size("Standard_NC6", "standardNCFamily", 6, 56, gpus=1, closed=True),
    )
    return {size.name: size for size in known}
