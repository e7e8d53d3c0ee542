"""What a flavor is as a size. Pure.

GPUs are not a field of a flavor: Nova is told of them by extra specs, of which
three kinds count here (https://docs.openstack.org/nova/latest/admin/pci-passthrough.html,
…/virtual-gpu.html):

* ``pci_passthrough:alias: "a100:2"``: whole cards; the alias is the operator's word for a model;
* ``resources[GROUP]:VGPU: 1`` (or ``PGPU``): slices, or cards, by Placement's resource class;
* ``trait[GROUP]:CUSTOM_GPU_A100: required``: a host with a GPU, in flavors that count none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from openstack.compute.v2.flavor import Flavor

from ...model import Size
from ..base import SizeFact
from .options import Options

_MIB_PER_GIB = 1024
_RESOURCE = re.compile(r"resources[A-Za-z0-9_-]*:(VGPU|PGPU)")
_TRAIT = re.compile(r"trait[A-Za-z0-9_-]*:(?:CUSTOM|HW)_GPU(?:_(.+))?")
_NO_MODEL = ("gpu", "vgpu", "pgpu")
"""Aliases that say only what it is."""


def size_fact(flavor: Flavor, options: Options) -> SizeFact:
    """The size of that flavor, and why machines cannot have it, if so."""
    gpus, model = gpus_of(flavor.extra_specs or {}, options)
    return SizeFact(
        Size(
            name=flavor.name,
            cpus=flavor.vcpus,
            ram_gb=flavor.ram / _MIB_PER_GIB,
            gpus=gpus,
            gpu_model=options.gpu_models.get(flavor.name, model) if gpus else None,
        ),
        _unavailable(flavor),
    )


def gpus_of(extra_specs: Mapping[str, str], options: Options) -> tuple[int, str | None]:
    """How many GPUs these extra specs ask for, and their model if they name it.

    What cannot be read as a count is taken for none: Nova accepts any text.
    """
    count, model = 0, None
    for key, value in sorted(extra_specs.items()):
        if key == "pci_passthrough:alias":
            for alias, number in _aliases(value):
                if alias not in options.other_aliases:
                    count += number
                    model = model or (None if alias.lower() in _NO_MODEL else alias)
        elif _RESOURCE.fullmatch(key) and value.strip().isdecimal():
            count += int(value)
    for key, value in sorted(extra_specs.items()):
        if (trait := _TRAIT.fullmatch(key)) and value == "required":
            count = count or 1
            model = model or trait[1]
    return count, model


def _aliases(value: str) -> list[tuple[str, int]]:
    found = []
    for part in value.split(","):
        alias, _, number = part.strip().partition(":")
        if alias and (number or "1").strip().isdecimal():
            found.append((alias, int(number or 1)))
    return found


def _unavailable(flavor: Flavor) -> str:
    if flavor.is_disabled:
        return f"flavor {flavor.name} is disabled: ask the cloud's administrators, or take another"
    if not flavor.disk:
        return (
            f"flavor {flavor.name} has no disk, and machines start from their flavor's disk: "
            f"take another"
        )
    return ""
