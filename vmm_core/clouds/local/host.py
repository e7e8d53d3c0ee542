"""What this host has: CPUs, memory, and GPUs that are really there."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30

_SOFTWARE_RENDERERS = {"vgem", "vkms", "simpledrm"}


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU and the device nodes that a machine needs to use it."""

    model: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Host:
    """Everything that local machines share."""

    cpus: int
    ram_gb: float
    gpus: tuple[Gpu, ...]


def look() -> Host:
    """What this host has now."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Host(
        cpus=len(os.sched_getaffinity(0)),
        ram_gb=pages / GIB,
        gpus=(*_nvidia(), *_rendering()),
    )


def _nvidia() -> list[Gpu]:
    common = tuple(
        path
        for path in ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
        if Path(path).exists()
    )
    models = _nvidia_models()
    return [
        Gpu(models.get(path.name.removeprefix("nvidia"), "NVIDIA"), (str(path), *common))
        for path in sorted(Path("/dev").glob("nvidia[0-9]*"))
    ]


def _nvidia_models() -> dict[str, str]:
    """Model by minor number, as the driver tells it."""
    models: dict[str, str] = {}
    for path in Path("/proc/driver/nvidia/gpus").glob("*/information"):
        with suppress(OSError):
            lines = (line.partition(":") for line in path.read_text().splitlines())
            facts = {name.strip(): value.strip() for name, _, value in lines}
            models[facts.get("Device Minor", "")] = facts.get("Model", "NVIDIA")
    return models


def _rendering() -> list[Gpu]:
    """GPUs of other makers, by their render nodes; not displays drawn in software."""
    found = []
    for path in sorted(Path("/dev/dri").glob("renderD*")):
        driver = Path(f"/sys/class/drm/{path.name}/device/driver").resolve().name
        if driver not in {"nvidia", *_SOFTWARE_RENDERERS}:
            found.append(Gpu(driver, (str(path),)))
    return found
